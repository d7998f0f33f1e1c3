import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { skua } from './support';

interface Contributed {
  readonly contributes: {
    readonly debuggers: readonly {
      readonly type: string;
      readonly configurationSnippets: readonly {
        readonly label: string;
        readonly body: { readonly type: string };
      }[];
    }[];
  };
}

describe('debug type', () => {
  it('contributes its snippets', () => {
    const { debuggers } = (skua().packageJSON as Contributed).contributes;
    const mine = debuggers.find(({ type }) => type === 'skua');
    assert.ok(mine !== undefined);
    assert.ok(mine.configurationSnippets.length >= 4);
    for (const { body } of mine.configurationSnippets) assert.equal(body.type, 'skua');
  });

  it('refuses a configuration that cannot run, before any session starts', async () => {
    const started: vscode.DebugSession[] = [];
    const subscription = vscode.debug.onDidStartDebugSession((session) => started.push(session));
    try {
      const folder = vscode.workspace.workspaceFolders?.[0];
      const ok = await vscode.debug.startDebugging(folder, {
        type: 'skua',
        request: 'launch',
        name: 'bad',
        program: '${workspaceFolder}/does-not-exist',
      });
      assert.equal(ok, false);
      assert.deepEqual(started, []);
    } finally {
      subscription.dispose();
    }
  });

  it('reports a target that cannot be reached and ends the session', async () => {
    const ended = new Promise<vscode.DebugSession>((resolve) => {
      const subscription = vscode.debug.onDidTerminateDebugSession((session) => {
        subscription.dispose();
        resolve(session);
      });
    });
    const folder = vscode.workspace.workspaceFolders?.[0];
    const ok = await vscode.debug.startDebugging(folder, {
      type: 'skua',
      request: 'launch',
      name: 'unreachable',
      target: 'ssh://nobody@127.0.0.1:1',
      program: 'true',
      openTimeline: false,
    });
    assert.equal(ok, true);
    assert.equal((await ended).configuration.name, 'unreachable');
  });
});
