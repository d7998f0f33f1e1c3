import type { TimesUnknown } from '../../common/model/waiting';
import type { SpanId, TraceId } from '../../common/model/span';

export type ThreadState = 'on-cpu' | 'runnable' | 'blocked';

/** Who made a blocked thread runnable again. */
export type Waker =
  /** An interrupt: the thread that it happened to stop had nothing to do with it. */
  | { readonly kind: 'interrupt'; readonly cpu: number }
  | {
      readonly kind: 'thread';
      readonly name: string;
      readonly pid: number;
      readonly tid: number;
      /** Of an armed thread: the span it was in, a system call's where there is one, and the user span around it. */
      readonly span?: { readonly traceId: TraceId; readonly spanId: SpanId; readonly userSpanId: SpanId };
    };

/** A span whose thread ended waits of this one, and how long they were in all. */
export interface WakerSpan {
  readonly traceId: TraceId;
  readonly spanId: SpanId;
  blockedNs: bigint;
}

export interface ThreadTimes {
  readonly onCpuNs: bigint;
  readonly runnableNs: bigint;
  readonly blockedNs: bigint;
  /** The states one after the other with their length, none of length 0; undefined when there were too many to keep. */
  readonly states: readonly (readonly [ThreadState, bigint])[] | undefined;
  /** Who ended the longest time blocked. */
  readonly waker: Waker | undefined;
  /** In order of first appearance, at most `MAX_WAKER_SPANS`. */
  readonly wakerSpans: readonly WakerSpan[];
}

const MAX_STATES = 256;
const MAX_WAKER_SPANS = 16;

/**
 * What a thread does with the time of one system call, from the scheduler's events about it. It begins on a CPU, where it must be
 * to enter the kernel, and ends there.
 *
 *   on CPU ── switched away, asleep ──► blocked ── waking, wakeup ──► runnable ── switched to ──► on CPU
 *     └────── switched away, preempted or yielding ──────────────────────┘
 *
 * A wake-up can overtake the sleep: the waker decides (waking), the thread still gets off its CPU (switched away), and only then the
 * waker puts it onto a run queue (wakeup). A thread that is woken before it slept stays on its CPU.
 *
 * Events that do not fit together mean that one is missing or out of order. There is no result then, rather than a wrong one.
 */
export class ThreadStates {
  private state: ThreadState = 'on-cpu';
  private since: bigint;
  private onCpuNs = 0n;
  private runnableNs = 0n;
  private blockedNs = 0n;
  private states: [ThreadState, bigint][] | undefined;
  private tooMany = false;
  /** Of the last waking since the thread got onto its CPU: the one at work when a wake-up overtakes the sleep. */
  private waking: Waker | undefined;
  private longestNs = -1n;
  private longestWaker: Waker | undefined;
  private wakerSpans: WakerSpan[] | undefined;

  constructor(
    startNs: bigint,
    /** Why there will be no result, when that is known from the start. */
    private unknown?: TimesUnknown,
  ) {
    this.since = startNs;
  }

  /** Events were lost that may have been about this thread. */
  lost(): void {
    this.unknown ??= 'events-lost';
  }

  switchedAway(atNs: bigint, runnable: boolean): void {
    if (this.state !== 'on-cpu') this.contradiction();
    this.enter(runnable ? 'runnable' : 'blocked', atNs);
  }

  wakingBy(atNs: bigint, waker: Waker): void {
    this.waking = waker;
    if (this.state === 'blocked') this.woken(atNs);
  }

  wokenUp(atNs: bigint): void {
    if (this.state !== 'blocked') return;
    if (this.waking === undefined) this.contradiction();
    this.woken(atNs);
  }

  switchedTo(atNs: bigint): void {
    if (this.state !== 'runnable') this.contradiction();
    this.enter('on-cpu', atNs);
    this.waking = undefined;
  }

  /** The call ended. `onCpuNs + runnableNs + blockedNs` is exactly the time from its start. */
  finish(atNs: bigint): ThreadTimes | TimesUnknown {
    if (this.state !== 'on-cpu') this.contradiction();
    this.enter('on-cpu', atNs);
    if (this.unknown !== undefined) return this.unknown;
    return {
      onCpuNs: this.onCpuNs,
      runnableNs: this.runnableNs,
      blockedNs: this.blockedNs,
      states: this.tooMany ? undefined : (this.states ?? []),
      waker: this.longestWaker,
      wakerSpans: this.wakerSpans ?? [],
    };
  }

  private woken(atNs: bigint): void {
    const blockedNs = atNs - this.since;
    const { waking } = this;
    if (blockedNs > this.longestNs) {
      this.longestNs = blockedNs;
      this.longestWaker = waking;
    }
    if (waking?.kind === 'thread' && waking.span !== undefined) this.wokenFrom(waking.span, blockedNs);
    this.enter('runnable', atNs);
  }

  private wokenFrom({ traceId, spanId }: { traceId: TraceId; spanId: SpanId }, blockedNs: bigint): void {
    this.wakerSpans ??= [];
    const known = this.wakerSpans.find((span) => span.spanId === spanId && span.traceId === traceId);
    if (known !== undefined) known.blockedNs += blockedNs;
    else if (this.wakerSpans.length < MAX_WAKER_SPANS) this.wakerSpans.push({ traceId, spanId, blockedNs });
  }

  private enter(state: ThreadState, atNs: bigint): void {
    const length = atNs - this.since;
    if (length < 0n) this.contradiction();
    if (this.state === 'on-cpu') this.onCpuNs += length;
    else if (this.state === 'runnable') this.runnableNs += length;
    else this.blockedNs += length;
    if (length > 0n) {
      this.states ??= [];
      const last = this.states.at(-1);
      if (last?.[0] === this.state) last[1] += length;
      else if (this.states.length < MAX_STATES) this.states.push([this.state, length]);
      else this.tooMany = true;
    }
    this.state = state;
    this.since = atNs;
  }

  private contradiction(): void {
    this.unknown ??= 'events-inconsistent';
  }
}
