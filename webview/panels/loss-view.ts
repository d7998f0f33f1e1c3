/** What was lost, by cause, and what to do about it. */
import type { LossReport } from '../../common/model/loss';
import { formatCount } from '../../common/view/format';
import { balanceText, causesIn, missingText } from '../../common/view/loss';
import { el } from './dom';

export interface LossView {
  readonly element: HTMLElement;
  set(loss: LossReport): void;
}

export function createLossView(): LossView {
  const element = el('div', { class: 'losses-view' });
  const set = (loss: LossReport) => {
    const causes = causesIn(loss);
    const missing = missingText(loss);
    const balance = balanceText(loss);
    const facts = [
      `${formatCount(loss.eventsDecoded)} kernel events were decoded.`,
      ...(balance === undefined ? [] : [`${balance}.`]),
    ].join(' ');
    if (causes.length === 0) {
      element.replaceChildren(el('p', { class: 'quiet' }, `Nothing was lost. ${facts}`));
      return;
    }
    element.replaceChildren(
      el(
        'p',
        {},
        `${missing === '' ? 'Nothing is missing, but not all is complete.' : `Lost: ${missing}.`} ${facts} ` +
          'Stretches of time in which events were lost are hatched.',
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
          ...causes.map(({ key, unit, text, remedy }) =>
            el(
              'tr',
              {},
              el('td', { class: 'number' }, formatCount(loss[key])),
              el('td', {}, `${loss[key] === 1 ? unit : `${unit}s`} ${text}`),
              el('td', {}, remedy),
            ),
          ),
        ),
      ),
    );
  };
  return { element, set };
}
