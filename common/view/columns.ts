/**
 * Spans on their way from the extension host to the timeline: struct of arrays, so that a message costs a few buffer copies
 * whatever it holds. A delta is a list of rows; a row replaces whatever the receiver had under the same span index.
 *
 *   row            0     1     2
 *   index        [ 7  |  8  |  3 ]      dense span indices; the third row is an update of span 3
 *   parent       [ 3  |  7  | -1 ]      span index or -1; may be larger than the child's own index
 *   eventCount   [ 2  |  0  |  1 ]      ┐ the events of all rows, back to back,
 *   eventTime    [ a a        b  ]      ┘ ascending within a row
 *   partCount    [ 0  |  3  |  0 ]      ┐ what the thread did with a system call's time, one part after the other;
 *   partState    [      c b r    ]      │ none when it was on a CPU all the time, or nothing is known
 *   partLength   [      9 4 1    ]      ┘ (flag `timed` tells which)
 *
 * Strings, threads and traces are tables that only grow; a delta carries the entries the receiver does not have yet.
 */
import type { WaitState } from '../model/waiting';

export interface ThreadInfo {
  readonly pid: number;
  readonly tid: number;
  /** Executable name, empty when unknown. */
  readonly process: string;
}

/** States of a thread in a system call. Values of the `partState` column. */
export const PART = { 'on-cpu': 0, runnable: 1, blocked: 2 } as const satisfies Readonly<
  Record<WaitState, number>
>;

export interface SpanColumns {
  readonly rows: number;
  /** New strings; the first has id `firstString`. Id 0 is the empty string and always known. */
  readonly firstString: number;
  readonly strings: readonly string[];
  /** New traces (32 hexadecimal digits each); the first has index `firstTrace`. */
  readonly firstTrace: number;
  readonly traces: readonly string[];
  /** New threads; the first has index `firstThread`. Thread 0 is "unknown" (pid -1, tid -1) and always known. */
  readonly firstThread: number;
  readonly threads: readonly ThreadInfo[];
  /** Uint32 each. */
  readonly index: ArrayBuffer;
  /** Int32 each, -1 for a root. */
  readonly parent: ArrayBuffer;
  /** Uint32 each, index in the trace table. */
  readonly trace: ArrayBuffer;
  /** Float64 each, nanoseconds since the epoch of `init`. NaN for a placeholder. */
  readonly start: ArrayBuffer;
  /** Float64 each, nanoseconds. NaN when unfinished. */
  readonly duration: ArrayBuffer;
  /** Uint32 each, string id. */
  readonly name: ArrayBuffer;
  /** Uint32 each, string id. */
  readonly service: ArrayBuffer;
  /** Uint32 each, string id of what the span works on (path, socket, address), 0 when none. */
  readonly detail: ArrayBuffer;
  /** Uint32 each, string id of `file:line` (file name only), 0 when unknown. */
  readonly source: ArrayBuffer;
  /** Uint32 each, index in the thread table. */
  readonly thread: ArrayBuffer;
  /** Uint8 each, bits of SPAN_FLAG. */
  readonly flags: ArrayBuffer;
  /** Uint8 each, a CATEGORY value. */
  readonly category: ArrayBuffer;
  /** Uint32 each. */
  readonly eventCount: ArrayBuffer;
  /** Float64 for each event of each row. */
  readonly eventTime: ArrayBuffer;
  /** Uint32 string id for each event of each row. */
  readonly eventName: ArrayBuffer;
  /** Uint32 each. */
  readonly partCount: ArrayBuffer;
  /** Float64 for each part of each row, nanoseconds. */
  readonly partLength: ArrayBuffer;
  /** Uint8 for each part of each row, a PART value. */
  readonly partState: ArrayBuffer;
}

/** The buffers of a delta as typed arrays (no copy). */
export interface ColumnViews {
  readonly index: Uint32Array;
  readonly parent: Int32Array;
  readonly trace: Uint32Array;
  readonly start: Float64Array;
  readonly duration: Float64Array;
  readonly name: Uint32Array;
  readonly service: Uint32Array;
  readonly detail: Uint32Array;
  readonly source: Uint32Array;
  readonly thread: Uint32Array;
  readonly flags: Uint8Array;
  readonly category: Uint8Array;
  readonly eventCount: Uint32Array;
  readonly eventTime: Float64Array;
  readonly eventName: Uint32Array;
  readonly partCount: Uint32Array;
  readonly partLength: Float64Array;
  readonly partState: Uint8Array;
}

/** Typed arrays over a delta's buffers. Throws RangeError when a column is shorter than `rows` says: a bug of the sender. */
export function viewColumns(columns: SpanColumns): ColumnViews {
  const views: ColumnViews = {
    index: new Uint32Array(columns.index),
    parent: new Int32Array(columns.parent),
    trace: new Uint32Array(columns.trace),
    start: new Float64Array(columns.start),
    duration: new Float64Array(columns.duration),
    name: new Uint32Array(columns.name),
    service: new Uint32Array(columns.service),
    detail: new Uint32Array(columns.detail),
    source: new Uint32Array(columns.source),
    thread: new Uint32Array(columns.thread),
    flags: new Uint8Array(columns.flags),
    category: new Uint8Array(columns.category),
    eventCount: new Uint32Array(columns.eventCount),
    eventTime: new Float64Array(columns.eventTime),
    eventName: new Uint32Array(columns.eventName),
    partCount: new Uint32Array(columns.partCount),
    partLength: new Float64Array(columns.partLength),
    partState: new Uint8Array(columns.partState),
  };
  const { eventTime, eventName, partLength, partState, ...perRow } = views;
  for (const [name, column] of Object.entries(perRow) as [string, ArrayLike<number>][]) {
    if (column.length < columns.rows) {
      throw new RangeError(`Column "${name}" has ${column.length} values for ${columns.rows} rows.`);
    }
  }
  if (eventTime.length !== eventName.length)
    throw new RangeError('eventTime and eventName differ in length.');
  if (partLength.length !== partState.length)
    throw new RangeError('partLength and partState differ in length.');
  return views;
}

/** Allocates the columns of a delta of `rows` rows with `events` events and `parts` parts, to be filled through the returned views. */
export function allocateColumns(rows: number, events: number, parts: number): ColumnViews {
  return {
    index: new Uint32Array(rows),
    parent: new Int32Array(rows),
    trace: new Uint32Array(rows),
    start: new Float64Array(rows),
    duration: new Float64Array(rows),
    name: new Uint32Array(rows),
    service: new Uint32Array(rows),
    detail: new Uint32Array(rows),
    source: new Uint32Array(rows),
    thread: new Uint32Array(rows),
    flags: new Uint8Array(rows),
    category: new Uint8Array(rows),
    eventCount: new Uint32Array(rows),
    eventTime: new Float64Array(events),
    eventName: new Uint32Array(events),
    partCount: new Uint32Array(rows),
    partLength: new Float64Array(parts),
    partState: new Uint8Array(parts),
  };
}

/** The tables of a delta: what the receiver does not have yet. */
export type ColumnTables = Pick<
  SpanColumns,
  'firstString' | 'strings' | 'firstTrace' | 'traces' | 'firstThread' | 'threads'
>;

/** Packs filled views (each owning its whole buffer, as from `allocateColumns`) into a delta. */
export function packColumns(rows: number, views: ColumnViews, tables: ColumnTables): SpanColumns {
  return {
    rows,
    ...tables,
    index: views.index.buffer as ArrayBuffer,
    parent: views.parent.buffer as ArrayBuffer,
    trace: views.trace.buffer as ArrayBuffer,
    start: views.start.buffer as ArrayBuffer,
    duration: views.duration.buffer as ArrayBuffer,
    name: views.name.buffer as ArrayBuffer,
    service: views.service.buffer as ArrayBuffer,
    detail: views.detail.buffer as ArrayBuffer,
    source: views.source.buffer as ArrayBuffer,
    thread: views.thread.buffer as ArrayBuffer,
    flags: views.flags.buffer as ArrayBuffer,
    category: views.category.buffer as ArrayBuffer,
    eventCount: views.eventCount.buffer as ArrayBuffer,
    eventTime: views.eventTime.buffer as ArrayBuffer,
    eventName: views.eventName.buffer as ArrayBuffer,
    partCount: views.partCount.buffer as ArrayBuffer,
    partLength: views.partLength.buffer as ArrayBuffer,
    partState: views.partState.buffer as ArrayBuffer,
  };
}
