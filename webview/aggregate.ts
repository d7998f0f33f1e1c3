/** Sums over many spans: for a selected time range or group. */
import { SPAN_FLAG } from '../common/view/flags';
import type { SpanTable } from './store/span-table';
import type { TimeWindow } from './view/viewport';

export interface NameSum {
  readonly name: string;
  readonly kernel: boolean;
  count: number;
  errors: number;
  /** ns; of a range, only the part inside it. */
  total: number;
  longest: number;
  /** Index of the longest span. */
  longestIndex: number;
}

export interface Aggregate {
  readonly count: number;
  readonly kernel: number;
  readonly errors: number;
  readonly kernelTotal: number;
  readonly events: number;
  /** Largest total first. */
  readonly byName: readonly NameSum[];
}

/** Sums spans; with a window only those that overlap it, their durations cut to it. Unfinished spans count up to `edge`. */
export function aggregate(
  table: SpanTable,
  spans: Iterable<number>,
  edge: number,
  window?: TimeWindow,
): Aggregate {
  const sums = new Map<number, NameSum>();
  let count = 0;
  let kernelCount = 0;
  let errors = 0;
  let kernelTotal = 0;
  let events = 0;
  for (const i of spans) {
    const flags = table.flags[i] as number;
    if (flags & SPAN_FLAG.placeholder) continue;
    let start = table.start[i] as number;
    const duration = table.duration[i] as number;
    let end = Number.isNaN(duration) ? Math.max(edge, start) : start + duration;
    if (window) {
      if (end < window.from || start > window.to) continue;
      start = Math.max(start, window.from);
      end = Math.min(end, window.to);
    }
    const kernel = (flags & SPAN_FLAG.kernel) !== 0;
    const error = (flags & SPAN_FLAG.error) !== 0;
    const key = (table.name[i] as number) * 2 + (kernel ? 1 : 0);
    let sum = sums.get(key);
    if (!sum) {
      sum = { name: table.nameOf(i), kernel, count: 0, errors: 0, total: 0, longest: -1, longestIndex: i };
      sums.set(key, sum);
    }
    const length = end - start;
    count += 1;
    events += table.eventCount[i] as number;
    sum.count += 1;
    sum.total += length;
    if (length > sum.longest) {
      sum.longest = length;
      sum.longestIndex = i;
    }
    if (error) {
      errors += 1;
      sum.errors += 1;
    }
    if (kernel) {
      kernelCount += 1;
      kernelTotal += length;
    }
  }
  return {
    count,
    kernel: kernelCount,
    errors,
    kernelTotal,
    events,
    byName: [...sums.values()].sort((a, b) => b.total - a.total),
  };
}

/** Indices 0 … size-1. */
export function* allSpans(table: SpanTable): Generator<number> {
  for (let i = 0; i < table.size; i++) yield i;
}
