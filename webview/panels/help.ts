/** The shortcut sheet, from the command table. */
import { TIMELINE_COMMANDS, keyText, type TimelineCommand } from '../../common/view/commands';
import { button } from '../controls';
import { el } from './dom';

const MOUSE: readonly (readonly [string, string])[] = [
  ['Ctrl+wheel, pinch', 'Zoom at the pointer'],
  ['Wheel', 'Scroll rows'],
  ['Shift+wheel', 'Pan'],
  ['Drag', 'Select a time range'],
  ['Shift+drag, middle drag', 'Pan'],
  ['Click', 'Select; on a system call also open its source'],
  ['Double click', 'Open source; on a group, zoom to it'],
  ['Right click', 'Menu'],
];
const SEARCH: readonly (readonly [string, string])[] = [
  ['Enter, Shift+Enter', 'next and previous match, in the search field'],
  ['write /tmp', 'both texts, in name, arguments, file or status'],
  ['"two words" -futex', 'a phrase; without a text'],
  ['>1ms <=20us', 'duration'],
  ['blocked:>1ms runnable:>1ms waker:bank', 'time asleep, waiting for a CPU; who woke it'],
  ['name: file: arg: status: service: event:', 'one field only'],
  ['tid:12 pid:34 class:network', 'thread, process, kind of call'],
  ['is:error is:unfinished is:lost is:syscall is:user', 'state'],
];

export interface Help {
  readonly element: HTMLElement;
  toggle(show?: boolean): void;
  readonly open: boolean;
}

export function createHelp(returnFocus: () => void): Help {
  const close = button({
    label: 'Close (Esc)',
    icon: 'close',
    onClick: () => {
      toggle(false);
    },
  });
  const rows = (list: readonly (readonly [string, string])[]) =>
    list.map(([keys, what]) => el('tr', {}, el('td', {}, el('kbd', {}, keys)), el('td', {}, what)));
  const groups = [...new Set(TIMELINE_COMMANDS.map((c) => c.group))];
  const section = (title: string, body: readonly HTMLElement[]) =>
    el('section', {}, el('h3', {}, title), el('table', {}, el('tbody', {}, ...body)));
  const element = el(
    'div',
    {
      class: 'help',
      role: 'dialog',
      'aria-modal': 'true',
      'aria-label': 'Keyboard shortcuts',
      hidden: true,
      tabindex: '-1',
    },
    el(
      'div',
      { class: 'help-box' },
      el(
        'div',
        { class: 'details-head' },
        el('h2', {}, 'Keyboard and mouse'),
        el('span', { class: 'spacer' }),
        close.element,
      ),
      el(
        'div',
        { class: 'help-columns' },
        ...groups.map((group) =>
          section(
            group,
            (TIMELINE_COMMANDS as readonly TimelineCommand[])
              .filter((c) => c.group === group)
              .map((c) =>
                el(
                  'tr',
                  {},
                  el('td', {}, ...c.keys.slice(0, 2).map((k) => el('kbd', {}, keyText(k)))),
                  el('td', {}, c.title),
                ),
              ),
          ),
        ),
        section('Mouse', rows(MOUSE)),
        section('Search', rows(SEARCH)),
      ),
    ),
  );
  const toggle = (show = element.hidden) => {
    element.hidden = !show;
    if (show) element.focus();
    else returnFocus();
  };
  element.addEventListener('click', (event) => {
    if (event.target === element) toggle(false);
  });
  element.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' || (event.code === 'Slash' && event.shiftKey)) toggle(false);
    event.stopPropagation();
  });
  return {
    element,
    toggle,
    get open() {
      return !element.hidden;
    },
  };
}
