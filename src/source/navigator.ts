import { stat } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { SourceLocation } from '../../common/view/protocol';
import { CONTEXT } from '../commands';
import type { SourceMap } from '../core/api';
import { mapSource, mappingFor } from './mapping';

export interface OpenHow {
  readonly toSide: boolean;
  readonly preserveFocus: boolean;
  /** Column of the timeline the wish comes from: its tab is not to be covered. */
  readonly from: vscode.ViewColumn | undefined;
}

const FLASH_MS = 900;
/** Files come and go while programs are built, but one selection asks for the same few paths many times. */
const CACHE_MS = 2000;

/** Opens recorded source locations in the editor. */
export class SourceNavigator implements vscode.Disposable {
  private readonly flash = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor('editor.findMatchHighlightBackground'),
    overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.findMatchForeground'),
    overviewRulerLane: vscode.OverviewRulerLane.Full,
  });
  private flashTimer: NodeJS.Timeout | undefined;
  private cache = new Map<string, { readonly path: Promise<string | undefined>; readonly at: number }>();

  /** Local path of a recorded one, undefined when nothing matches. */
  resolve(recorded: string, sourceMap: SourceMap): Promise<string | undefined> {
    const key = JSON.stringify([recorded, sourceMap]);
    const known = this.cache.get(key);
    if (known !== undefined && Date.now() - known.at < CACHE_MS) return known.path;
    if (this.cache.size > 5000) this.cache.clear();
    const path = mapSource(recorded, {
      sourceMap: [...sourceMap, ...settingsMap()],
      folders: (vscode.workspace.workspaceFolders ?? [])
        .filter((f) => f.uri.scheme === 'file')
        .map((f) => f.uri.fsPath),
      exists: async (file) => (await stat(file).catch(() => undefined))?.isFile() === true,
    });
    this.cache.set(key, { path, at: Date.now() });
    return path;
  }

  /** Opens the location, or tells that no file matches and offers to pick one. */
  async open(location: SourceLocation, sourceMap: SourceMap, how: OpenHow): Promise<void> {
    const local = await this.resolve(location.file, sourceMap);
    if (local !== undefined) {
      await this.show(vscode.Uri.file(local), location, how);
      return;
    }
    const pick = 'Pick File…';
    const chosen = await vscode.window.showWarningMessage(
      `Skua: No file here matches ${location.file}. Pick it once and files beside it are found as well.`,
      pick,
    );
    if (chosen === pick) await this.pick(location, sourceMap, how);
  }

  /** Lets the user choose the local file, remembers the mapping in `skua.sourceMap` and opens it. */
  async pick(location: SourceLocation, sourceMap: SourceMap, how?: OpenHow): Promise<void> {
    const name = location.file.slice(location.file.lastIndexOf('/') + 1);
    const start = vscode.workspace.workspaceFolders?.[0]?.uri;
    const [picked] =
      (await vscode.window.showOpenDialog({
        title: `Where is ${name}?`,
        openLabel: 'Use This File',
        canSelectMany: false,
        ...(start === undefined ? {} : { defaultUri: start }),
      })) ?? [];
    if (picked === undefined) return;
    await remember(mappingFor(location.file, picked.fsPath));
    this.cache.clear();
    const local = await this.resolve(location.file, sourceMap);
    await this.show(vscode.Uri.file(local ?? picked.fsPath), location, how);
  }

  private async show(file: vscode.Uri, location: SourceLocation, how?: OpenHow): Promise<void> {
    const document = await vscode.workspace.openTextDocument(file);
    const line = Math.min(Math.max((location.line ?? 1) - 1, 0), document.lineCount - 1);
    const column = Math.min(Math.max((location.column ?? 1) - 1, 0), document.lineAt(line).text.length);
    const position = new vscode.Position(
      line,
      column > 0 ? column : document.lineAt(line).firstNonWhitespaceCharacterIndex,
    );
    const editor = await vscode.window.showTextDocument(document, {
      viewColumn: columnFor(file, how),
      preserveFocus: how?.preserveFocus ?? false,
      preview: true,
    });
    editor.selection = new vscode.Selection(position, position);
    editor.revealRange(
      new vscode.Range(position, position),
      vscode.TextEditorRevealType.InCenterIfOutsideViewport,
    );
    this.flashLine(editor, position);
    void vscode.commands.executeCommand('setContext', CONTEXT.sourceOpened, true);
  }

  private flashLine(editor: vscode.TextEditor, position: vscode.Position): void {
    clearTimeout(this.flashTimer);
    for (const visible of vscode.window.visibleTextEditors) visible.setDecorations(this.flash, []);
    editor.setDecorations(this.flash, [new vscode.Range(position, position)]);
    this.flashTimer = setTimeout(() => editor.setDecorations(this.flash, []), FLASH_MS);
  }

  dispose(): void {
    clearTimeout(this.flashTimer);
    this.flash.dispose();
  }
}

/**
 * Where a file opens: where it is visible already; else in another group that shows text; else beside the timeline, which stays in sight.
 */
function columnFor(file: vscode.Uri, how: OpenHow | undefined): vscode.ViewColumn {
  if (how === undefined) return vscode.ViewColumn.Active;
  if (how.toSide) return vscode.ViewColumn.Beside;
  const others = vscode.window.visibleTextEditors.filter(
    (editor) =>
      editor.viewColumn !== undefined &&
      editor.viewColumn !== how.from &&
      editor.document.uri.scheme !== 'output',
  );
  const same = others.find((editor) => editor.document.uri.toString() === file.toString());
  const column = (same ?? others[0])?.viewColumn;
  if (column !== undefined) return column;
  const group = vscode.window.tabGroups.all.find(({ viewColumn }) => viewColumn !== how.from);
  return group?.viewColumn ?? vscode.ViewColumn.Beside;
}

/** The setting, with `${workspaceFolder}` replaced. */
function settingsMap(): SourceMap {
  const root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  return Object.entries(
    vscode.workspace.getConfiguration('skua').get<Record<string, string>>('sourceMap', {}),
  ).map(([from, to]) => [from, root === undefined ? to : to.replaceAll('${workspaceFolder}', root)] as const);
}

async function remember([from, to]: readonly [string, string]): Promise<void> {
  const settings = vscode.workspace.getConfiguration('skua');
  const target =
    vscode.workspace.workspaceFolders === undefined
      ? vscode.ConfigurationTarget.Global
      : vscode.ConfigurationTarget.Workspace;
  const { workspaceValue, globalValue } = settings.inspect<Record<string, string>>('sourceMap') ?? {};
  const before = target === vscode.ConfigurationTarget.Workspace ? workspaceValue : globalValue;
  await settings.update('sourceMap', { ...before, [from]: to }, target);
}
