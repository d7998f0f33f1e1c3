/** A row of the timeline: spans that do not overlap, at the same place of the tree. */
import type { Track } from './track';

export type RowKind = 'user' | 'kernel';

export interface Row {
  readonly id: number;
  readonly section: number;
  readonly kind: RowKind;
  readonly parent: Row | undefined;
  readonly depth: number;
  /** The first row of its section (a trace, or similar traces) stands for all of it. */
  isHead: boolean;
  /** Of a head: root spans in the section. */
  roots: number;
  /** Stable across rebuilds and reloads: names the row in the saved state. */
  readonly key: string;
  readonly track: Track;
  readonly children: Row[];
}

export const ROW_HEIGHT = { head: 24, user: 22, kernel: 18 } as const;
/** Free space above each trace but the first. */
export const TRACE_GAP = 6;

export const rowHeight = (row: Row): number =>
  row.isHead ? ROW_HEIGHT.head : row.kind === 'user' ? ROW_HEIGHT.user : ROW_HEIGHT.kernel;

/** The rows that are not hidden in a collapsed one, top to bottom, with their places. */
export interface VisibleRows {
  readonly rows: readonly Row[];
  /** Top of each row in px; one more entry than rows, the last is the total height. */
  readonly tops: Float64Array;
  readonly indexOf: ReadonlyMap<Row, number>;
}

export const NO_ROWS: VisibleRows = { rows: [], tops: new Float64Array(1), indexOf: new Map() };

/** `traces`: the top rows of each trace in display order, its head first. A collapsed head hides the rows beside it as well. */
export function flatten(traces: Iterable<readonly Row[]>, isCollapsed: (row: Row) => boolean): VisibleRows {
  const rows: Row[] = [];
  const tops: number[] = [];
  const indexOf = new Map<Row, number>();
  let top = 0;
  const add = (row: Row) => {
    if (row.isHead && rows.length > 0) top += TRACE_GAP;
    indexOf.set(row, rows.length);
    rows.push(row);
    tops.push(top);
    top += rowHeight(row);
    if (!isCollapsed(row)) for (const child of row.children) add(child);
  };
  for (const roots of traces) {
    const [head, ...others] = roots;
    if (!head) continue;
    add(head);
    if (!isCollapsed(head)) others.forEach(add);
  }
  tops.push(top);
  return { rows, tops: Float64Array.from(tops), indexOf };
}

/** Index of the row at a height, -1 above the first; the last row at most. */
export function rowAt(visible: VisibleRows, y: number): number {
  let low = 0;
  let high = visible.rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((visible.tops[middle] as number) <= y) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
