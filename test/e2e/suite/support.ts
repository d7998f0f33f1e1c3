import * as vscode from 'vscode';

export function skua(): vscode.Extension<unknown> {
  const extension = vscode.extensions.getExtension('skua.skua');
  if (extension === undefined) throw new Error('The extension is not installed.');
  return extension;
}

export function workspaceFile(name: string): vscode.Uri {
  const folder = vscode.workspace.workspaceFolders?.[0];
  if (folder === undefined) throw new Error('no workspace');
  return vscode.Uri.joinPath(folder.uri, name);
}

/** Polls until `probe` gives something; the message says what was waited for. */
export async function until<T>(what: string, probe: () => T | undefined, limitMs = 10_000): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`Waited ${limitMs} ms for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function tabs(): readonly vscode.Tab[] {
  return vscode.window.tabGroups.all.flatMap((group) => group.tabs);
}
