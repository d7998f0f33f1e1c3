/**
 * Places every span in a row. A trace is laid out as a whole, and appended to while its spans arrive in order:
 *
 *   request ─────────────────────────────      row of the trace's roots (the trace's head)
 *     ▪▪ ▪  (tid 12)                           system calls made directly in request, a row for each thread
 *     work ──────── work ────── work ───       children that do not overlap share a row …
 *       ▪▪▪▪▪▪▪       ▪▪▪▪▪       ▪▪▪          … and so do their system calls
 *     work ───────────                         … concurrent ones get rows of their own
 *
 * Invariants (tested): each placed span is in exactly one row; spans of a row do not overlap unless MAX_LANES is exhausted; the row of
 * a span's parent is the parent of the span's row.
 */
import { SPAN_FLAG } from '../../common/view/flags';
import { grown, type SpanTable, type TableChange } from '../store/span-table';
import type { Row, RowKind } from './rows';
import { Track } from './track';

/** Rows for concurrent siblings at most; beyond that they overlap in the last one. */
export const MAX_LANES = 32;
const NONE = -1;

interface TraceLayout {
  roots: Row[];
  dirty: boolean;
  /** Laid out again not before this time (ms of the caller's clock): keeps a huge trace from eating every frame. */
  notBefore: number;
  /** Spans added since it became dirty or was built. */
  firstStart: number;
}

export class Layout {
  readonly traces: TraceLayout[] = [];
  /** Row id of each span, NONE when it is in no row (not laid out yet, or hidden by the filter). */
  private rowOf = new Int32Array(1024).fill(NONE);
  /** Children of each span as a list in order of start, valid for laid-out traces. */
  private firstChild = new Int32Array(1024).fill(NONE);
  private lastChild = new Int32Array(1024).fill(NONE);
  private nextSibling = new Int32Array(1024).fill(NONE);
  /** Times of placeholders, taken from their children. */
  private readonly placeholderTimes = new Map<number, { start: number; end: number }>();
  private readonly rows = new Map<number, Row>();
  private nextRowId = 0;
  private readonly dirtyTraces = new Set<number>();
  private filter: ((i: number) => boolean) | undefined;
  /** Set when rows came or went: the flattened list is out of date. */
  structureChanged = false;

  constructor(private readonly table: SpanTable) {}

  /** Start of a span, also of a placeholder (that of its first child); NaN when nothing is known. */
  readonly start = (i: number): number => {
    const own = this.table.start[i] as number;
    return Number.isNaN(own) ? (this.placeholderTimes.get(i)?.start ?? NaN) : own;
  };

  /** End of a span: Infinity while unfinished; of a placeholder, that of its last child. */
  readonly end = (i: number): number => {
    const own = this.table.end(i);
    return Number.isNaN(own) ? (this.placeholderTimes.get(i)?.end ?? NaN) : own;
  };

  rowOfSpan(i: number): Row | undefined {
    const id = this.rowOf[i];
    return id === undefined || id === NONE ? undefined : this.rows.get(id);
  }

  /** Children in order of their start. */
  *childrenOf(i: number): Generator<number> {
    for (let child = this.firstChild[i] ?? NONE; child !== NONE; child = this.nextSibling[child] ?? NONE)
      yield child;
  }

  firstChildOf(i: number): number {
    return this.firstChild[i] ?? NONE;
  }

  nextSiblingOf(i: number): number {
    return this.nextSibling[i] ?? NONE;
  }

  /** Roots of a trace in order of start. */
  rootsOf(trace: number): number[] {
    const spans = (this.table.spansOfTrace[trace] ?? []).filter(
      (i) => this.rowOf[i] !== NONE && this.visibleParent(i) === NONE,
    );
    return spans.sort((a, b) => this.start(a) - this.start(b));
  }

  /** Shows only spans for which `keep` is true, and their ancestors; undefined shows all. Lays everything out anew. */
  setFilter(keep: ((i: number) => boolean) | undefined): void {
    this.filter = keep && this.withAncestors(keep);
    for (let trace = 0; trace < this.table.spansOfTrace.length; trace++) this.markDirty(trace, true);
  }

  /** Takes over what a delta has changed in the table. */
  apply(change: TableChange): void {
    this.ensureCapacity();
    for (const i of change.moved) this.markDirty(this.table.trace[i] as number);
    change.touched.forEach((i, at) => {
      const row = this.rowOfSpan(i);
      if (row && !this.traceLayout(row.trace).dirty)
        row.track.refresh(i, change.durationsBefore[at] as number);
    });
    for (const i of change.added) if (!this.tryAppend(i)) this.markDirty(this.table.trace[i] as number);
  }

  /** Lays out traces that need it until `deadline` (of `clock`, ms). Returns whether any still waits. */
  update(clock: () => number, deadline: number): boolean {
    for (const trace of this.dirtyTraces) {
      const layout = this.traces[trace] as TraceLayout;
      const began = clock();
      if (layout.notBefore > began) continue;
      this.build(trace);
      this.dirtyTraces.delete(trace);
      const now = clock();
      layout.notBefore = now - began > 4 ? now + (now - began) * 5 : 0;
      if (now >= deadline) break;
    }
    return this.dirtyTraces.size > 0;
  }

  /** Lays out everything at once, whatever it costs (tests, the end of loading). */
  updateAll(): void {
    for (const trace of this.dirtyTraces) this.build(trace);
    this.dirtyTraces.clear();
  }

  /** Traces in order of their first span's start. */
  inOrder(): readonly (readonly Row[])[] {
    const shown = this.traces.filter((layout) => layout.roots.length > 0);
    return shown.sort((a, b) => a.firstStart - b.firstStart).map((layout) => layout.roots);
  }

  /** After a run has ended rows can be packed as if everything had been known from the start. */
  compact(): void {
    for (let trace = 0; trace < this.traces.length; trace++) this.markDirty(trace, true);
  }

  private markDirty(trace: number, now = false): void {
    const layout = this.traceLayout(trace);
    layout.dirty = true;
    if (now) layout.notBefore = 0;
    this.dirtyTraces.add(trace);
  }

  private traceLayout(trace: number): TraceLayout {
    while (this.traces.length <= trace) {
      this.traces.push({ roots: [], dirty: false, notBefore: 0, firstStart: Infinity });
    }
    return this.traces[trace] as TraceLayout;
  }

  private ensureCapacity(): void {
    const size = this.table.size;
    const had = this.rowOf.length;
    if (size <= had) return;
    const capacity = Math.max(size, had * 2);
    this.rowOf = grown(this.rowOf, capacity).fill(NONE, had);
    this.firstChild = grown(this.firstChild, capacity).fill(NONE, had);
    this.lastChild = grown(this.lastChild, capacity).fill(NONE, had);
    this.nextSibling = grown(this.nextSibling, capacity).fill(NONE, had);
  }

  /** The parent when it is laid out as well; a span whose parent is hidden counts as a root. */
  private visibleParent(i: number): number {
    const parent = this.table.parent[i] as number;
    return parent !== NONE && this.filter && !this.filter(parent) ? NONE : parent;
  }

  /**
   * The cheap path of live data: a span later than all its siblings goes to the end of a row. False when the trace must be laid out
   * anew.
   */
  private tryAppend(i: number): boolean {
    const trace = this.table.trace[i] as number;
    if (this.traceLayout(trace).dirty) return false;
    // With a filter on, whether it matches is known later; then the filter is set again.
    if (this.filter && !this.filter(i)) return true;
    // Nothing to show before its first child comes, which then finds its parent without a row.
    if (this.table.has(i, SPAN_FLAG.placeholder)) return true;
    const parent = this.table.parent[i] as number;
    if (parent === NONE) return false;
    const parentRow = this.rowOfSpan(parent);
    const start = this.table.start[i] as number;
    const previous = this.lastChild[parent] ?? NONE;
    if (!parentRow || (previous !== NONE && this.start(previous) > start)) return false;
    if (!this.stretchPlaceholder(parent, parentRow, i)) return false;
    const kind: RowKind = this.table.has(i, SPAN_FLAG.kernel) ? 'kernel' : 'user';
    const thread = kind === 'kernel' ? (this.table.thread[i] as number) : 0;
    const lanes = parentRow.children.filter((row) => row.kind === kind && row.thread === thread);
    let row = lanes.find((lane) => lane.track.lastStart <= start && lane.track.lastEnd <= start);
    if (!row) {
      if (lanes.length >= MAX_LANES) return false;
      row = this.addRow(trace, parentRow, kind, thread, lanes.length);
      insertInOrder(parentRow.children, row);
    }
    this.place(i, row);
    this.link(i, parent);
    return true;
  }

  /** A placeholder grows with its children, as far as its neighbour in the row allows. */
  private stretchPlaceholder(parent: number, row: Row, child: number): boolean {
    const times = this.placeholderTimes.get(parent);
    if (!times || !this.table.has(parent, SPAN_FLAG.placeholder)) return true;
    const duration = this.table.duration[child] as number;
    const end = (this.table.start[child] as number) + (Number.isNaN(duration) ? 0 : duration);
    if (end <= times.end) return true;
    const next = row.track.spans[row.track.positionOf(parent) + 1];
    if (next !== undefined && this.start(next) < end) return false;
    times.end = end;
    row.track.refresh(parent, NaN);
    return true;
  }

  private link(i: number, parent: number): void {
    const previous = this.lastChild[parent] ?? NONE;
    if (previous === NONE) this.firstChild[parent] = i;
    else this.nextSibling[previous] = i;
    this.lastChild[parent] = i;
  }

  private place(i: number, row: Row): void {
    row.track.append(i);
    this.rowOf[i] = row.id;
  }

  private addRow(trace: number, parent: Row | undefined, kind: RowKind, thread: number, lane: number): Row {
    const tid = kind === 'kernel' ? String(this.table.threads[thread]?.tid ?? -1) : '';
    const step = `${kind === 'kernel' ? 'k' : 'u'}${tid}.${lane}`;
    const row: Row = {
      id: this.nextRowId++,
      trace,
      kind,
      thread,
      parent,
      depth: parent ? parent.depth + 1 : 0,
      isTraceHead: false,
      key: `${parent ? parent.key : (this.table.traces[trace] ?? '')}/${step}`,
      track: new Track(this.table, this),
      children: [],
    };
    this.rows.set(row.id, row);
    this.structureChanged = true;
    return row;
  }

  /** Lays out one trace from nothing. */
  private build(trace: number): void {
    const layout = this.traceLayout(trace);
    this.forget(layout.roots);
    layout.dirty = false;
    this.structureChanged = true;
    const all = this.table.spansOfTrace[trace] ?? [];
    for (const i of all) {
      this.rowOf[i] = NONE;
      this.firstChild[i] = NONE;
      this.lastChild[i] = NONE;
      this.nextSibling[i] = NONE;
    }
    this.timePlaceholders(all);
    const keep = this.filter;
    const shown = all.filter((i) => !Number.isNaN(this.start(i)) && (keep === undefined || keep(i)));
    sortByStart(shown, this.start);
    const roots: number[] = [];
    for (const i of shown) {
      const parent = this.visibleParent(i);
      if (parent === NONE || Number.isNaN(this.start(parent))) roots.push(i);
      else this.link(i, parent);
    }
    layout.roots = this.pack(trace, undefined, roots);
    layout.firstStart = roots.length > 0 ? this.start(roots[0] as number) : Infinity;
    const queue = [...layout.roots];
    for (let at = 0; at < queue.length; at++) {
      const row = queue[at] as Row;
      const children: number[] = [];
      for (const i of row.track.spans) for (const child of this.childrenOf(i)) children.push(child);
      sortByStart(children, this.start);
      row.children.push(...this.pack(trace, row, children));
      queue.push(...row.children);
    }
    const head = layout.roots[0];
    if (head) head.isTraceHead = true;
  }

  /** Distributes spans, sorted by start, over rows: by kind and thread, then first row that is free. System calls come first. */
  private pack(trace: number, parent: Row | undefined, spans: readonly number[]): Row[] {
    const groups = new Map<number, { readonly lanes: Row[]; readonly ends: number[] }>();
    for (const i of spans) {
      const kernel = this.table.has(i, SPAN_FLAG.kernel);
      const thread = kernel ? (this.table.thread[i] as number) : 0;
      const key = kernel ? thread : NONE;
      let group = groups.get(key);
      if (!group) groups.set(key, (group = { lanes: [], ends: [] }));
      const start = this.start(i);
      let lane = group.ends.findIndex((end) => end <= start);
      if (lane < 0) lane = Math.min(group.lanes.length, MAX_LANES - 1);
      let row = group.lanes[lane];
      if (!row)
        group.lanes.push((row = this.addRow(trace, parent, kernel ? 'kernel' : 'user', thread, lane)));
      this.place(i, row);
      group.ends[lane] = Math.max(group.ends[lane] ?? -Infinity, this.end(i));
    }
    const rows = [...groups.values()].flatMap((group) => group.lanes);
    // At the top user spans come first: the head names the trace. Below, a span's own system calls stand directly under it.
    return rows.sort((a, b) => (parent ? order(a) - order(b) : order(b) - order(a)) || a.id - b.id);
  }

  private timePlaceholders(spans: readonly number[]): void {
    for (const i of spans) if (this.table.has(i, SPAN_FLAG.placeholder)) this.placeholderTimes.delete(i);
    for (const i of spans) {
      const parent = this.table.parent[i] as number;
      if (parent === NONE || !this.table.has(parent, SPAN_FLAG.placeholder)) continue;
      const start = this.table.start[i] as number;
      if (Number.isNaN(start)) continue;
      const duration = this.table.duration[i] as number;
      const end = Number.isNaN(duration) ? start : start + duration;
      const known = this.placeholderTimes.get(parent);
      if (known) {
        known.start = Math.min(known.start, start);
        known.end = Math.max(known.end, end);
      } else {
        this.placeholderTimes.set(parent, { start, end });
      }
    }
  }

  private forget(rows: readonly Row[]): void {
    for (const row of rows) {
      this.rows.delete(row.id);
      this.forget(row.children);
    }
  }

  /** Membership in "kept or ancestor of a kept span", worked out for all spans at once. */
  private withAncestors(keep: (i: number) => boolean): (i: number) => boolean {
    const shown = new Uint8Array(this.table.size);
    for (let i = 0; i < this.table.size; i++) {
      if (!keep(i)) continue;
      for (let at = i; at !== NONE && shown[at] === 0; at = this.table.parent[at] as number) shown[at] = 1;
    }
    return (i) => shown[i] === 1;
  }
}

const order = (row: Row): number => (row.kind === 'kernel' ? 0 : 1);

/** Keeps kernel rows before user rows when a row is added later. */
function insertInOrder(rows: Row[], row: Row): void {
  if (row.kind === 'user') {
    rows.push(row);
    return;
  }
  const at = rows.findIndex((other) => other.kind === 'user');
  rows.splice(at < 0 ? rows.length : at, 0, row);
}

/** Sorts only when needed: what arrives is nearly always in order already. */
function sortByStart(spans: number[], start: (i: number) => number): void {
  for (let at = 1; at < spans.length; at++) {
    if (start(spans[at - 1] as number) > start(spans[at] as number)) {
      const sorted = Float64Array.from(spans, start);
      const byStart = spans.map((span, position) => ({ span, key: sorted[position] as number }));
      byStart.sort((a, b) => a.key - b.key || a.span - b.span);
      byStart.forEach((entry, position) => {
        spans[position] = entry.span;
      });
      return;
    }
  }
}
