/** Reads the scheduler's events: whom they are about, and what they say of it. */
import type { CtfEvent } from '../../common/ctf/types';
import { SKUA } from '../../common/model/abi';
import { ATTR, type AttributeValue, type SpanLink } from '../../common/model/span';
import { statesText, WAKER_LINK } from '../../common/model/waiting';
import type { AttributeList } from './kernelSpan';
import { spanIdOf, traceIdOf, type EventContext } from './context';
import type { ThreadStates, Waker } from './threadStates';

/** LTTng's `prev_state` of a thread that was preempted: TASK_REPORT_MAX of Linux. 0 is one that gave way by itself. */
const PREEMPTED = 0x100;

/** A traced thread that a scheduling event is about, beside or instead of the one that was running. */
export type Subject = 'own' | { readonly tid: number };

/** Whom an event is about: the thread under whose ids it was recorded, or one that is to be found by its id. */
export function subjectOf(event: CtfEvent, context: EventContext): Subject | undefined {
  const field = SUBJECT_FIELDS[event.name];
  if (field === undefined) return undefined;
  if ((context.flags & SKUA.FLAG_SUBJECT) !== 0) return 'own';
  return { tid: Number(event.fields[field]) };
}

const SUBJECT_FIELDS: Readonly<Record<string, string>> = {
  sched_switch: 'next_tid',
  sched_waking: 'tid',
  sched_wakeup: 'tid',
};

/** The thread that was running is switched away. */
export function switchedAway(event: CtfEvent, context: EventContext, states: ThreadStates): void {
  if (event.name !== 'sched_switch' || (context.flags & SKUA.FLAG_SUBJECT) !== 0) return;
  const state = Number(event.fields['prev_state']);
  const runnable = (context.flags & SKUA.FLAG_RUNNABLE) !== 0 || state === 0 || state === PREEMPTED;
  states.switchedAway(event.timestampNs, runnable);
}

/** The event happens to the thread that it is about. `waker`: of a sched_waking. */
export function happensTo(event: CtfEvent, waker: Waker | undefined, states: ThreadStates): void {
  if (event.name === 'sched_switch') states.switchedTo(event.timestampNs);
  else if (event.name === 'sched_wakeup') states.wokenUp(event.timestampNs);
  else if (waker !== undefined) states.wakingBy(event.timestampNs, waker);
}

/**
 * Who wakes a thread. Only sched_waking tells: sched_wakeup may fire on the CPU that the thread will run on, in an interrupt that
 * asks for it. `inSyscallSpan`: the waker's system call has a span of its own.
 */
export function wakerOf(event: CtfEvent, context: EventContext, inSyscallSpan: boolean): Waker | undefined {
  if (event.name !== 'sched_waking') return undefined;
  // The idle task wakes nobody on its own behalf: it does what an interrupt, perhaps of another CPU, has left to it.
  if ((context.flags & SKUA.FLAG_INTERRUPT) !== 0 || context.tid === 0)
    return { kind: 'interrupt', cpu: event.cpu };
  const thread = { kind: 'thread', name: context.processName, pid: context.pid, tid: context.tid } as const;
  if ((context.flags & SKUA.FLAG_SUBJECT) !== 0) return thread;
  const userSpanId = spanIdOf(context.span);
  const spanId = inSyscallSpan ? spanIdOf(context.syscall) : userSpanId;
  return { ...thread, span: { traceId: traceIdOf(context.traceHi, context.traceLo), spanId, userSpanId } };
}

export function wakerAttributes(waker: Waker | undefined): Record<string, AttributeValue> {
  if (waker === undefined) return {};
  if (waker.kind === 'interrupt') return { [ATTR.wakerName]: 'interrupt' };
  const { name, pid, tid, span } = waker;
  return {
    [ATTR.wakerName]: name,
    [ATTR.wakerPid]: pid,
    [ATTR.wakerTid]: tid,
    ...(span === undefined
      ? {}
      : {
          [ATTR.wakerTraceId]: span.traceId,
          [ATTR.wakerSpanId]: span.spanId,
          [ATTR.wakerUserSpanId]: span.userSpanId,
        }),
  };
}

/** Adds what a system call that ended has to say of its time. Returns links to the spans that woke it. */
export function addTimes(to: AttributeList, states: ThreadStates, endNs: bigint): readonly SpanLink[] {
  const times = states.finish(endNs);
  if (typeof times === 'string') {
    to.add(ATTR.timesUnknown, times);
    return [];
  }
  to.add(ATTR.onCpuNs, Number(times.onCpuNs));
  to.add(ATTR.runnableNs, Number(times.runnableNs));
  to.add(ATTR.blockedNs, Number(times.blockedNs));
  if (times.states?.some(([state]) => state !== 'on-cpu') === true)
    to.add(ATTR.states, statesText(times.states));
  if (times.waker !== undefined) to.addAll(wakerAttributes(times.waker));
  return times.wakerSpans.map(({ traceId, spanId, blockedNs }) => ({
    traceId,
    spanId,
    attributes: { [ATTR.link]: WAKER_LINK, [ATTR.blockedNs]: Number(blockedNs) },
  }));
}
