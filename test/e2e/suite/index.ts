/** Entry of the mocha suite in the extension host; the contract is that of @vscode/test-electron. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Mocha from 'mocha';
import * as vscode from 'vscode';

export async function run(): Promise<void> {
  const { grep } = readOptions();
  const mocha = new Mocha({
    ui: 'bdd',
    timeout: 30_000,
    color: false,
    reporter: 'spec',
    ...(grep === '' ? {} : { grep }),
  });
  mocha.suite.emit('pre-require', globalThis, '', mocha);
  if (vscode.workspace.isTrusted) {
    await import('./activation');
    await import('./configuration');
    await import('./editor');
  } else {
    await import('./untrusted');
  }
  const failures = await new Promise<number>((resolve) => mocha.run(resolve));
  if (mocha.suite.total() === 0) throw new Error('The suite holds no test.');
  if (failures > 0) throw new Error(`${failures} of ${mocha.suite.total()} tests failed.`);
}

function readOptions(): { readonly grep: string } {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  if (folder === undefined) throw new Error('The suite needs its workspace.');
  return JSON.parse(readFileSync(path.join(folder, '.suite.json'), 'utf8')) as { grep: string };
}
