/**
 * All spans of the webview as growing typed arrays, filled from column deltas. About 70 bytes a span and no object per span: ten
 * million fit, and the draw path touches numbers only. Times are ns since the epoch, as Float64.
 */
import { PART, viewColumns, type SpanColumns, type ThreadInfo } from '../../common/view/columns';
import { SPAN_FLAG } from '../../common/view/flags';

/** What a delta did to the table, for those who keep something derived from it. */
export interface TableChange {
  /** Spans whose index was not known before, ascending in arrival. */
  readonly added: readonly number[];
  /** Spans that changed place: another parent, another start, or a placeholder that is one no longer. */
  readonly moved: readonly number[];
  /** Spans that only changed in length, colour, text or events. */
  readonly touched: readonly number[];
  /** Duration of each touched span before the change (NaN: it was unfinished). */
  readonly durationsBefore: readonly number[];
}

/** ns; the rest of the duration was on a CPU. */
export interface PartTimes {
  readonly runnable: number;
  readonly blocked: number;
}

const INITIAL = 1024;

export class SpanTable {
  size = 0;
  parent = new Int32Array(INITIAL);
  trace = new Uint32Array(INITIAL);
  start = new Float64Array(INITIAL);
  /** NaN while unfinished. */
  duration = new Float64Array(INITIAL);
  name = new Uint32Array(INITIAL);
  service = new Uint32Array(INITIAL);
  detail = new Uint32Array(INITIAL);
  source = new Uint32Array(INITIAL);
  thread = new Uint32Array(INITIAL);
  flags = new Uint8Array(INITIAL);
  category = new Uint8Array(INITIAL);
  /** Events of span i: eventTime/eventName[eventFirst[i] … +eventCount[i]). Replaced events stay behind as garbage. */
  eventFirst = new Uint32Array(INITIAL);
  eventCount = new Uint32Array(INITIAL);
  eventTime = new Float64Array(INITIAL);
  eventName = new Uint32Array(INITIAL);
  events = 0;
  /** Parts of span i: partLength/partState[partFirst[i] … +partCount[i]). Replaced parts stay behind as garbage. */
  partFirst = new Uint32Array(INITIAL);
  partCount = new Uint32Array(INITIAL);
  partLength = new Float64Array(INITIAL);
  partState = new Uint8Array(INITIAL);
  parts = 0;

  readonly strings: string[] = [''];
  readonly traces: string[] = [];
  readonly threads: ThreadInfo[] = [{ pid: -1, tid: -1, process: '' }];
  /** Span indices of each trace, in order of arrival. */
  readonly spansOfTrace: number[][] = [];

  /** First start and last known end of all spans; Infinity and -Infinity while there are none. */
  firstStart = Infinity;
  lastEnd = -Infinity;
  kernelSpans = 0;
  userSpans = 0;
  errors = 0;
  unfinished = 0;
  lostSpans = 0;

  /** Applies a delta. Throws RangeError when it is malformed. */
  apply(columns: SpanColumns): TableChange {
    this.appendTable(this.strings, columns.firstString, columns.strings);
    this.appendTable(this.threads, columns.firstThread, columns.threads);
    this.appendTable(this.traces, columns.firstTrace, columns.traces);
    const c = viewColumns(columns);
    const added: number[] = [];
    const moved: number[] = [];
    const touched: number[] = [];
    const durationsBefore: number[] = [];
    let event = 0;
    this.growEvents(this.events + c.eventTime.length);
    this.eventTime.set(c.eventTime, this.events);
    this.eventName.set(c.eventName, this.events);
    let part = 0;
    this.growParts(this.parts + c.partLength.length);
    this.partLength.set(c.partLength, this.parts);
    this.partState.set(c.partState, this.parts);
    for (let row = 0; row < columns.rows; row++) {
      const i = c.index[row] as number;
      const count = c.eventCount[row] as number;
      const known = i < this.size;
      if (!known) this.addUpTo(i);
      const parent = c.parent[row] as number;
      const start = c.start[row] as number;
      const flags = c.flags[row] as number;
      if (!known) {
        added.push(i);
      } else {
        const placeholderEnded = ((this.flags[i] as number) & ~flags & SPAN_FLAG.placeholder) !== 0;
        if (placeholderEnded || this.parent[i] !== parent || this.start[i] !== start) {
          moved.push(i);
        } else {
          touched.push(i);
          durationsBefore.push(this.duration[i] as number);
        }
        this.count(this.flags[i] as number, -1);
      }
      this.count(flags, 1);
      this.parent[i] = parent;
      this.start[i] = start;
      this.flags[i] = flags;
      this.duration[i] = c.duration[row] as number;
      if (!known) this.setTrace(i, c.trace[row] as number);
      this.name[i] = c.name[row] as number;
      this.service[i] = c.service[row] as number;
      this.detail[i] = c.detail[row] as number;
      this.source[i] = c.source[row] as number;
      this.thread[i] = c.thread[row] as number;
      this.category[i] = c.category[row] as number;
      this.eventFirst[i] = this.events + event;
      this.eventCount[i] = count;
      this.extend(i, count === 0 ? NaN : (c.eventTime[event + count - 1] as number));
      event += count;
      this.partFirst[i] = this.parts + part;
      this.partCount[i] = c.partCount[row] as number;
      part += c.partCount[row] as number;
    }
    this.events += c.eventTime.length;
    this.parts += c.partLength.length;
    return { added, moved, touched, durationsBefore };
  }

  /** The end of a span for drawing and packing: Infinity while unfinished, NaN for a placeholder. */
  end(i: number): number {
    const duration = this.duration[i] as number;
    if (!Number.isNaN(duration)) return (this.start[i] as number) + duration;
    return ((this.flags[i] as number) & SPAN_FLAG.placeholder) !== 0 ? NaN : Infinity;
  }

  has(i: number, flag: number): boolean {
    return ((this.flags[i] as number) & flag) !== 0;
  }

  nameOf(i: number): string {
    if (this.has(i, SPAN_FLAG.placeholder)) return '(not reported yet)';
    return this.strings[this.name[i] as number] ?? '';
  }

  text(id: number): string {
    return this.strings[id] ?? '';
  }

  /** What the thread did with a system call's time; undefined when that is not known. */
  timesOf(i: number): PartTimes | undefined {
    if (!this.has(i, SPAN_FLAG.timed)) return undefined;
    const first = this.partFirst[i] as number;
    let runnable = 0;
    let blocked = 0;
    for (let part = first; part < first + (this.partCount[i] as number); part++) {
      if (this.partState[part] === PART.runnable) runnable += this.partLength[part] as number;
      else if (this.partState[part] === PART.blocked) blocked += this.partLength[part] as number;
    }
    return { runnable, blocked };
  }

  threadOf(i: number): ThreadInfo {
    return this.threads[this.thread[i] as number] ?? { pid: -1, tid: -1, process: '' };
  }

  private appendTable<T>(table: T[], first: number, more: readonly T[]): void {
    if (first > table.length)
      throw new RangeError(`A table has ${table.length} entries, the delta starts at ${first}.`);
    more.forEach((value, i) => {
      table[first + i] = value;
    });
  }

  private addUpTo(i: number): void {
    if (i !== this.size) throw new RangeError(`Span ${i} was sent before span ${this.size}.`);
    this.size = i + 1;
    if (this.size > this.start.length) this.grow(Math.max(this.size, this.start.length * 2));
  }

  private setTrace(i: number, trace: number): void {
    this.trace[i] = trace;
    while (this.spansOfTrace.length <= trace) this.spansOfTrace.push([]);
    (this.spansOfTrace[trace] as number[]).push(i);
  }

  private count(flags: number, by: 1 | -1): void {
    if (flags & SPAN_FLAG.placeholder) return;
    if (flags & SPAN_FLAG.kernel) this.kernelSpans += by;
    else this.userSpans += by;
    if (flags & SPAN_FLAG.error) this.errors += by;
    if (flags & SPAN_FLAG.unfinished) this.unfinished += by;
    if (flags & SPAN_FLAG.lost) this.lostSpans += by;
  }

  private extend(i: number, lastEvent: number): void {
    const start = this.start[i] as number;
    if (Number.isNaN(start)) return;
    if (start < this.firstStart) this.firstStart = start;
    const duration = this.duration[i] as number;
    const end = Number.isNaN(duration) ? start : start + duration;
    if (end > this.lastEnd) this.lastEnd = end;
    if (lastEvent > this.lastEnd) this.lastEnd = lastEvent;
  }

  private grow(capacity: number): void {
    this.parent = grown(this.parent, capacity);
    this.trace = grown(this.trace, capacity);
    this.start = grown(this.start, capacity);
    this.duration = grown(this.duration, capacity);
    this.name = grown(this.name, capacity);
    this.service = grown(this.service, capacity);
    this.detail = grown(this.detail, capacity);
    this.source = grown(this.source, capacity);
    this.thread = grown(this.thread, capacity);
    this.flags = grown(this.flags, capacity);
    this.category = grown(this.category, capacity);
    this.eventFirst = grown(this.eventFirst, capacity);
    this.eventCount = grown(this.eventCount, capacity);
    this.partFirst = grown(this.partFirst, capacity);
    this.partCount = grown(this.partCount, capacity);
  }

  private growParts(needed: number): void {
    if (needed <= this.partLength.length) return;
    const capacity = Math.max(needed, this.partLength.length * 2);
    this.partLength = grown(this.partLength, capacity);
    this.partState = grown(this.partState, capacity);
  }

  private growEvents(needed: number): void {
    if (needed <= this.eventTime.length) return;
    const capacity = Math.max(needed, this.eventTime.length * 2);
    this.eventTime = grown(this.eventTime, capacity);
    this.eventName = grown(this.eventName, capacity);
  }
}

/** A copy of `array` with room for `capacity` values. */
export function grown<T extends Int32Array | Uint32Array | Float64Array | Uint8Array>(
  array: T,
  capacity: number,
): T {
  const copy = new (array.constructor as new (n: number) => T)(capacity);
  copy.set(array);
  return copy;
}
