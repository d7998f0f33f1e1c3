/** What was lost, by cause, and what to do about it. */
import { totalLost, type LossReport } from '../../common/model/loss';
import { formatCount } from '../../common/view/format';
import { LOSS_CAUSES } from '../../common/view/losses';
import { el } from './dom';

export interface LossView {
  readonly element: HTMLElement;
  set(loss: LossReport): void;
}

export function createLossView(): LossView {
  const element = el('div', { class: 'losses-view' });
  const set = (loss: LossReport) => {
    const rows = LOSS_CAUSES.filter(([key]) => loss[key] > 0);
    if (rows.length === 0) {
      element.replaceChildren(
        el(
          'p',
          { class: 'quiet' },
          `Nothing was lost. ${formatCount(loss.eventsDecoded)} kernel events were decoded.`,
        ),
      );
      return;
    }
    element.replaceChildren(
      el(
        'p',
        {},
        `${formatCount(totalLost(loss))} lost, ${formatCount(loss.eventsDecoded)} kernel events decoded. Spans that were open meanwhile are hatched.`,
      ),
      el(
        'table',
        { class: 'grid' },
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            el('th', { scope: 'col', class: 'number' }, 'Count'),
            el('th', { scope: 'col' }, 'Cause'),
            el('th', { scope: 'col' }, 'What helps'),
          ),
        ),
        el(
          'tbody',
          {},
          ...rows.map(([key, cause, remedy]) =>
            el(
              'tr',
              {},
              el('td', { class: 'number' }, formatCount(loss[key])),
              el('td', {}, cause),
              el('td', {}, remedy),
            ),
          ),
        ),
      ),
    );
  };
  return { element, set };
}
