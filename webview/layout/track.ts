/**
 * The spans of one row in order of their start, with a level-of-detail index: an implicit forest of blocks.
 *
 *   level 1   [ 0 ………………………………… 63 ]              one block = 8 blocks below
 *   level 0   [ 0…7 ][ 8…15 ] … [ 56…63 ][ 64… ]        one block = 8 spans
 *   spans       0 1 2 3 …                                  sorted by start
 *
 * A block knows its longest span, its latest end, the union of the flags and the name all its spans share (or MIXED). A walk over a
 * window never goes into a block narrower than a pixel, so its cost depends on the width of the screen, not on the number of
 * spans. Appending touches one block a level.
 */
import type { SpanTable } from '../store/span-table';

/** Eight to a block: measured a third faster to walk than sixteen, for 6 bytes a span instead of 3. */
export const BLOCK_BITS = 3;
const BLOCK = 1 << BLOCK_BITS;
export const MIXED = -1;

interface Level {
  /** Span index of the longest span. */
  readonly longest: number[];
  readonly length: number[];
  readonly lastEnd: number[];
  readonly flags: number[];
  readonly name: number[];
}

/** How the track reads a span's times: a placeholder's come from its children, an unfinished span ends at Infinity. */
export interface SpanTimes {
  start(i: number): number;
  end(i: number): number;
}

/** Receives what a window shows, left to right. */
export interface TrackVisitor {
  /** A single span. */
  span(position: number, index: number, start: number, end: number): void;
  /** Spans `first…last` (positions) that together are narrower than a pixel. */
  block(
    first: number,
    last: number,
    start: number,
    end: number,
    longest: number,
    flags: number,
    name: number,
  ): void;
}

export class Track {
  readonly spans: number[] = [];
  private readonly levels: Level[] = [];
  totalDuration = 0;
  /** Name shared by all spans, MIXED otherwise; undefined while empty. */
  sharedName: number | undefined;

  constructor(
    private readonly table: SpanTable,
    private readonly times: SpanTimes,
  ) {}

  get count(): number {
    return this.spans.length;
  }

  get lastStart(): number {
    const last = this.spans.at(-1);
    return last === undefined ? -Infinity : this.times.start(last);
  }

  /** Latest end in the track, Infinity while one of its spans is unfinished. */
  get lastEnd(): number {
    const top = this.levels.at(-1);
    if (top) return maximum(top.lastEnd);
    return this.spans.reduce((latest, i) => Math.max(latest, this.times.end(i)), -Infinity);
  }

  /** Appends a span that starts no earlier than the last one. */
  append(i: number): void {
    const position = this.spans.push(i) - 1;
    const duration = this.table.duration[i] as number;
    if (!Number.isNaN(duration)) this.totalDuration += duration;
    const name = this.table.name[i] as number;
    if (this.sharedName === undefined) this.sharedName = name;
    else if (this.sharedName !== name) this.sharedName = MIXED;
    this.include(position, i);
  }

  /** Position of a span in the track, -1 when it is not there. */
  positionOf(i: number): number {
    const start = this.times.start(i);
    for (let at = this.lowerBound(start); at < this.spans.length; at++) {
      const other = this.spans[at] as number;
      if (other === i) return at;
      if (this.times.start(other) > start) break;
    }
    return -1;
  }

  /** To be called when a span changed in length, name or flags but not in start. `before`: its duration until now. */
  refresh(i: number, before: number): void {
    const position = this.positionOf(i);
    if (position < 0) return;
    const duration = this.table.duration[i] as number;
    this.totalDuration += (Number.isNaN(duration) ? 0 : duration) - (Number.isNaN(before) ? 0 : before);
    this.levels.forEach((level, k) => {
      const block = position >> (BLOCK_BITS * (k + 1));
      if (k === 0) this.rebuildBlock(level, block);
      else this.mergeBlock(level, this.levels[k - 1] as Level, block);
    });
  }

  /** First position whose start is at or after `time`. */
  lowerBound(time: number): number {
    let low = 0;
    let high = this.spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.times.start(this.spans[middle] as number) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Shows the visitor everything that overlaps [from, to], left to right by start: spans one by one where they are wide enough, blocks
   * where at least two of them fall within `pixel` ns.
   */
  visit(from: number, to: number, pixel: number, visitor: TrackVisitor): void {
    const top = this.levels.length - 1;
    const blocks = top < 0 ? 0 : (this.levels[top] as Level).longest.length;
    for (let block = 0; block < blocks; block++) {
      if (!this.visitBlock(top, block, from, to, pixel, visitor)) return;
    }
    if (blocks === 0) this.visitSpans(0, this.spans.length, from, to, visitor);
  }

  /** False when everything further starts after the window. */
  private visitBlock(
    k: number,
    block: number,
    from: number,
    to: number,
    pixel: number,
    visitor: TrackVisitor,
  ): boolean {
    const level = this.levels[k] as Level;
    const first = block << (BLOCK_BITS * (k + 1));
    const start = this.times.start(this.spans[first] as number);
    if (start > to) return false;
    const end = level.lastEnd[block] as number;
    if (end < from) return true;
    const last = Math.min(this.spans.length, first + (1 << (BLOCK_BITS * (k + 1)))) - 1;
    if (end - start < pixel && last > first) {
      visitor.block(
        first,
        last,
        start,
        end,
        level.longest[block] as number,
        level.flags[block] as number,
        level.name[block] as number,
      );
      return true;
    }
    if (k === 0) return this.visitSpans(first, last + 1, from, to, visitor);
    const children = this.levels[k - 1] as Level;
    const until = Math.min(children.longest.length, (block + 1) << BLOCK_BITS);
    for (let child = block << BLOCK_BITS; child < until; child++) {
      if (!this.visitBlock(k - 1, child, from, to, pixel, visitor)) return false;
    }
    return true;
  }

  private visitSpans(first: number, until: number, from: number, to: number, visitor: TrackVisitor): boolean {
    for (let position = first; position < until; position++) {
      const i = this.spans[position] as number;
      const start = this.times.start(i);
      if (start > to) return false;
      const end = this.times.end(i);
      if (end >= from) visitor.span(position, i, start, end);
    }
    return true;
  }

  private include(position: number, i: number): void {
    // Short rows need no index: most rows of a big trace are short.
    if (this.levels.length === 0) {
      if (this.spans.length <= BLOCK * 8) return;
      this.addLevel(0);
    } else {
      this.levels.forEach((level, k) => {
        this.merge(level, position >> (BLOCK_BITS * (k + 1)), i);
      });
    }
    for (;;) {
      const top = this.levels.length - 1;
      if ((this.levels[top] as Level).longest.length <= BLOCK) return;
      this.addLevel(top + 1);
    }
  }

  private addLevel(k: number): void {
    const level: Level = { longest: [], length: [], lastEnd: [], flags: [], name: [] };
    this.levels.push(level);
    if (k === 0) {
      for (let block = 0; block << BLOCK_BITS < this.spans.length; block++) this.rebuildBlock(level, block);
    } else {
      const below = this.levels[k - 1] as Level;
      for (let block = 0; block << BLOCK_BITS < below.longest.length; block++)
        this.mergeBlock(level, below, block);
    }
  }

  private rebuildBlock(level: Level, block: number): void {
    reset(level, block);
    const until = Math.min(this.spans.length, (block + 1) << BLOCK_BITS);
    for (let at = block << BLOCK_BITS; at < until; at++) this.merge(level, block, this.spans[at] as number);
  }

  private merge(level: Level, block: number, i: number): void {
    if (block >= level.longest.length) reset(level, block);
    const start = this.times.start(i);
    const end = this.times.end(i);
    const length = end - start;
    if (length > (level.length[block] as number)) {
      level.length[block] = length;
      level.longest[block] = i;
    }
    if (end > (level.lastEnd[block] as number)) level.lastEnd[block] = end;
    level.flags[block] = (level.flags[block] as number) | (this.table.flags[i] as number);
    level.name[block] = shared(level.name[block] as number, this.table.name[i] as number);
  }

  private mergeBlock(level: Level, below: Level, block: number): void {
    reset(level, block);
    const until = Math.min(below.longest.length, (block + 1) << BLOCK_BITS);
    for (let child = block << BLOCK_BITS; child < until; child++) {
      if ((below.length[child] as number) > (level.length[block] as number)) {
        level.length[block] = below.length[child] as number;
        level.longest[block] = below.longest[child] as number;
      }
      level.lastEnd[block] = Math.max(level.lastEnd[block] as number, below.lastEnd[child] as number);
      level.flags[block] = (level.flags[block] as number) | (below.flags[child] as number);
      level.name[block] = shared(level.name[block] as number, below.name[child] as number);
    }
  }
}

const EMPTY = -2;

function reset(level: Level, block: number): void {
  level.longest[block] = 0;
  level.length[block] = -1;
  level.lastEnd[block] = -Infinity;
  level.flags[block] = 0;
  level.name[block] = EMPTY;
}

const shared = (a: number, b: number): number => (a === EMPTY || a === b ? b : MIXED);

function maximum(values: readonly number[]): number {
  let most = -Infinity;
  for (const value of values) if (value > most) most = value;
  return most;
}
