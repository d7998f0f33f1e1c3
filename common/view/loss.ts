import { formatCount, plural } from './format';
import { lostSyscalls, type LossReport } from '../model/loss';

/** What one of a count is. */
export type LossUnit = 'event' | 'system call' | 'span' | 'packet' | 'report' | 'record';

export interface LossCause {
  readonly key: keyof LossReport;
  readonly unit: LossUnit;
  readonly text: string;
  /** What the user can do about it. */
  readonly remedy: string;
  /**
   * What it costs the trace: `missing` from it, or `partial`: there, but not complete. `detail` repeats, in another unit, what
   * another cause counts.
   */
  readonly effect: 'missing' | 'partial' | 'detail';
}

const LARGER_BUFFERS =
  'Make the buffers larger (--buffer-bytes, "bufferSize") or trace fewer tracepoints and system calls.';

/** Every cause of loss, in the order of the way from the kernel to the screen. The one list for all that show it. */
export const LOSS_CAUSES: readonly LossCause[] = [
  {
    key: 'kernelRefused',
    unit: 'record',
    text: 'context records refused by the kernel',
    remedy: '/proc/skua/stats on the target says why. Affected threads are not traced.',
    effect: 'partial',
  },
  {
    key: 'kernelUnreadable',
    unit: 'record',
    text: 'contexts or stacks the kernel could not read',
    remedy: 'Affected system calls have no source line or no parent.',
    effect: 'partial',
  },
  {
    key: 'kernelMissed',
    unit: 'event',
    text: 'scheduling events the kernel could not attribute',
    remedy: 'A thread changed its context on another processor at that moment; nothing to be done.',
    effect: 'missing',
  },
  {
    key: 'ringBuffer',
    unit: 'event',
    text: 'lost in full kernel buffers',
    remedy: LARGER_BUFFERS,
    effect: 'missing',
  },
  {
    key: 'stream',
    unit: 'event',
    text: 'recorded, but lost on the way through LTTng',
    remedy: 'A daemon of LTTng ended, or its disk was full: check the target, then run again.',
    effect: 'missing',
  },
  {
    key: 'packetsMissing',
    unit: 'packet',
    text: 'missing from the stream',
    remedy: LARGER_BUFFERS,
    effect: 'detail',
  },
  {
    key: 'bothLost',
    unit: 'system call',
    text: 'without a span: entry and exit lost',
    remedy: LARGER_BUFFERS,
    effect: 'missing',
  },
  {
    key: 'entryLost',
    unit: 'system call',
    text: 'without a span: entry lost',
    remedy: LARGER_BUFFERS,
    effect: 'missing',
  },
  {
    key: 'exitLost',
    unit: 'system call',
    text: 'without an end: exit lost',
    remedy: LARGER_BUFFERS,
    effect: 'partial',
  },
  {
    key: 'spanEvents',
    unit: 'event',
    text: 'beyond the limit of events in one span',
    remedy: 'Trace fewer tracepoints ("tracepoints").',
    effect: 'missing',
  },
  {
    key: 'stacks',
    unit: 'span',
    text: 'without a source line: too many stacks at once',
    remedy: 'Trace fewer system calls ("syscalls") or sample less.',
    effect: 'partial',
  },
  {
    key: 'receiver',
    unit: 'report',
    text: "of the program's tracing client malformed or oversized",
    remedy: 'Check the version of the tracing client in the program.',
    effect: 'missing',
  },
  {
    key: 'receiverFull',
    unit: 'report',
    text: "of the program's tracing client lost before the agent read them",
    remedy: 'Raise net.core.rmem_max on the target, or sample less.',
    effect: 'missing',
  },
  {
    key: 'ssh',
    unit: 'span',
    text: 'of system calls dropped: the connection was too slow',
    remedy: 'Trace fewer system calls, or sample less.',
    effect: 'missing',
  },
  {
    key: 'sshUser',
    unit: 'span',
    text: 'of the program dropped: the connection was too slow',
    remedy: 'Trace fewer system calls, or sample less.',
    effect: 'missing',
  },
  {
    key: 'store',
    unit: 'span',
    text: 'of system calls beyond the limit of spans held',
    remedy: 'Raise the limit (--max-spans, "skua.timeline.maxSpans").',
    effect: 'missing',
  },
  {
    key: 'storeUser',
    unit: 'span',
    text: 'of the program beyond the limit of spans held',
    remedy: 'Raise the limit (--max-spans, "skua.timeline.maxSpans").',
    effect: 'missing',
  },
  {
    key: 'export',
    unit: 'span',
    text: 'not exported',
    remedy: 'Check that the OTLP endpoint is up; the trace here is complete.',
    effect: 'partial',
  },
  {
    key: 'unexplained',
    unit: 'system call',
    text: 'at most: cause not known',
    remedy: 'The agent or the connection ended before it could say what became of them.',
    effect: 'missing',
  },
];

/** The causes that occurred. */
export function causesIn(loss: LossReport): readonly LossCause[] {
  return LOSS_CAUSES.filter(({ key }) => loss[key] > 0);
}

/** `12 events`, `1 system call`. */
export function lossCount(loss: LossReport, { key, unit }: LossCause): string {
  return plural(loss[key], unit);
}

/** What is missing from the trace in a few words, by unit (`1,200 events, 3 spans`), or '' when nothing is. */
export function missingText(loss: LossReport): string {
  const units = new Map<LossUnit, number>();
  for (const { key, unit, effect } of LOSS_CAUSES) {
    if (effect === 'missing' && loss[key] > 0) units.set(unit, (units.get(unit) ?? 0) + loss[key]);
  }
  return [...units].map(([unit, count]) => plural(count, unit)).join(', ');
}

/** The balance of system calls in a sentence, or undefined while the kernel's count is not known. */
export function balanceText(loss: LossReport): string | undefined {
  if (loss.issued === 0) return undefined;
  return `${plural(loss.issued, 'system call')} made inside spans, ${formatCount(loss.issued - lostSyscalls(loss))} delivered`;
}
