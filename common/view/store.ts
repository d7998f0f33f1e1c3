/**
 * The model behind a timeline: keeps whole spans, gives each a dense index that never changes, and tells any number of readers what
 * is new as columns. A parent may arrive long after its children (user spans are reported when they end, their system calls
 * while they run); until then it has an index and is a placeholder.
 */
import type { Disposable } from '../base/disposable';
import { ns, type Nanoseconds } from '../base/time';
import { ReceivedCount, type Received } from '../model/loss';
import { ATTR, type AttributeValue, type Span, type SpanId, type TraceId } from '../model/span';
import { statesOf, waitingOf, WAKER_LINK } from '../model/waiting';
import { allocateColumns, packColumns, PART, type SpanColumns, type ThreadInfo } from './columns';
import { CATEGORY, SPAN_FLAG, categoryOf } from './flags';

export interface SpanStoreOptions {
  /** Most spans kept, placeholders included; further ones are refused and counted. */
  readonly limit: number;
}

/** About 1.5 GB of span objects at the sizes seen in practice. */
export const DEFAULT_SPAN_LIMIT = 1_000_000;

/** Paths and addresses shown on bars are often unique; beyond this many texts new ones are left out of the columns (not of the details). */
const MAX_STRINGS = 400_000;

/** Arguments that say what a call works on, best first. */
const TARGET_ARGS = ['filename', 'pathname', 'path', 'oldname', 'uservaddr', 'umyaddr', 'addr', 'name'].map(
  (name) => ATTR.syscallArgPrefix + name,
);

interface Entry {
  readonly trace: number;
  readonly spanId: SpanId;
  span: Span | undefined;
  parent: number;
  children: number;
}

export class SpanStore {
  private readonly entries: Entry[] = [];
  private readonly traceIds: TraceId[] = [];
  private readonly indexOfTrace = new Map<string, number>();
  /** Per trace: span id → index. */
  private readonly spanIndex: Map<string, number>[] = [];
  /** By the id of a span, trace id in front: those that were woken from it. */
  private readonly woken = new Map<string, Set<number>>();
  private readonly strings: string[] = [''];
  private readonly stringId = new Map<string, number>([['', 0]]);
  private readonly threads: ThreadInfo[] = [{ pid: -1, tid: -1, process: '' }];
  private readonly threadId = new Map<string, number>([['-1/-1/', 0]]);
  private readonly readers = new Set<ColumnReader>();
  private readonly listeners = new Set<(replaced: readonly number[]) => void>();
  private epochNs: Nanoseconds | undefined;
  private placeholderCount = 0;
  private readonly finals = new ReceivedCount();
  private cyclicCount = 0;

  constructor(private readonly options: SpanStoreOptions = { limit: DEFAULT_SPAN_LIMIT }) {}

  /** Spans and placeholders; indices are 0 … size-1. */
  get size(): number {
    return this.entries.length;
  }

  /** Spans really received. */
  get spanCount(): number {
    return this.entries.length - this.placeholderCount;
  }

  get traceCount(): number {
    return this.traceIds.length;
  }

  /** Of the final spans: what the loss account needs. */
  get received(): Received {
    return this.finals.received;
  }

  /** Parent references ignored because they would have closed a circle. */
  get cyclic(): number {
    return this.cyclicCount;
  }

  /** Start of the first span ever added; offsets in the columns are relative to it (and may be negative). */
  get epoch(): Nanoseconds | undefined {
    return this.epochNs;
  }

  /**
   * Adds spans, or replaces those known by the same (traceId, spanId). Returns how many were taken; the rest was refused because the
   * store is full, and counted. Replacing is never refused. `provisional`: places of spans that will come again, not counted yet.
   */
  upsert(spans: readonly Span[], provisional: readonly number[] = []): number {
    let taken = 0;
    const replaced: number[] = [];
    const later = new Set(provisional);
    for (const [place, span] of spans.entries()) {
      const held = this.upsertOne(span, replaced);
      if (held) taken += 1;
      if (!later.has(place)) this.finals.count(span, held);
    }
    for (const listener of this.listeners) listener(replaced);
    return taken;
  }

  /** Calls `listener` after every `upsert`, with the indices that existed before and now hold another span. */
  onUpsert(listener: (replaced: readonly number[]) => void): Disposable {
    this.listeners.add(listener);
    return {
      dispose: () => {
        this.listeners.delete(listener);
      },
    };
  }

  /** The span, or undefined for a placeholder or an index out of range. */
  get(index: number): Span | undefined {
    return this.entries[index]?.span;
  }

  /** Index of the parent, -1 for a root. */
  parentOf(index: number): number {
    return this.entries[index]?.parent ?? -1;
  }

  indexOf(traceId: string, spanId: string): number | undefined {
    const trace = this.indexOfTrace.get(traceId);
    return trace === undefined ? undefined : this.spanIndex[trace]?.get(spanId);
  }

  /** Spans that a thread in this one woke, in order of start; the link of a span to its waker, read backwards. */
  wokenBy(index: number): readonly number[] {
    const id = this.identity(index);
    const woken = id === undefined ? undefined : this.woken.get(id.traceId + id.spanId);
    const start = (i: number): number => this.offsetOf(this.get(i)?.startNs ?? ns(0n));
    return woken === undefined ? [] : [...woken].sort((a, b) => start(a) - start(b));
  }

  /** Identity of an index, also of a placeholder. */
  identity(index: number): { readonly traceId: TraceId; readonly spanId: SpanId } | undefined {
    const entry = this.entries[index];
    return entry && { traceId: this.traceIds[entry.trace] as TraceId, spanId: entry.spanId };
  }

  /** ns since the epoch as a number; exact for traces shorter than 104 days. */
  offsetOf(time: Nanoseconds): number {
    return Number(time - (this.epochNs ?? time));
  }

  *spans(): Generator<Span> {
    for (const entry of this.entries) if (entry.span) yield entry.span;
  }

  /** A new receiver of columns: its first deltas carry everything, later ones what has changed since. */
  createReader(): ColumnReader {
    const reader: ColumnReader = new ColumnReader(
      (row, tables) => this.pack(row, tables),
      () => this.entries.length,
      () => {
        this.readers.delete(reader);
      },
    );
    this.readers.add(reader);
    return reader;
  }

  private upsertOne(span: Span, replaced: number[]): boolean {
    const known = this.indexOf(span.traceId, span.spanId);
    if (known === undefined && this.entries.length >= this.options.limit) {
      return false;
    }
    this.epochNs ??= span.startNs;
    // The parent first: a reader then usually meets parents before children.
    const own = span.parentSpanId === span.spanId;
    if (own) this.cyclicCount += 1;
    const parent =
      span.parentSpanId === undefined || own ? -1 : this.parentIndex(span.traceId, span.parentSpanId);
    const index = known ?? this.allocate(span.traceId, span.spanId);
    const entry = this.entries[index] as Entry;
    if (entry.span === undefined) this.placeholderCount -= 1;
    entry.span = span;
    this.noteWakers(span, index);
    if (parent !== entry.parent) this.setParent(entry, index, parent);
    if (known !== undefined) {
      replaced.push(known);
      for (const reader of this.readers) reader.changed(known);
    }
    return true;
  }

  private noteWakers(span: Span, index: number): void {
    for (const { traceId, spanId, attributes } of span.links) {
      if (attributes[ATTR.link] !== WAKER_LINK) continue;
      const woken = this.woken.get(traceId + spanId);
      if (woken === undefined) this.woken.set(traceId + spanId, new Set([index]));
      else woken.add(index);
    }
  }

  private parentIndex(traceId: TraceId, spanId: SpanId): number {
    const known = this.indexOf(traceId, spanId);
    if (known !== undefined) return known;
    if (this.entries.length >= this.options.limit - 1) return -1;
    return this.allocate(traceId, spanId);
  }

  private allocate(traceId: TraceId, spanId: SpanId): number {
    let trace = this.indexOfTrace.get(traceId);
    if (trace === undefined) {
      trace = this.traceIds.push(traceId) - 1;
      this.indexOfTrace.set(traceId, trace);
      this.spanIndex.push(new Map());
    }
    const index = this.entries.push({ trace, spanId, span: undefined, parent: -1, children: 0 }) - 1;
    (this.spanIndex[trace] as Map<string, number>).set(spanId, index);
    this.placeholderCount += 1;
    return index;
  }

  private setParent(entry: Entry, index: number, parent: number): void {
    if (entry.children > 0) {
      for (let at = parent; at !== -1; at = (this.entries[at] as Entry).parent) {
        if (at !== index) continue;
        this.cyclicCount += 1;
        return;
      }
    }
    const before = this.entries[entry.parent];
    if (before) before.children -= 1;
    entry.parent = parent;
    const after = this.entries[parent];
    if (after) after.children += 1;
  }

  private intern(text: string, optional: boolean): number {
    const known = this.stringId.get(text);
    if (known !== undefined) return known;
    if (optional && this.strings.length >= MAX_STRINGS) return 0;
    const id = this.strings.push(text) - 1;
    this.stringId.set(text, id);
    return id;
  }

  private internThread(span: Span): number {
    const tid = numeric(span.attributes[ATTR.osTid]) ?? -1;
    const pid = numeric(span.attributes[ATTR.pid]) ?? -1;
    const process = text(span.attributes[ATTR.processName]) ?? '';
    const key = `${pid}/${tid}/${process}`;
    const known = this.threadId.get(key);
    if (known !== undefined) return known;
    const id = this.threads.push({ pid, tid, process }) - 1;
    this.threadId.set(key, id);
    return id;
  }

  private pack(rows: readonly number[], sent: SentTables): SpanColumns {
    let events = 0;
    let parts = 0;
    const states = rows.map((index) => partsOf(this.entries[index]?.span));
    rows.forEach((index, row) => {
      events += this.entries[index]?.span?.events.length ?? 0;
      parts += states[row]?.length ?? 0;
    });
    const out = allocateColumns(rows.length, events, parts);
    let event = 0;
    let part = 0;
    rows.forEach((index, row) => {
      const entry = this.entries[index] as Entry;
      out.index[row] = index;
      out.parent[row] = entry.parent;
      out.trace[row] = entry.trace;
      const span = entry.span;
      if (span === undefined) {
        out.start[row] = NaN;
        out.duration[row] = NaN;
        out.flags[row] = SPAN_FLAG.placeholder;
        return;
      }
      out.start[row] = this.offsetOf(span.startNs);
      out.duration[row] = span.endNs === undefined ? NaN : Number(span.endNs - span.startNs);
      out.name[row] = this.intern(span.name, false);
      out.service[row] = this.intern(span.service, false);
      out.detail[row] = this.intern(targetOf(span), true);
      out.source[row] = this.intern(sourceOf(span), true);
      out.thread[row] = this.internThread(span);
      out.flags[row] = flagsOf(span);
      out.category[row] =
        span.origin === 'kernel' ? categoryOf(span.name, text(span.attributes[ATTR.fdPath])) : CATEGORY.user;
      out.eventCount[row] = span.events.length;
      for (const e of sortedEvents(span)) {
        out.eventTime[event] = this.offsetOf(e.timeNs);
        out.eventName[event] = this.intern(e.name, true);
        event += 1;
      }
      out.partCount[row] = states[row]?.length ?? 0;
      for (const [state, length] of states[row] ?? []) {
        out.partState[part] = PART[state];
        out.partLength[part] = length;
        part += 1;
      }
    });
    const delta = packColumns(rows.length, out, {
      firstString: sent.strings,
      strings: this.strings.slice(sent.strings),
      firstTrace: sent.traces,
      traces: this.traceIds.slice(sent.traces),
      firstThread: sent.threads,
      threads: this.threads.slice(sent.threads),
    });
    sent.strings = this.strings.length;
    sent.traces = this.traceIds.length;
    sent.threads = this.threads.length;
    return delta;
  }
}

interface SentTables {
  strings: number;
  traces: number;
  threads: number;
}

/** One receiver's position in the store: what it has and what has changed since. */
export class ColumnReader implements Disposable {
  private next = 0;
  private readonly dirty = new Set<number>();
  private readonly sent: SentTables = { strings: 1, traces: 0, threads: 1 };

  constructor(
    private readonly pack: (rows: readonly number[], sent: SentTables) => SpanColumns,
    private readonly size: () => number,
    private readonly onDispose: () => void,
  ) {}

  /** Rows that `take` has still to deliver. */
  get pending(): number {
    return this.size() - this.next + this.dirty.size;
  }

  /** Called by the store. */
  changed(index: number): void {
    if (index < this.next) this.dirty.add(index);
  }

  /** The next at most `maxRows` new or changed rows, undefined when the receiver is up to date. */
  take(maxRows: number): SpanColumns | undefined {
    if (this.pending === 0) return undefined;
    const rows: number[] = [];
    for (const index of this.dirty) {
      if (rows.length >= maxRows) break;
      rows.push(index);
      this.dirty.delete(index);
    }
    const size = this.size();
    while (this.next < size && rows.length < maxRows) {
      rows.push(this.next);
      this.next += 1;
    }
    return this.pack(rows, this.sent);
  }

  dispose(): void {
    this.onDispose();
  }
}

/** What a span works on, in a few words: path or socket of a system call; empty when unknown. */
export function targetOf(span: Span): string {
  for (const name of TARGET_ARGS) {
    const value = span.attributes[name];
    if (typeof value === 'string' && value !== '' && !/^0x[0-9a-f]+$/.test(value)) return clip(value);
  }
  return clip(text(span.attributes[ATTR.fdPath]) ?? '');
}

/** `file:line` with the file's last component, empty when unknown. */
export function sourceOf(span: Span): string {
  const file = text(span.attributes[ATTR.codeFile]);
  if (file === undefined) return '';
  const line = numeric(span.attributes[ATTR.codeLine]);
  const base = file.slice(file.lastIndexOf('/') + 1);
  return line === undefined ? base : `${base}:${line}`;
}

function flagsOf(span: Span): number {
  return (
    (span.origin === 'kernel' ? SPAN_FLAG.kernel : 0) |
    (span.status.code === 'error' ? SPAN_FLAG.error : 0) |
    (span.endNs === undefined ? SPAN_FLAG.unfinished : 0) |
    ((numeric(span.attributes[ATTR.lostEvents]) ?? 0) > 0 || span.attributes[ATTR.unfinished] === 'lost'
      ? SPAN_FLAG.lost
      : 0) |
    (span.attributes[ATTR.codeFile] === undefined ? 0 : SPAN_FLAG.hasSource) |
    (isTimed(span) ? SPAN_FLAG.timed : 0)
  );
}

function partsOf(span: Span | undefined): ReturnType<typeof statesOf> {
  return span?.endNs === undefined ? NO_PARTS : statesOf(span.attributes, Number(span.endNs - span.startNs));
}

const NO_PARTS: ReturnType<typeof statesOf> = [];

/** The parts tell all, or there are none because the thread was on a CPU all the time. */
function isTimed(span: Span): boolean {
  const waiting = waitingOf(span);
  if (typeof waiting !== 'object') return false;
  return waiting.runnableNs + waiting.blockedNs === 0 || partsOf(span).length > 0;
}

/** A span's events in time order; the same array when they already are. */
export function sortedEvents(span: Span): Span['events'] {
  for (let i = 1; i < span.events.length; i++) {
    if ((span.events[i - 1]?.timeNs ?? ns(0n)) > (span.events[i]?.timeNs ?? ns(0n))) {
      return [...span.events].sort((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0));
    }
  }
  return span.events;
}

const clip = (value: string): string => (value.length > 200 ? `${value.slice(0, 199)}…` : value);

export function numeric(value: AttributeValue | undefined): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return undefined;
}

export function text(value: AttributeValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
