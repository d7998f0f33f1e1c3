import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { TIMELINE_COMMANDS } from '../../../common/view/commands';
import { COMMANDS } from '../../../src/commands';
import { skua } from './support';

describe('activation', () => {
  it('waits until it is needed', () => {
    // A view of ours may be restored in a window; in this fresh one nothing has asked for the extension.
    assert.equal(skua().isActive, false);
  });

  it('registers every command', async () => {
    await skua().activate();
    const known = new Set(await vscode.commands.getCommands(true));
    const missing = [...Object.values(COMMANDS), ...TIMELINE_COMMANDS.map(({ id }) => id)].filter(
      (id) => !known.has(id),
    );
    assert.deepEqual(missing, []);
  });

  it('is quick to activate', async () => {
    const started = performance.now();
    await skua().activate();
    assert.ok(performance.now() - started < 1000);
  });
});
