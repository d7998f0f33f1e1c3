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

/** What is laid out together: one trace, or all traces with the same root when similar ones are merged. */
interface Section {
  readonly key: string;
  readonly traces: Set<number>;
  roots: Row[];
  dirty: boolean;
  /** Laid out again not before this time (ms of the caller's clock): keeps a huge section from eating every frame. */
  notBefore: number;
  firstStart: number;
}

export class Layout {
  private readonly sections: Section[] = [];
  private readonly sectionByKey = new Map<string, number>();
  /** Section of each trace. */
  private readonly sectionOf: number[] = [];
  private merged = false;
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
  private readonly dirtySections = new Set<number>();
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

  /** First row of the section a span's trace is in. */
  headOf(i: number): Row | undefined {
    return this.sections[this.sectionOf[this.table.trace[i] as number] ?? -1]?.roots[0];
  }

  get mergesSimilar(): boolean {
    return this.merged;
  }

  /** Traces with the same root (service and name) share a section, as if they were siblings; or each has its own. */
  setMerged(merged: boolean): void {
    if (merged === this.merged) return;
    this.merged = merged;
    for (const section of this.sections) this.forget(section.roots);
    this.sections.length = 0;
    this.sectionByKey.clear();
    this.sectionOf.length = 0;
    this.dirtySections.clear();
    this.structureChanged = true;
    for (let trace = 0; trace < this.table.spansOfTrace.length; trace++) this.markDirty(trace, true);
  }

  /** Shows only spans for which `keep` is true, and their ancestors; undefined shows all. Lays everything out anew. */
  setFilter(keep: ((i: number) => boolean) | undefined): void {
    this.filter = keep && this.withAncestors(keep);
    this.compact();
  }

  /** Takes over what a delta has changed in the table. */
  apply(change: TableChange): void {
    this.ensureCapacity();
    if (this.merged) {
      this.reassign(change.added);
      this.reassign(change.moved);
    }
    for (const i of change.moved) this.markDirty(this.table.trace[i] as number);
    change.touched.forEach((i, at) => {
      const row = this.rowOfSpan(i);
      if (row && !this.section(this.table.trace[i] as number).dirty) {
        row.track.refresh(i, change.durationsBefore[at] as number);
      }
    });
    for (const i of change.added) if (!this.tryAppend(i)) this.markDirty(this.table.trace[i] as number);
  }

  /** Lays out sections that need it until `deadline` (of `clock`, ms). Returns whether any still waits. */
  update(clock: () => number, deadline: number): boolean {
    for (const at of this.dirtySections) {
      const section = this.sections[at] as Section;
      const began = clock();
      if (section.notBefore > began) continue;
      this.build(at);
      this.dirtySections.delete(at);
      const now = clock();
      section.notBefore = now - began > 4 ? now + (now - began) * 5 : 0;
      if (now >= deadline) break;
    }
    return this.dirtySections.size > 0;
  }

  /** Lays out everything at once, whatever it costs. */
  updateAll(): void {
    for (const at of this.dirtySections) this.build(at);
    this.dirtySections.clear();
  }

  /** Top rows of each section, in order of the first span's start. */
  inOrder(): readonly (readonly Row[])[] {
    const shown = this.sections.filter((section) => section.roots.length > 0);
    return shown.sort((a, b) => a.firstStart - b.firstStart).map((section) => section.roots);
  }

  /** Traces that have something to show, in order of their first span's start. */
  tracesInOrder(): readonly number[] {
    const first = this.table.spansOfTrace.map((spans) => {
      let start = Infinity;
      for (const i of spans) if (this.rowOf[i] !== NONE) start = Math.min(start, this.start(i));
      return start;
    });
    return [...first.keys()]
      .filter((t) => first[t] !== Infinity)
      .sort((a, b) => (first[a] as number) - (first[b] as number));
  }

  /** Lays everything out as if all had been known from the start: after a run has ended, rows need less room. */
  compact(): void {
    for (let trace = 0; trace < this.table.spansOfTrace.length; trace++) this.markDirty(trace, true);
  }

  private markDirty(trace: number, now = false): void {
    const section = this.section(trace);
    section.dirty = true;
    if (now) section.notBefore = 0;
    this.dirtySections.add(this.sectionOf[trace] as number);
  }

  private section(trace: number): Section {
    let at = this.sectionOf[trace];
    if (at === undefined) {
      at = this.sectionFor(this.sectionKey(trace));
      this.sectionOf[trace] = at;
      (this.sections[at] as Section).traces.add(trace);
    }
    return this.sections[at] as Section;
  }

  private sectionFor(key: string): number {
    let at = this.sectionByKey.get(key);
    if (at === undefined) {
      at =
        this.sections.push({
          key,
          traces: new Set(),
          roots: [],
          dirty: false,
          notBefore: 0,
          firstStart: Infinity,
        }) - 1;
      this.sectionByKey.set(key, at);
    }
    return at;
  }

  private sectionKey(trace: number): string {
    if (!this.merged) return this.table.traces[trace] ?? String(trace);
    const { table } = this;
    const root = table.spansOfTrace[trace]?.find(
      (i) => table.parent[i] === NONE && !table.has(i, SPAN_FLAG.placeholder),
    );
    return root === undefined
      ? 'not reported'
      : `${table.text(table.service[root] as number)}: ${table.nameOf(root)}`;
  }

  /** With merged traces, a root that becomes known decides where its trace belongs. */
  private reassign(spans: readonly number[]): void {
    for (const i of spans) {
      if (this.table.parent[i] !== NONE || this.table.has(i, SPAN_FLAG.placeholder)) continue;
      const trace = this.table.trace[i] as number;
      const was = this.sectionOf[trace];
      const at = this.sectionFor(this.sectionKey(trace));
      if (was === at) continue;
      if (was !== undefined) {
        this.markDirty(trace);
        (this.sections[was] as Section).traces.delete(trace);
      }
      this.sectionOf[trace] = at;
      (this.sections[at] as Section).traces.add(trace);
    }
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
    if (this.section(trace).dirty) return false;
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
    const lanes = parentRow.children.filter((lane) => lane.kind === kind);
    let row = this.laneFor(i, lanes);
    if (!row) {
      if (lanes.length >= MAX_LANES) return false;
      row = this.addRow(parentRow.section, parentRow, kind, lanes.length);
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

  /** The row in which a span can be appended; the same rule as in `pack`, by the last span of each row. */
  private laneFor(i: number, lanes: readonly Row[]): Row | undefined {
    const { table } = this;
    const start = table.start[i] as number;
    const free = lanes.filter(({ track }) => track.lastStart <= start && track.lastEnd <= start);
    const last = ({ track }: Row) => track.spans.at(-1) ?? NONE;
    const sameParent = (row: Row) => table.parent[last(row)] === table.parent[i];
    if (!table.has(i, SPAN_FLAG.kernel)) return free[0];
    return (
      free.find((row) => sameParent(row) && table.thread[last(row)] === table.thread[i]) ??
      free.find((row) => !sameParent(row))
    );
  }

  private addRow(section: number, parent: Row | undefined, kind: RowKind, lane: number): Row {
    const row: Row = {
      id: this.nextRowId++,
      section,
      kind,
      parent,
      depth: parent ? parent.depth + 1 : 0,
      isHead: false,
      roots: 0,
      key: `${parent ? parent.key : (this.sections[section]?.key ?? '')}/${kind === 'kernel' ? 'k' : 'u'}${lane}`,
      track: new Track(this.table, this),
      children: [],
    };
    this.rows.set(row.id, row);
    this.structureChanged = true;
    return row;
  }

  /** Lays out one section from nothing. */
  private build(at: number): void {
    const section = this.sections[at] as Section;
    this.forget(section.roots);
    section.dirty = false;
    this.structureChanged = true;
    const all: number[] = [];
    for (const trace of section.traces) for (const i of this.table.spansOfTrace[trace] ?? []) all.push(i);
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
    section.roots = this.pack(at, undefined, roots);
    section.firstStart = roots.length > 0 ? this.start(roots[0] as number) : Infinity;
    const queue = [...section.roots];
    for (let next = 0; next < queue.length; next++) {
      const row = queue[next] as Row;
      const children: number[] = [];
      for (const i of row.track.spans) for (const child of this.childrenOf(i)) children.push(child);
      sortByStart(children, this.start);
      row.children.push(...this.pack(at, row, children));
      for (const child of row.children) queue.push(child);
    }
    const head = section.roots[0];
    if (head) {
      head.isHead = true;
      head.roots = roots.length;
    }
  }

  /**
   * Distributes spans, sorted by start, over rows: the first row that is free. System calls have rows of their own, and those of different
   * threads within one parent never share a row.
   */
  private pack(section: number, parent: Row | undefined, spans: readonly number[]): Row[] {
    const groups: Readonly<Record<RowKind, { readonly lanes: Row[]; readonly ends: number[] }>> = {
      kernel: { lanes: [], ends: [] },
      user: { lanes: [], ends: [] },
    };
    /** Per parent span: the row of each of its threads. */
    const bound = new Map<number, Map<number, number>>();
    for (const i of spans) {
      const kind: RowKind = this.table.has(i, SPAN_FLAG.kernel) ? 'kernel' : 'user';
      const { lanes, ends } = groups[kind];
      const start = this.start(i);
      let lane: number;
      if (kind === 'kernel') {
        const above = this.table.parent[i] as number;
        let threads = bound.get(above);
        if (!threads) bound.set(above, (threads = new Map<number, number>()));
        lane = kernelLane(threads, this.table.thread[i] as number, ends, start);
      } else {
        lane = ends.findIndex((end) => end <= start);
      }
      if (lane < 0) lane = Math.min(lanes.length, MAX_LANES - 1);
      while (lanes.length <= lane) lanes.push(this.addRow(section, parent, kind, lanes.length));
      this.place(i, lanes[lane] as Row);
      ends[lane] = Math.max(ends[lane] ?? -Infinity, this.end(i));
    }
    // At the top user spans come first: the head names the trace. Below, a span's own system calls stand directly under it.
    return parent
      ? [...groups.kernel.lanes, ...groups.user.lanes]
      : [...groups.user.lanes, ...groups.kernel.lanes];
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

/** Row for a system call: that of its thread when free, else the first free one no other thread of the parent has; -1 for a new one. */
function kernelLane(
  threads: Map<number, number>,
  thread: number,
  ends: readonly number[],
  start: number,
): number {
  const own = threads.get(thread);
  if (own !== undefined && (ends[own] as number) <= start) return own;
  const taken = new Set(threads.values());
  let lane = ends.findIndex((end, at) => end <= start && !taken.has(at));
  if (lane < 0 && ends.length < MAX_LANES) lane = ends.length;
  if (own === undefined && lane >= 0) threads.set(thread, lane);
  return lane;
}

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
