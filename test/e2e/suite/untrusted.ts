import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { skua, tabs, until, workspaceFile } from './support';

describe('untrusted workspace', () => {
  it('is one', () => assert.equal(vscode.workspace.isTrusted, false));

  it('shows recorded traces', async () => {
    await vscode.commands.executeCommand('vscode.open', workspaceFile('journal.skua'));
    await until('the tab', () => tabs().find((tab) => tab.input instanceof vscode.TabInputCustom));
    assert.equal(skua().isActive, true);
  });

  it('runs nothing', async () => {
    const sessions: vscode.DebugSession[] = [];
    const subscription = vscode.debug.onDidStartDebugSession((session) => sessions.push(session));
    try {
      // VS Code asks for trust and goes on waiting for the answer, which nobody gives.
      const start = vscode.debug.startDebugging(vscode.workspace.workspaceFolders?.[0], {
        type: 'skua',
        request: 'launch',
        name: 'untrusted',
        target: 'ssh://nobody@127.0.0.1:1',
        program: 'true',
      });
      const started = await Promise.race([
        start,
        new Promise((resolve) => setTimeout(() => resolve(false), 3000)),
      ]);
      assert.equal(started, false);
      assert.deepEqual(sessions, []);
    } finally {
      subscription.dispose();
    }
  });

  it('does not touch the sandbox', async () => {
    const commands = (await vscode.commands.getCommands(true)).filter((id) => id.startsWith('skua.sandbox.'));
    assert.equal(commands.length, 3);
    // Enablement hides them from the person; called by another extension they must refuse by themselves.
    await vscode.commands.executeCommand('skua.sandbox.start');
  });
});
