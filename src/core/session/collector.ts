import type { Span } from '../../../common/model/span';

/** The spans of a run by identity: a later delivery of a span replaces the earlier one. Bounded; what is refused is counted. */
export class SpanCollector {
  private readonly byId = new Map<string, Span>();
  /** Deliveries refused because `limit` spans are held (loss cause `store`). */
  refused = 0;

  constructor(private readonly limit = 2_000_000) {}

  add(spans: readonly Span[]): void {
    for (const span of spans) {
      const id = span.traceId + span.spanId;
      if (this.byId.size >= this.limit && !this.byId.has(id)) this.refused += 1;
      else this.byId.set(id, span);
    }
  }

  get size(): number {
    return this.byId.size;
  }

  /** In order of first arrival. */
  spans(): Span[] {
    return [...this.byId.values()];
  }
}
