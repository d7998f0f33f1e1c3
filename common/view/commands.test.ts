import { describe, expect, it } from 'vitest';
import { TIMELINE_COMMANDS, commandForKey, keyText, type KeyChord, type TimelineCommand } from './commands';

const event = (chord: KeyChord) => ({
  code: chord.code,
  ctrlKey: chord.ctrl ?? false,
  metaKey: false,
  shiftKey: chord.shift ?? false,
  altKey: chord.alt ?? false,
});
const commands = TIMELINE_COMMANDS as readonly TimelineCommand[];

describe('the command table', () => {
  it('has no id and no key twice', () => {
    const ids = commands.map((c) => c.id);
    const keys = commands.flatMap((c) => c.keys.map((k) => JSON.stringify(event(k))));
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(commands.map((c) => c.vscodeKey)).size).toBe(commands.length);
  });

  it('finds every command by each of its keys', () => {
    for (const command of commands)
      for (const chord of command.keys) expect(commandForKey(event(chord))).toBe(command.id);
  });

  it.each([
    ['KeyW', 'zoomIn'],
    ['KeyS', 'zoomOut'],
    ['KeyA', 'panLeft'],
    ['KeyD', 'panRight'],
    ['Slash', 'search'],
    ['KeyF', 'focusSelection'],
    ['KeyM', 'mark'],
    ['KeyR', 'selectionToRange'],
    ['Period', 'nextInRow'],
    ['Comma', 'previousInRow'],
    ['BracketLeft', 'previousWaker'],
    ['ArrowUp', 'parent'],
    ['ArrowDown', 'firstChild'],
    ['Enter', 'openSource'],
    ['Digit0', 'zoomFit'],
    ['KeyQ', 'toggleDetails'],
    ['Space', 'toggleFollow'],
    ['Escape', 'clear'],
  ])('%s is %s, as the field is used to', (code, name) => {
    expect(commandForKey(event({ code }))).toBe(`skua.timeline.${name}`);
  });

  it('wants exactly the modifiers of the table', () => {
    expect(commandForKey(event({ code: 'KeyW', ctrl: true }))).toBeUndefined();
    expect(commandForKey({ ...event({ code: 'KeyZ' }), metaKey: true })).toBe('skua.timeline.viewBack');
  });

  it('writes keys for people', () => {
    expect([
      keyText({ code: 'KeyZ', ctrl: true, shift: true }),
      keyText({ code: 'Slash', shift: true }),
      keyText({ code: 'Digit0' }),
    ]).toEqual(['Ctrl+Shift+Z', '?', '0']);
  });
});
