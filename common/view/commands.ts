/**
 * Every command of the timeline, once: the webview handles the keys itself, the extension contributes the same commands (palette,
 * keys that users can rebind) and forwards them as `{type: 'command', id}`. Keys are `event.code`s, so that they stay in
 * place on every keyboard layout; `vscodeKey` is the same binding in VS Code's notation.
 */

/** A key with its modifiers. `ctrl` means Cmd on a Mac. */
export interface KeyChord {
  readonly code: string;
  readonly ctrl?: true;
  readonly shift?: true;
  readonly alt?: true;
}

export interface TimelineCommand {
  readonly id: string;
  readonly title: string;
  readonly group: 'Navigate' | 'Select' | 'Find' | 'View' | 'Source';
  readonly keys: readonly KeyChord[];
  /** For package.json `contributes.keybindings`; absent where only the webview should listen (plain text keys are safe there). */
  readonly vscodeKey?: string;
}

const key = (code: string, ...modifiers: ('ctrl' | 'shift' | 'alt')[]): KeyChord => ({
  code,
  ...(modifiers.includes('ctrl') ? { ctrl: true } : {}),
  ...(modifiers.includes('shift') ? { shift: true } : {}),
  ...(modifiers.includes('alt') ? { alt: true } : {}),
});

export const TIMELINE_COMMANDS = [
  {
    id: 'skua.timeline.zoomIn',
    title: 'Zoom In',
    group: 'Navigate',
    keys: [key('KeyW'), key('Equal'), key('NumpadAdd')],
    vscodeKey: 'w',
  },
  {
    id: 'skua.timeline.zoomOut',
    title: 'Zoom Out',
    group: 'Navigate',
    keys: [key('KeyS'), key('Minus'), key('NumpadSubtract')],
    vscodeKey: 's',
  },
  { id: 'skua.timeline.panLeft', title: 'Pan Left', group: 'Navigate', keys: [key('KeyA')], vscodeKey: 'a' },
  {
    id: 'skua.timeline.panRight',
    title: 'Pan Right',
    group: 'Navigate',
    keys: [key('KeyD')],
    vscodeKey: 'd',
  },
  {
    id: 'skua.timeline.zoomFit',
    title: 'Show Whole Trace',
    group: 'Navigate',
    keys: [key('Digit0'), key('Numpad0')],
    vscodeKey: '0',
  },
  {
    id: 'skua.timeline.focusSelection',
    title: 'Centre Selection, Then Fit It',
    group: 'Navigate',
    keys: [key('KeyF')],
    vscodeKey: 'f',
  },
  {
    id: 'skua.timeline.toggleFollow',
    title: 'Follow Live Edge',
    group: 'Navigate',
    keys: [key('Space')],
    vscodeKey: 'space',
  },
  {
    id: 'skua.timeline.viewBack',
    title: 'Previous View',
    group: 'Navigate',
    keys: [key('KeyZ', 'ctrl')],
    vscodeKey: 'ctrl+z',
  },
  {
    id: 'skua.timeline.viewForward',
    title: 'Next View',
    group: 'Navigate',
    keys: [key('KeyZ', 'ctrl', 'shift'), key('KeyY', 'ctrl')],
    vscodeKey: 'ctrl+shift+z',
  },
  {
    id: 'skua.timeline.scrollUp',
    title: 'Scroll Rows Up',
    group: 'Navigate',
    keys: [key('PageUp')],
    vscodeKey: 'pageup',
  },
  {
    id: 'skua.timeline.scrollDown',
    title: 'Scroll Rows Down',
    group: 'Navigate',
    keys: [key('PageDown')],
    vscodeKey: 'pagedown',
  },

  {
    id: 'skua.timeline.nextSibling',
    title: 'Next Sibling Span',
    group: 'Select',
    keys: [key('ArrowRight')],
    vscodeKey: 'right',
  },
  {
    id: 'skua.timeline.previousSibling',
    title: 'Previous Sibling Span',
    group: 'Select',
    keys: [key('ArrowLeft')],
    vscodeKey: 'left',
  },
  {
    id: 'skua.timeline.parent',
    title: 'Parent Span',
    group: 'Select',
    keys: [key('ArrowUp')],
    vscodeKey: 'up',
  },
  {
    id: 'skua.timeline.firstChild',
    title: 'First Child Span',
    group: 'Select',
    keys: [key('ArrowDown')],
    vscodeKey: 'down',
  },
  {
    id: 'skua.timeline.nextInRow',
    title: 'Next Span of the Row',
    group: 'Select',
    keys: [key('Period')],
    vscodeKey: '.',
  },
  {
    id: 'skua.timeline.previousInRow',
    title: 'Previous Span of the Row',
    group: 'Select',
    keys: [key('Comma')],
    vscodeKey: ',',
  },
  {
    id: 'skua.timeline.previousWaker',
    title: 'Go to Waker',
    group: 'Select',
    keys: [key('BracketLeft')],
    vscodeKey: '[',
  },
  {
    id: 'skua.timeline.nextWakee',
    title: 'Go to Wakee',
    group: 'Select',
    keys: [key('BracketRight')],
    vscodeKey: ']',
  },
  {
    id: 'skua.timeline.selectionToRange',
    title: 'Selection to Time Range',
    group: 'Select',
    keys: [key('KeyR')],
    vscodeKey: 'r',
  },
  {
    id: 'skua.timeline.mark',
    title: 'Set or Remove Mark',
    group: 'Select',
    keys: [key('KeyM')],
    vscodeKey: 'm',
  },
  {
    id: 'skua.timeline.clear',
    title: 'Clear Selection',
    group: 'Select',
    keys: [key('Escape')],
    vscodeKey: 'escape',
  },

  {
    id: 'skua.timeline.search',
    title: 'Search',
    group: 'Find',
    keys: [key('Slash'), key('KeyF', 'ctrl')],
    vscodeKey: 'ctrl+f',
  },
  {
    id: 'skua.timeline.nextMatch',
    title: 'Next Match',
    group: 'Find',
    keys: [key('F3'), key('KeyN')],
    vscodeKey: 'f3',
  },
  {
    id: 'skua.timeline.previousMatch',
    title: 'Previous Match',
    group: 'Find',
    keys: [key('F3', 'shift'), key('KeyN', 'shift')],
    vscodeKey: 'shift+f3',
  },
  {
    id: 'skua.timeline.toggleFilter',
    title: 'Hide What Does Not Match',
    group: 'Find',
    keys: [key('KeyH')],
    vscodeKey: 'h',
  },

  {
    id: 'skua.timeline.toggleDetails',
    title: 'Show or Hide Details',
    group: 'View',
    keys: [key('KeyQ')],
    vscodeKey: 'q',
  },
  {
    id: 'skua.timeline.toggleRow',
    title: 'Collapse or Expand Row',
    group: 'View',
    keys: [key('KeyE')],
    vscodeKey: 'e',
  },
  {
    id: 'skua.timeline.collapseAll',
    title: 'Collapse All Traces',
    group: 'View',
    keys: [key('KeyE', 'shift')],
    vscodeKey: 'shift+e',
  },
  {
    id: 'skua.timeline.expandAll',
    title: 'Expand All Traces',
    group: 'View',
    keys: [key('KeyE', 'alt')],
    vscodeKey: 'alt+e',
  },
  {
    id: 'skua.timeline.toggleMerge',
    title: 'Merge or Separate Similar Traces',
    group: 'View',
    keys: [key('KeyG')],
    vscodeKey: 'g',
  },
  {
    id: 'skua.timeline.toggleTable',
    title: 'Show or Hide Table of Spans',
    group: 'View',
    keys: [key('KeyT')],
    vscodeKey: 't',
  },
  {
    id: 'skua.timeline.help',
    title: 'Keyboard Shortcuts',
    group: 'View',
    keys: [key('Slash', 'shift')],
    vscodeKey: 'shift+/',
  },

  {
    id: 'skua.timeline.openSource',
    title: 'Open Source',
    group: 'Source',
    keys: [key('Enter')],
    vscodeKey: 'enter',
  },
  {
    id: 'skua.timeline.openSourceToSide',
    title: 'Open Source to the Side',
    group: 'Source',
    keys: [key('Enter', 'alt')],
    vscodeKey: 'alt+enter',
  },
  {
    id: 'skua.timeline.copy',
    title: 'Copy Selection',
    group: 'Source',
    keys: [key('KeyC', 'ctrl')],
    vscodeKey: 'ctrl+c',
  },
] as const satisfies readonly TimelineCommand[];

export type TimelineCommandId = (typeof TIMELINE_COMMANDS)[number]['id'];

/** The command bound to a key event, undefined when none is. Modifiers must match exactly. */
export function commandForKey(event: {
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}): TimelineCommandId | undefined {
  const ctrl = event.ctrlKey || event.metaKey;
  for (const command of TIMELINE_COMMANDS as readonly (TimelineCommand & {
    readonly id: TimelineCommandId;
  })[]) {
    for (const chord of command.keys) {
      if (
        chord.code === event.code &&
        (chord.ctrl ?? false) === ctrl &&
        (chord.shift ?? false) === event.shiftKey &&
        (chord.alt ?? false) === event.altKey
      ) {
        return command.id;
      }
    }
  }
  return undefined;
}

const KEY_NAMES: Readonly<Record<string, string>> = {
  Period: '.',
  Comma: ',',
  Slash: '/',
  BracketLeft: '[',
  BracketRight: ']',
  Equal: '=',
  Minus: '−',
  Escape: 'Esc',
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  NumpadAdd: 'Num +',
  NumpadSubtract: 'Num −',
  Numpad0: 'Num 0',
};

/** How a chord is written for people: `Ctrl+Z`, `W`, `?`. */
export function keyText(chord: KeyChord): string {
  if (chord.code === 'Slash' && chord.shift === true) return '?';
  const name = KEY_NAMES[chord.code] ?? chord.code.replace(/^(Key|Digit)/, '');
  return `${chord.ctrl === true ? 'Ctrl+' : ''}${chord.alt === true ? 'Alt+' : ''}${chord.shift === true ? 'Shift+' : ''}${name}`;
}
