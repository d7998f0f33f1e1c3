/** The state of a timeline without its looks: spans, their places, what is collapsed, found and selected. No DOM. */
import type { LossReport } from '../common/model/loss';
import { NO_LOSS } from '../common/model/loss';
import type { SpanColumns } from '../common/view/columns';
import { SPAN_FLAG } from '../common/view/flags';
import type { LossWindow, RunState } from '../common/view/protocol';
import { Layout } from './layout/layout';
import { NO_ROWS, flatten, type Row, type VisibleRows } from './layout/rows';
import { forgetServices } from './render/bars';
import type { Selection } from './render/scene';
import { BitSet } from './store/bit-set';
import { SpanTable } from './store/span-table';
import { LiveClock } from './view/live-clock';
import { Overview } from './view/overview';
import type { TimeWindow } from './view/viewport';

/** With more rows than this the list of rows is renewed only now and then while data streams in. */
const MANY_ROWS = 20_000;
const RENEW_MANY_ROWS_MS = 150;
/** Traces from which a recording is shown with similar traces merged. */
export const MERGE_FROM = 150;
/** Lost windows that touch are drawn as one; more than this are not drawn one by one. */
const MAX_LOST_WINDOWS = 500;

export class Model {
  table = new SpanTable();
  layout = new Layout(this.table);
  readonly overview = new Overview();
  readonly clock = new LiveClock();
  visible: VisibleRows = NO_ROWS;
  state: RunState = { kind: 'preparing', text: '' };
  loss: LossReport = NO_LOSS;
  epochNs = '';
  expectedSpans = 0;
  selection: Selection = { kind: 'none' };
  marks: number[] = [];
  /** Rows by key whose collapse differs from the default. */
  readonly collapsed = new Set<string>();
  allCollapsed = false;
  readonly matches = new BitSet();
  matchList: number[] = [];
  /** Query being shown; '' when there is none. */
  query = '';
  hideOthers = false;
  /** The user has said whether similar traces are merged. */
  mergeChosen = false;
  private filterStale = false;
  private renewedAt = 0;
  private reportedLosses: readonly LossWindow[] = [];
  private spanLosses: LossWindow[] = [];

  readonly isCollapsed = (row: Row): boolean =>
    row.children.length > 0 && this.collapsed.has(row.key) !== (this.allCollapsed && row.isHead);

  /** First start and last end; a second from zero while there is nothing. */
  get extent(): TimeWindow {
    const { firstStart, lastEnd } = this.table;
    if (!(lastEnd >= firstStart)) return { from: 0, to: 1e9 };
    return { from: firstStart, to: Math.max(lastEnd, firstStart + 100) };
  }

  /** Where unfinished spans end for now. */
  edge(nowMs: number): number {
    const { lastEnd } = this.table;
    return this.state.kind === 'running' ? Math.max(lastEnd, this.clock.now(nowMs)) : lastEnd;
  }

  get lossWindows(): readonly LossWindow[] {
    return this.reportedLosses.length === 0 ? this.spanLosses : [...this.reportedLosses, ...this.spanLosses];
  }

  setLoss(loss: LossReport, windows: readonly LossWindow[]): void {
    this.loss = loss;
    this.reportedLosses = windows;
  }

  reset(): void {
    this.table = new SpanTable();
    this.layout = new Layout(this.table);
    this.overview.clear();
    this.clock.reset();
    this.visible = NO_ROWS;
    this.selection = { kind: 'none' };
    this.marks = [];
    this.matches.clear();
    this.matchList = [];
    this.spanLosses = [];
    this.reportedLosses = [];
    forgetServices();
  }

  apply(delta: SpanColumns, nowMs: number): void {
    const { table } = this;
    const change = table.apply(delta);
    this.layout.apply(change);
    for (const list of [change.added, change.moved]) {
      for (const i of list) {
        const flags = table.flags[i] as number;
        this.overview.add(
          table.start[i] as number,
          (flags & SPAN_FLAG.kernel) !== 0,
          (flags & SPAN_FLAG.error) !== 0,
        );
        if (flags & SPAN_FLAG.lost) this.addLoss(i);
      }
    }
    for (const i of change.touched) if (table.has(i, SPAN_FLAG.lost)) this.addLoss(i);
    if (Number.isFinite(table.lastEnd)) this.clock.observe(table.lastEnd, nowMs);
  }

  /** The answer of a search: spans that match, spans that no longer do. */
  applyMatches(found: Uint32Array, lost: Uint32Array): void {
    for (const i of found) {
      if (!this.matches.has(i)) this.matchList.push(i);
      this.matches.add(i);
    }
    if (lost.length > 0) {
      for (const i of lost) this.matches.delete(i);
      this.matchList = this.matchList.filter((i) => this.matches.has(i));
    }
    if (found.length + lost.length > 0) this.filterStale = this.hideOthers;
  }

  setQuery(query: string): void {
    this.query = query;
    this.matches.clear();
    this.matchList = [];
    this.filterStale = this.hideOthers;
  }

  setHideOthers(hide: boolean): void {
    this.hideOthers = hide;
    this.filterStale = true;
  }

  /** A recorded trace file with very many traces is shown merged from the start, unless the user has chosen. */
  mergeIfMany(): boolean {
    if (this.mergeChosen || this.layout.mergesSimilar || this.state.kind !== 'ended') return false;
    if (this.table.traces.length < MERGE_FROM || this.table.size < this.expectedSpans) return false;
    // Only when loading: rows that rearrange themselves after a run was watched would confuse.
    if (this.expectedSpans === 0) return false;
    this.layout.setMerged(true);
    return true;
  }

  toggle(row: Row): void {
    if (!this.collapsed.delete(row.key)) this.collapsed.add(row.key);
    this.layout.structureChanged = true;
  }

  setAllCollapsed(collapsed: boolean): void {
    this.allCollapsed = collapsed;
    this.collapsed.clear();
    this.layout.structureChanged = true;
  }

  /** Opens every collapsed row above a span, so that it can be seen. */
  uncover(i: number): void {
    for (let row = this.layout.rowOfSpan(i)?.parent; row; row = row.parent) {
      if (this.isCollapsed(row)) this.toggle(row);
    }
    const head = this.layout.headOf(i);
    const own = this.layout.rowOfSpan(i);
    if (head && own !== head && this.isCollapsed(head)) this.toggle(head);
    this.renew();
  }

  /** Places what has come, for about `budgetMs`. Returns what changed and whether work is left. */
  update(clock: () => number, budgetMs: number): { readonly changed: boolean; readonly more: boolean } {
    if (this.filterStale) {
      this.filterStale = false;
      this.layout.setFilter(this.hideOthers && this.query !== '' ? (i) => this.matches.has(i) : undefined);
    }
    const began = clock();
    const more = this.layout.update(clock, began + budgetMs);
    if (!this.layout.structureChanged) return { changed: false, more };
    const many = this.visible.rows.length > MANY_ROWS;
    if (many && began - this.renewedAt < RENEW_MANY_ROWS_MS && more) return { changed: false, more: true };
    this.renewedAt = began;
    this.renew();
    return { changed: true, more };
  }

  private renew(): void {
    if (!this.layout.structureChanged) return;
    this.layout.structureChanged = false;
    this.visible = flatten(this.layout.inOrder(), this.isCollapsed);
  }

  private addLoss(i: number): void {
    const start = this.table.start[i] as number;
    const duration = this.table.duration[i] as number;
    const end = Number.isNaN(duration) ? start : start + duration;
    const touching = this.spanLosses.filter((w) => w.start <= end && start <= w.end);
    if (touching.length === 0 && this.spanLosses.length >= MAX_LOST_WINDOWS) return;
    this.spanLosses = [
      ...this.spanLosses.filter((w) => !touching.includes(w)),
      {
        start: Math.min(start, ...touching.map((w) => w.start)),
        end: Math.max(end, ...touching.map((w) => w.end)),
        text: 'Events were lost here',
      },
    ];
  }
}
