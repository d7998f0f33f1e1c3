/** What became of a system call's time, as its span's attributes tell it. docs/kernel-abi.md says what the kernel records of it. */
import { ATTR, type Attributes, type Span, type SpanId, type TraceId } from './span';

/**
 * Why a system call has no times: the session does not record sched_switch, sched_waking and sched_wakeup; the kernel lost events
 * meanwhile; the events contradict each other.
 */
export type TimesUnknown = 'tracepoints-off' | 'events-lost' | 'events-inconsistent';

/** The tracepoints without which there are no times. */
export const SCHEDULING_TRACEPOINTS = ['sched_switch', 'sched_waking', 'sched_wakeup'] as const;

/** Value of `ATTR.link` in a span link to the span whose thread woke this one. */
export const WAKER_LINK = 'waker';

/** In the order of the attribute's letters: `c` on a CPU, `r` runnable, `b` blocked. */
export const STATE_LETTERS = { 'on-cpu': 'c', runnable: 'r', blocked: 'b' } as const;
export type WaitState = keyof typeof STATE_LETTERS;

export interface Waiting {
  /** ns; the three add up to the span's duration. */
  readonly onCpuNs: number;
  readonly runnableNs: number;
  readonly blockedNs: number;
  /** Who ended the longest time blocked; undefined when it never slept. */
  readonly waker: WakerIdentity | undefined;
}

export interface WakerIdentity {
  /** The thread's name, or `interrupt`. */
  readonly name: string;
  /** Undefined for an interrupt. */
  readonly pid?: number;
  readonly tid?: number;
  /** The span that its thread was in, if it was armed. */
  readonly span?: { readonly traceId: TraceId; readonly spanId: SpanId; readonly userSpanId: SpanId };
}

/** The times of a span; a reason when it says why it has none; undefined when there is nothing to say (user spans, unfinished calls). */
export function waitingOf({ attributes: a }: Pick<Span, 'attributes'>): Waiting | TimesUnknown | undefined {
  const [onCpuNs, runnableNs, blockedNs] = [a[ATTR.onCpuNs], a[ATTR.runnableNs], a[ATTR.blockedNs]];
  if (typeof onCpuNs !== 'number' || typeof runnableNs !== 'number' || typeof blockedNs !== 'number') {
    const reason = a[ATTR.timesUnknown];
    return reason === undefined ? undefined : (String(reason) as TimesUnknown);
  }
  return { onCpuNs, runnableNs, blockedNs, waker: wakerOf(a) };
}

/** Who woke the thread, of a span or of an event `sched_waking`. */
export function wakerOf(a: Attributes): WakerIdentity | undefined {
  const name = a[ATTR.wakerName];
  if (name === undefined) return undefined;
  const [pid, tid] = [a[ATTR.wakerPid], a[ATTR.wakerTid]];
  const [traceId, spanId, userSpanId] = [a[ATTR.wakerTraceId], a[ATTR.wakerSpanId], a[ATTR.wakerUserSpanId]];
  return {
    name: String(name),
    ...(pid === undefined ? {} : { pid: Number(pid) }),
    ...(tid === undefined ? {} : { tid: Number(tid) }),
    ...(typeof traceId !== 'string' || typeof spanId !== 'string'
      ? {}
      : {
          span: {
            traceId: traceId as TraceId,
            spanId: spanId as SpanId,
            userSpanId: String(userSpanId ?? spanId) as SpanId,
          },
        }),
  };
}

/** `c1200 b15200000 r4000 c300`: the states one after the other, each with its length in ns. */
export function statesText(states: readonly (readonly [WaitState, bigint])[]): string {
  return states.map(([state, length]) => `${STATE_LETTERS[state]}${length}`).join(' ');
}

/**
 * The states of a span one after the other, lengths in ns; empty when it never left its CPU or is not known. Text that is not of the
 * form, or does not add up to `durationNs`, gives none: it comes from a file.
 */
export function statesOf(a: Attributes, durationNs: number): readonly (readonly [WaitState, number])[] {
  const text = a[ATTR.states];
  if (typeof text !== 'string') return [];
  const states: [WaitState, number][] = [];
  let sum = 0;
  for (const part of text.split(' ')) {
    const [, letter, digits] = /^([crb])(\d{1,15})$/.exec(part) ?? [];
    const state = NAMES[letter ?? ''];
    if (state === undefined) return [];
    const length = Number(digits);
    states.push([state, length]);
    sum += length;
  }
  return sum === durationNs ? states : [];
}

const NAMES: Readonly<Record<string, WaitState>> = { c: 'on-cpu', r: 'runnable', b: 'blocked' };

/** `bank/1234`, `interrupt`: the thread's name and id. */
export function wakerText({ name, tid }: WakerIdentity): string {
  return tid === undefined ? name : `${name}/${tid}`;
}

const REASONS: Readonly<Record<TimesUnknown, string>> = {
  'tracepoints-off': 'the session did not record sched_switch, sched_waking and sched_wakeup',
  'events-lost': 'the kernel lost events meanwhile',
  'events-inconsistent': 'the scheduling events do not fit together: one is missing or out of order',
};

/** A reason in words. One that is not known here, from a newer version's file, is shown as it is. */
export function timesUnknownText(reason: TimesUnknown): string {
  return (REASONS as Readonly<Record<string, string>>)[reason] ?? reason;
}
