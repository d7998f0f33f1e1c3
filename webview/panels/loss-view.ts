/** What was lost, by cause, and what to do about it. */
import { totalLost, type LossReport } from '../../common/model/loss';
import { formatCount } from '../../common/view/format';
import { el } from './dom';

const CAUSES: readonly (readonly [keyof LossReport, string, string])[] = [
  [
    'ringBuffer',
    'Kernel buffers were full',
    'Make the buffers larger or trace fewer tracepoints ("subbufferBytes", "tracepoints" in the launch configuration).',
  ],
  [
    'packetsMissing',
    'Packets missing from the stream (events in them unknown)',
    'The relay could not keep up: make the buffers larger.',
  ],
  [
    'agentQueue',
    'Agent queue was full',
    'The target is overloaded: trace fewer system calls ("syscalls" in the launch configuration) or sample less.',
  ],
  ['ssh', 'SSH connection too slow', 'Trace fewer system calls, or sample less.'],
  [
    'store',
    'Limit of spans in the editor',
    'Raise "skua.timeline.maxSpans", or save the trace and filter it.',
  ],
  [
    'export',
    'Not exported to the OTLP endpoint',
    'Check that the endpoint is up; the timeline itself is complete.',
  ],
  [
    'receiver',
    'Malformed or oversized reports from the program',
    'Check the version of the tracing client in the program.',
  ],
  [
    'kernelUnreadable',
    'Context records or stacks the kernel could not read',
    'Affected system calls have no source line or no parent.',
  ],
  ['unpaired', 'System calls seen only in part', 'Usual at the start and the end of a session.'],
];

export interface LossView {
  readonly element: HTMLElement;
  set(loss: LossReport): void;
}

export function createLossView(): LossView {
  const element = el('div', { class: 'losses-view' });
  const set = (loss: LossReport) => {
    const rows = CAUSES.filter(([key]) => loss[key] > 0);
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
