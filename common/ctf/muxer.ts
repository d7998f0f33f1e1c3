/**
 * Merges the streams of a trace into one sequence in order of time. Streams may be live: a stream that has nothing to show at
 * the moment holds the others back at its progress, the time before which it is known to have nothing more.
 */
import type { CtfItem } from './types';

export interface MuxSource {
  /** Appends some items, in order of time. Returns false when there are none at the moment. */
  fill(out: CtfItem[]): boolean;
  /** Nothing earlier than this can still come, in ns since the Unix epoch; undefined while that is not known. */
  readonly progressNs: bigint | undefined;
  /** Nothing at all will come any more. */
  readonly ended: boolean;
}

/** When an item takes its place in the sequence. */
export function timeOf(item: CtfItem): bigint {
  return item.kind === 'event' ? item.timestampNs : item.beginNs;
}

class Head {
  readonly buffer: CtfItem[] = [];
  at = 0;
  key = 0n;

  constructor(readonly source: MuxSource) {}

  private failure: { readonly error: unknown } | undefined;

  /** Makes sure that there is a next item; false when the source has none at the moment. */
  ready(): boolean {
    while (this.at >= this.buffer.length) {
      this.buffer.length = 0;
      this.at = 0;
      if (this.failure !== undefined) {
        const { error } = this.failure;
        this.failure = undefined;
        throw error as Error;
      }
      try {
        if (!this.source.fill(this.buffer)) return false;
      } catch (error) {
        // What came before the failure is shown first.
        this.failure = { error };
      }
    }
    this.key = timeOf(this.buffer[this.at] as CtfItem);
    return true;
  }
}

export class Muxer {
  /** Streams with a next item: a binary heap by its time. */
  private readonly heap: Head[] = [];
  /** Streams without. */
  private idle: Head[] = [];

  add(source: MuxSource): void {
    this.idle.push(new Head(source));
  }

  /** All streams have ended and everything has been taken. */
  get done(): boolean {
    return this.heap.length === 0 && this.idle.every((head) => head.source.ended);
  }

  /**
   * Appends up to `limit` items whose place in the sequence is certain. Returns true when it stopped at the limit. Lets through
   * what a source's `fill` throws; items appended before it remain, and so do those of the other streams.
   */
  read(out: CtfItem[], limit: number): boolean {
    const stop = out.length + limit;
    let bound = this.admit();
    for (;;) {
      const head = this.heap[0];
      if (head === undefined || (bound !== undefined && head.key > bound)) return false;
      if (bound === undefined && this.idle.some((idle) => !idle.source.ended)) return false;
      const until = this.runEnd(bound);
      let ready = true;
      while (ready && out.length < stop && (until === undefined || head.key <= until)) {
        out.push(head.buffer[head.at] as CtfItem);
        head.at += 1;
        ready = false;
        try {
          ready = head.ready();
        } finally {
          // Also when `fill` throws: the stream has nothing more to show.
          if (!ready) this.retire();
        }
      }
      if (ready) this.siftDown(0);
      else bound = this.admit();
      if (out.length >= stop) return true;
    }
  }

  /** The time up to which the first stream can go on without looking at the others. */
  private runEnd(bound: bigint | undefined): bigint | undefined {
    let until = bound;
    for (const other of [this.heap[1], this.heap[2]]) {
      if (other !== undefined && (until === undefined || other.key < until)) until = other.key;
    }
    return until;
  }

  /** Moves idle streams that have items again into the heap; returns the time up to which the rest lets others go. */
  private admit(): bigint | undefined {
    let bound: bigint | undefined;
    let unknown = false;
    const waiting: Head[] = [];
    const { idle } = this;
    this.idle = waiting;
    for (let i = 0; i < idle.length; i += 1) {
      const head = idle[i] as Head;
      let ready: boolean;
      try {
        ready = head.ready();
      } catch (error) {
        waiting.push(...idle.slice(i));
        throw error;
      }
      if (ready) this.insert(head);
      else {
        waiting.push(head);
        if (head.source.ended) continue;
        const progress = head.source.progressNs;
        if (progress === undefined) unknown = true;
        else if (bound === undefined || progress < bound) bound = progress;
      }
    }
    return unknown ? undefined : bound;
  }

  private retire(): void {
    const head = this.heap[0] as Head;
    const last = this.heap.pop() as Head;
    if (last !== head) {
      this.heap[0] = last;
      this.siftDown(0);
    }
    this.idle.push(head);
  }

  private insert(head: Head): void {
    const { heap } = this;
    let at = heap.push(head) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Head;
      if (parent.key <= head.key) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = head;
  }

  private siftDown(from: number): void {
    const { heap } = this;
    const head = heap[from];
    if (head === undefined) return;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.key < (heap[child] as Head).key) child += 1;
      if ((heap[child] as Head).key >= head.key) break;
      heap[at] = heap[child] as Head;
      at = child;
    }
    heap[at] = head;
  }
}
