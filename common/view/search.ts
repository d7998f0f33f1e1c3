/** A running search: goes through the store in slices, then keeps up with what changes. Pure; the caller decides when to step. */
import { matches, parseQuery, type Query } from './query';
import type { SpanStore } from './store';

export interface SearchStep {
  readonly matches: readonly number[];
  readonly unmatched: readonly number[];
  readonly examined: number;
  readonly total: number;
}

export class SpanSearch {
  private readonly query: Query;
  private readonly found = new Set<number>();
  private readonly changed = new Set<number>();
  private next = 0;

  /** Throws nothing: a query that does not parse finds nothing (the webview has shown why). */
  constructor(
    private readonly store: SpanStore,
    text: string,
  ) {
    const parsed = parseQuery(text);
    this.query = parsed.ok ? parsed.query : [];
  }

  /** False when there is nothing left to examine for now. */
  get pending(): boolean {
    return this.query.length > 0 && (this.next < this.store.size || this.changed.size > 0);
  }

  /** A span known before has been replaced. */
  spanChanged(index: number): void {
    if (index < this.next) this.changed.add(index);
  }

  /** Examines at most `count` spans. */
  step(count: number): SearchStep {
    const hits: number[] = [];
    const lost: number[] = [];
    let left = count;
    for (const index of this.changed) {
      if (left-- <= 0) break;
      this.changed.delete(index);
      this.examine(index, hits, lost);
    }
    const size = this.store.size;
    for (; this.next < size && left > 0; this.next++, left--) this.examine(this.next, hits, lost);
    return { matches: hits, unmatched: lost, examined: this.next, total: size };
  }

  private examine(index: number, hits: number[], lost: number[]): void {
    const span = this.store.get(index);
    const hit = span !== undefined && matches(this.query, span);
    if (hit === this.found.has(index)) return;
    if (hit) {
      this.found.add(index);
      hits.push(index);
    } else {
      this.found.delete(index);
      lost.push(index);
    }
  }
}
