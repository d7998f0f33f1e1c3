/** Where the keyboard goes from a span. All return -1 when there is nothing in that direction. */
import type { Layout } from './layout/layout';
import type { SpanTable } from './store/span-table';

export interface Tree {
  readonly table: SpanTable;
  readonly layout: Layout;
}

export function parentOf({ table }: Tree, i: number): number {
  return table.parent[i] ?? -1;
}

/** First child; -1 for a leaf. */
export function firstChild({ layout }: Tree, i: number): number {
  return layout.firstChildOf(i);
}

export function nextSibling(tree: Tree, i: number): number {
  const { layout, table } = tree;
  const parent = parentOf(tree, i);
  if (parent >= 0) return layout.nextSiblingOf(i);
  return beside(layout.rootsOf(table.trace[i] as number), i, 1);
}

export function previousSibling(tree: Tree, i: number): number {
  const { layout, table } = tree;
  const parent = parentOf(tree, i);
  if (parent < 0) return beside(layout.rootsOf(table.trace[i] as number), i, -1);
  let previous = -1;
  for (const child of layout.childrenOf(parent)) {
    if (child === i) return previous;
    previous = child;
  }
  return -1;
}

/** The span before (-1) or after (1) in the same row. */
export function inRow({ layout }: Tree, i: number, step: 1 | -1): number {
  const track = layout.rowOfSpan(i)?.track;
  if (!track) return -1;
  return track.spans[track.positionOf(i) + step] ?? -1;
}

/**
 * The match after (1) or before (-1) a span in order of start, going round at the end. `from` -1 starts at the beginning
 * or end. Linear in the matches: no sorted copy has to be kept up to date.
 */
export function nextMatch({ layout }: Tree, matches: readonly number[], from: number, step: 1 | -1): number {
  const before = (a: number, b: number) => (layout.start(a) - layout.start(b) || a - b) * step < 0;
  let next = -1;
  let first = -1;
  for (const i of matches) {
    if (Number.isNaN(layout.start(i))) continue;
    if (first < 0 || before(i, first)) first = i;
    if (from >= 0 && before(from, i) && (next < 0 || before(i, next))) next = i;
  }
  return next >= 0 ? next : first;
}

function beside(list: readonly number[], i: number, step: 1 | -1): number {
  const at = list.indexOf(i);
  return at < 0 ? -1 : (list[at + step] ?? -1);
}
