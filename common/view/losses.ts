/** The causes of loss in words, with what one can do about each. The count of one cause is that of the field in LossReport. */
import type { LossReport } from '../model/loss';
import { formatCount } from './format';

export const LOSS_CAUSES: readonly (readonly [keyof LossReport, string, string])[] = [
  [
    'ringBuffer',
    'Kernel buffers were full',
    'Make the buffers larger or trace fewer tracepoints ("bufferSize", "tracepoints" in the launch configuration).',
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

/** One line: each cause with its count, the first ones of the table first. Empty when nothing was lost. */
export function describeLosses(loss: LossReport): string {
  return LOSS_CAUSES.filter(([cause]) => loss[cause] > 0)
    .map(([cause, title]) => `${title}: ${formatCount(loss[cause])}`)
    .join('; ');
}
