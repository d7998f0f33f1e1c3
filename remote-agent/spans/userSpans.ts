import { ATTR, type Span, type SpanEvent, type SpanId, type TraceId } from '../../common/model/span';
import { ns } from '../../common/base/time';
import { EVENTS_DROPPED } from './kernelSpans';
import type { UserSpanEvent } from './output';

const MAX_ENTRIES = 65_536;
const MAX_EVENTS = 1000;

interface Entry {
  readonly key: string;
  readonly traceId: TraceId;
  readonly spanId: SpanId;
  /** As reported by the program's client; undefined until then. */
  span: Span | undefined;
  /** Kernel events outside of any system call. */
  readonly events: SpanEvent[];
  pid: number | undefined;
  processName: string;
  firstNs: bigint;
  dropped: number;
  /** Wall time, ms, of the first sign of it, and of the client's report. */
  readonly since: number;
  reportedAt: number;
  state: 'new' | 'shown' | 'final';
  dirty: boolean;
}

export interface UserDelivery {
  readonly span: Span;
  readonly final: boolean;
  readonly pid: number | undefined;
  /** The client reported it (a placeholder is not). */
  readonly reported: boolean;
}

/**
 * Joins user spans with the kernel events that fired inside them but outside of system calls. The client reports a span when it
 * ends, the kernel's events come some milliseconds after they happened; so a reported span is shown at once and becomes final a
 * moment later, with its events. Pure: the time is given.
 */
export class UserSpans {
  private readonly entries = new Map<string, Entry>();
  private readonly touched = new Set<Entry>();
  reported = 0;
  /** Kernel events left out of spans that have `MAX_EVENTS`. */
  eventsDropped = 0;
  private readonly traces = new Set<string>();

  constructor(
    private readonly emit: (delivery: UserDelivery) => void,
    /** Milliseconds after which a span that was not reported is shown as a placeholder, and a reported one is final. */
    private readonly times: { readonly placeholderMs: number; readonly settleMs: number } = {
      placeholderMs: 250,
      settleMs: 300,
    },
  ) {}

  /** Distinct traces seen, user or kernel, up to a bound. */
  get traceCount(): number {
    return this.traces.size;
  }

  /** A span from the program's client. A later report of the same id replaces the earlier one. */
  report(span: Span, nowMs: number): void {
    const entry = this.entry(span.traceId, span.spanId, nowMs);
    if (entry.span === undefined) this.reported += 1;
    entry.span = span;
    entry.reportedAt = nowMs;
    entry.state = 'shown';
    this.touch(entry);
    this.emit({ span: this.merged(entry, span), final: false, pid: entry.pid, reported: true });
  }

  kernel(sign: UserSpanEvent, nowMs: number): void {
    const entry = this.entry(sign.traceId as TraceId, sign.spanId as SpanId, nowMs);
    entry.pid ??= sign.pid;
    if (entry.processName === '') entry.processName = sign.processName ?? '';
    if (entry.firstNs === 0n || sign.timeNs < entry.firstNs) entry.firstNs = sign.timeNs;
    if (sign.event !== undefined) {
      if (entry.events.length < MAX_EVENTS) entry.events.push(sign.event);
      else {
        entry.dropped += 1;
        this.eventsDropped += 1;
      }
    }
    this.touch(entry);
  }

  /** Delivers what has become due. To be called every some ten milliseconds. */
  tick(nowMs: number): void {
    for (const entry of this.touched) {
      if (entry.span !== undefined) {
        if (nowMs - entry.reportedAt < this.times.settleMs) continue;
        this.deliver(entry, entry.span, entry.state !== 'final');
        this.touched.delete(entry);
      } else if (nowMs - entry.since >= this.times.placeholderMs) {
        if (entry.state === 'new') {
          entry.state = 'shown';
          this.emit({ span: placeholder(entry, undefined), final: false, pid: entry.pid, reported: false });
        }
        this.touched.delete(entry);
      }
    }
  }

  /** Delivers everything: reported spans as final, the others as placeholders that say why. */
  finish(reason: string): void {
    for (const entry of this.entries.values()) {
      if (entry.span !== undefined) {
        if (entry.state !== 'final' || entry.dirty) this.deliver(entry, entry.span, entry.state !== 'final');
      } else {
        entry.state = 'final';
        this.emit({ span: placeholder(entry, reason), final: true, pid: entry.pid, reported: false });
      }
    }
    this.entries.clear();
    this.touched.clear();
  }

  private deliver(entry: Entry, span: Span, final: boolean): void {
    entry.state = 'final';
    entry.dirty = false;
    this.emit({ span: this.merged(entry, span), final, pid: entry.pid, reported: true });
  }

  private touch(entry: Entry): void {
    entry.dirty = true;
    this.touched.add(entry);
  }

  private entry(traceId: TraceId, spanId: SpanId, nowMs: number): Entry {
    const key = traceId + spanId;
    let entry = this.entries.get(key);
    if (entry !== undefined) return entry;
    if (this.traces.size < MAX_ENTRIES) this.traces.add(traceId);
    if (this.entries.size >= MAX_ENTRIES) this.evict();
    entry = {
      key,
      traceId,
      spanId,
      span: undefined,
      events: [],
      pid: undefined,
      processName: '',
      firstNs: 0n,
      dropped: 0,
      since: nowMs,
      reportedAt: 0,
      state: 'new',
      dirty: false,
    };
    this.entries.set(key, entry);
    return entry;
  }

  /** Makes room: the oldest span is delivered as it is, and forgotten. */
  private evict(): void {
    for (const entry of this.entries.values()) {
      this.entries.delete(entry.key);
      this.touched.delete(entry);
      if (entry.span === undefined) {
        this.emit({ span: placeholder(entry, 'not-reported'), final: true, pid: entry.pid, reported: false });
      } else if (entry.state !== 'final') {
        this.deliver(entry, entry.span, true);
      }
      return;
    }
  }

  private merged(entry: Entry, span: Span): Span {
    if (entry.events.length === 0 && entry.dropped === 0 && entry.pid === undefined) return span;
    const events = [...span.events, ...entry.events].sort((a, b) =>
      a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0,
    );
    return {
      ...span,
      attributes: {
        ...span.attributes,
        ...(entry.pid === undefined || ATTR.pid in span.attributes ? {} : { [ATTR.pid]: entry.pid }),
        ...(entry.dropped === 0 ? {} : { [EVENTS_DROPPED]: entry.dropped }),
      },
      events,
    };
  }
}

/** Stands for a user span of which only the kernel's side is known. Its name says so; nothing about it is invented. */
function placeholder(entry: Entry, reason: string | undefined): Span {
  return {
    traceId: entry.traceId,
    spanId: entry.spanId,
    name: reason === undefined ? '(span in progress)' : '(span not reported)',
    kind: 'internal',
    origin: 'user',
    service: entry.processName,
    startNs: ns(entry.firstNs),
    status: { code: 'unset' },
    attributes: {
      [ATTR.placeholder]: true,
      ...(reason === undefined ? {} : { [ATTR.unfinished]: reason }),
      ...(entry.pid === undefined ? {} : { [ATTR.pid]: entry.pid }),
      ...(entry.dropped === 0 ? {} : { [EVENTS_DROPPED]: entry.dropped }),
    },
    events: [...entry.events],
    links: [],
  };
}
