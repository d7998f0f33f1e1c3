/** Events of the selected span, with those below it on request, limited to the visible window on request. */
import { formatCount, formatOffset } from '../../common/view/format';
import type { DetailEvent } from '../../common/view/protocol';
import { el, link } from './dom';

export const EVENT_LIMIT = 1000;

export interface EventsView {
  readonly element: HTMLElement;
  readonly descendants: boolean;
  readonly visibleOnly: boolean;
  /** `undefined`: no span is selected. */
  set(events: readonly DetailEvent[] | undefined, total: number, origin: number): void;
}

export function createEventsView(actions: {
  readonly changed: () => void;
  readonly select: (event: DetailEvent) => void;
  readonly nameOf: (index: number) => string;
}): EventsView {
  const checkbox = (label: string, checked: boolean) => {
    const input = el('input', { type: 'checkbox', checked }) as HTMLInputElement;
    input.addEventListener('change', actions.changed);
    return { input, element: el('label', { class: 'check' }, input, label) };
  };
  const descendants = checkbox('of all spans below', true);
  const visibleOnly = checkbox('only in the visible window', false);
  const count = el('span', { class: 'quiet' });
  const body = el('tbody', {});
  const table = el(
    'table',
    { class: 'grid' },
    el(
      'thead',
      {},
      el('tr', {}, ...['Time', 'Event', 'Span', 'Fields'].map((name) => el('th', { scope: 'col' }, name))),
    ),
    body,
  );
  const element = el(
    'div',
    { class: 'events' },
    el('div', { class: 'details-head' }, descendants.element, visibleOnly.element, count),
    table,
  );
  return {
    element,
    get descendants() {
      return descendants.input.checked;
    },
    get visibleOnly() {
      return visibleOnly.input.checked;
    },
    set(events, total, origin) {
      table.hidden = !events || events.length === 0;
      if (!events) count.textContent = 'Select a span to see its events.';
      else if (total === 0) count.textContent = 'No events.';
      else if (total > events.length)
        count.textContent = `first ${formatCount(events.length)} of ${formatCount(total)}`;
      else count.textContent = `${formatCount(total)} in all`;
      body.replaceChildren(
        ...(events ?? []).map((event) =>
          el(
            'tr',
            {},
            el(
              'td',
              { class: 'number' },
              link(`+${formatOffset(event.time - origin, 1000)}`, 'Show in the timeline', () => {
                actions.select(event);
              }),
            ),
            el('td', {}, event.name),
            el('td', { class: 'quiet' }, actions.nameOf(event.index)),
            el('td', {}, el('code', {}, event.fields.map((f) => `${f.name}=${f.text}`).join('  '))),
          ),
        ),
      );
    },
  };
}
