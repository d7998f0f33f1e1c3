import { describe, expect, it } from 'vitest';
import { keyCommand } from './keyboard';

const key = (
  code: string,
  modifiers: Partial<Record<'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey', boolean>> = {},
) => ({
  code,
  ctrlKey: false,
  shiftKey: false,
  altKey: false,
  metaKey: false,
  ...modifiers,
});
const STAGE = { onStage: true, inTextField: false };
const FIELD = { onStage: false, inTextField: true };
const BUTTON = { onStage: false, inTextField: false };

describe('keyCommand', () => {
  it.each([
    ['zooms on the timeline', key('KeyW'), STAGE, 'skua.timeline.zoomIn'],
    ['leaves text alone', key('KeyW'), FIELD, undefined],
    ['leaves Enter to buttons', key('Enter'), BUTTON, undefined],
    ['searches from anywhere', key('KeyF', { ctrlKey: true }), FIELD, 'skua.timeline.search'],
    ['goes to the next match from anywhere', key('F3'), FIELD, 'skua.timeline.nextMatch'],
    ['lets ctrl+Z undo in a field', key('KeyZ', { ctrlKey: true }), FIELD, undefined],
    ['knows nothing of other keys', key('KeyP', { ctrlKey: true }), STAGE, undefined],
  ] as const)('%s', (_what, event, context, command) => {
    expect(keyCommand(event, context)).toBe(command);
  });
});
