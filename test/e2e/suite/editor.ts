import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { VIEW_TYPE } from '../../../src/commands';
import { tabs, until, workspaceFile } from './support';

function traceTab(name: string): vscode.Tab | undefined {
  return tabs().find((tab) => {
    const { input } = tab;
    return (
      input instanceof vscode.TabInputCustom &&
      input.viewType === VIEW_TYPE.traceEditor &&
      input.uri.path.endsWith(name)
    );
  });
}

describe('trace editor', () => {
  afterEach(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('opens a .skua file by default', async () => {
    await vscode.commands.executeCommand('vscode.open', workspaceFile('journal.skua'));
    const tab = await until('the tab', () => traceTab('journal.skua'));
    assert.equal(tab.isActive, true);
    assert.equal(tab.isDirty, false);
  });

  it('opens the same file twice side by side, and closes both', async () => {
    await vscode.commands.executeCommand('vscode.open', workspaceFile('journal.skua'));
    await vscode.commands.executeCommand(
      'vscode.openWith',
      workspaceFile('journal.skua'),
      VIEW_TYPE.traceEditor,
      vscode.ViewColumn.Beside,
    );
    await until('two tabs', () => (tabs().length === 2 ? true : undefined));
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await until('no tab', () => (tabs().length === 0 ? true : undefined));
  });

  it('opens a broken file as an editor that tells so', async () => {
    await vscode.commands.executeCommand('vscode.open', workspaceFile('broken.skua'));
    await until('the tab', () => traceTab('broken.skua'));
  });
});
