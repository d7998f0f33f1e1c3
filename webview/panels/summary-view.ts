/** Sums of a selected time range or of a group of small spans. */
import { formatCount, formatDuration, plural } from '../../common/view/format';
import type { Aggregate } from '../aggregate';
import { el, link } from './dom';

/** A bar as long as `share` (0…1) of its column. */
function shareBar(share: number): HTMLElement {
  const bar = el('span', {});
  bar.style.width = `${Math.max(1, share * 100)}%`;
  return el('span', { class: 'share', 'aria-hidden': 'true' }, bar);
}

const MAX_NAMES = 200;

export function renderSummary(
  title: string,
  sums: Aggregate,
  actions: { readonly select: (index: number) => void; readonly filterByName: (name: string) => void },
): HTMLElement {
  const head = el(
    'div',
    { class: 'details-head' },
    el('h2', {}, title),
    el('span', { class: 'chip' }, plural(sums.count, 'span')),
    sums.errors > 0 ? el('span', { class: 'chip error' }, `✕ ${plural(sums.errors, 'error')}`) : undefined,
    el(
      'span',
      { class: 'chip' },
      `${formatDuration(sums.kernelTotal)} in ${plural(sums.kernel, 'system call')}`,
    ),
    el('span', { class: 'chip' }, plural(sums.events, 'event')),
  );
  if (sums.count === 0)
    return el('div', { class: 'details' }, head, el('p', { class: 'quiet' }, 'No spans here.'));
  const most = sums.byName[0]?.total ?? 1;
  const rows = sums.byName.slice(0, MAX_NAMES).map((sum) =>
    el(
      'tr',
      {},
      el(
        'td',
        {},
        link(sum.name, `Filter by name:${sum.name}`, () => {
          actions.filterByName(sum.name);
        }),
        sum.kernel ? undefined : el('span', { class: 'chip user' }, 'span'),
      ),
      el('td', { class: 'number' }, formatCount(sum.count)),
      el(
        'td',
        { class: 'number bar-cell' },
        shareBar(sum.total / Math.max(1, most)),
        formatDuration(sum.total),
      ),
      el('td', { class: 'number' }, formatDuration(sum.total / sum.count)),
      el(
        'td',
        { class: 'number' },
        link(formatDuration(sum.longest), 'Select the longest', () => {
          actions.select(sum.longestIndex);
        }),
      ),
      el('td', { class: 'number' }, sum.errors === 0 ? '' : formatCount(sum.errors)),
    ),
  );
  const column = (name: string, number = true) =>
    el('th', { scope: 'col', class: number ? 'number' : '' }, name);
  return el(
    'div',
    { class: 'details' },
    head,
    el(
      'table',
      { class: 'grid' },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          column('Name', false),
          column('Count'),
          column('Total'),
          column('Mean'),
          column('Longest'),
          column('Errors'),
        ),
      ),
      el('tbody', {}, ...rows),
    ),
    sums.byName.length > MAX_NAMES
      ? el('p', { class: 'quiet' }, `and ${formatCount(sums.byName.length - MAX_NAMES)} more names`)
      : undefined,
  );
}
