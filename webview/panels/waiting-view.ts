/** What became of a system call's time, and who woke it. */
import { formatDuration } from '../../common/view/format';
import type { DetailWaiting, DetailWaker, SpanDetails } from '../../common/view/protocol';
import type { PartTimes } from '../store/span-table';
import { el, link } from './dom';

/** Names of the states, in the order in which they are shown, and what each means. */
const STATES = [
  ['on-cpu', 'On CPU', 'The thread was running, or stopped by an interrupt.'],
  ['runnable', 'Runnable', 'The thread could run and waited for a CPU.'],
  ['blocked', 'Blocked', 'The thread slept until something woke it.'],
] as const;

type TimesOf = Extract<DetailWaiting, { kind: 'times' }>;

/** `blocked 15.2 ms · runnable 4 µs`; `on CPU` when it did nothing else; '' when nothing is known. */
export function waitingText(times: PartTimes | undefined): string {
  if (!times) return '';
  const parts = [
    times.blocked > 0 ? `blocked ${formatDuration(times.blocked)}` : '',
    times.runnable > 0 ? `runnable ${formatDuration(times.runnable)}` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'on CPU' : parts.join(' · ');
}

/** The section of the details; undefined when there is nothing to say. */
export function waitingSection(
  details: SpanDetails,
  select: (index: number) => void,
): HTMLElement | undefined {
  const { waiting, woke, wokeCount } = details;
  if (waiting === undefined && woke.length === 0) return undefined;
  const rest = wokeCount - woke.length;
  return el(
    'div',
    { class: 'waiting' },
    el('h3', {}, 'Time'),
    waiting && (waiting.kind === 'times' ? times(waiting) : unknown(waiting.text)),
    waiting?.kind === 'times' && waiting.waker ? wokenBy(waiting.waker, select) : undefined,
    woke.length === 0
      ? undefined
      : el(
          'div',
          { class: 'woke' },
          'Woke ',
          ...woke.flatMap(({ index, text }, i) => [
            i === 0 ? '' : ', ',
            link(text, 'Select the span that was woken (])', () => {
              select(index);
            }),
          ]),
          rest > 0 ? ` and ${rest} more` : '',
        ),
  );
}

function unknown(text: string): HTMLElement {
  return el('p', { class: 'quiet' }, `Not known how the time was spent: ${text}.`);
}

function times(waiting: TimesOf): HTMLElement {
  const values = { 'on-cpu': waiting.onCpuNs, runnable: waiting.runnableNs, blocked: waiting.blockedNs };
  const sum = waiting.onCpuNs + waiting.runnableNs + waiting.blockedNs;
  const bar = el('div', { class: 'part-bar', 'aria-hidden': 'true' });
  for (const [state] of STATES) {
    if (values[state] === 0) continue;
    const part = el('span', { class: `part ${state}` });
    part.style.flexGrow = String(values[state]);
    bar.append(part);
  }
  return el(
    'div',
    {},
    bar,
    el(
      'dl',
      { class: 'part-figures' },
      ...STATES.map(([state, name, meaning]) =>
        el(
          'div',
          { title: meaning },
          el('dt', {}, el('span', { class: `swatch part ${state}` }), name),
          ' ',
          el(
            'dd',
            {},
            formatDuration(values[state]),
            el('span', { class: 'quiet' }, sum === 0 ? '' : ` ${percent(values[state] / sum)}`),
          ),
        ),
      ),
    ),
  );
}

/** Never 0 % of something, never 100 % of less than all. */
function percent(share: number): string {
  if (share > 0 && share < 0.01) return '<1 %';
  if (share < 1 && share > 0.99) return '>99 %';
  return `${Math.round(share * 100)} %`;
}

function wokenBy({ text, span }: DetailWaker, select: (index: number) => void): HTMLElement {
  const name = span && [span.userName, span.name].filter((part) => part !== undefined).join(' › ');
  const index = span?.index;
  const title = span === undefined ? undefined : 'Select the span that woke it ([)';
  return el(
    'div',
    { class: 'waker' },
    'Woken by ',
    index === undefined
      ? el('b', {}, text === 'interrupt' ? 'an interrupt' : text)
      : link(text, title ?? '', () => {
          select(index);
        }),
    name === undefined || name === '' ? undefined : ` in ${name}`,
    span !== undefined && index === undefined
      ? el('span', { class: 'quiet' }, ' (its span is not here)')
      : span === undefined && text !== 'interrupt'
        ? el('span', { class: 'quiet' }, ' (not in a traced span)')
        : undefined,
  );
}

/** For the clipboard. */
export function waitingLine(waiting: DetailWaiting): string {
  if (waiting.kind === 'unknown') return `times not known: ${waiting.text}`;
  const { onCpuNs, runnableNs, blockedNs, waker } = waiting;
  const user = waker?.span?.userName;
  return [
    `on CPU ${formatDuration(onCpuNs)}, runnable ${formatDuration(runnableNs)}, blocked ${formatDuration(blockedNs)}`,
    waker === undefined ? '' : `, woken by ${waker.text}${user === undefined ? '' : ` (${user})`}`,
  ].join('');
}
