import { ReceivedCount, type Received } from '../../../common/model/loss';
import type { Span } from '../../../common/model/span';

/** Most spans that the command line holds unless told otherwise; some 3 GB at the sizes seen in practice. */
export const DEFAULT_MAX_SPANS = 2_000_000;

/** The spans of a run by identity: a later delivery of a span replaces the earlier one. Bounded; what is refused is counted. */
export class SpanCollector {
  private readonly byId = new Map<string, Span>();
  private readonly finals = new ReceivedCount();

  constructor(private readonly limit = DEFAULT_MAX_SPANS) {}

  /** `provisional`: places of spans that will come again, and are not counted yet. */
  add(spans: readonly Span[], provisional: readonly number[] = []): void {
    const later = new Set(provisional);
    for (const [place, span] of spans.entries()) {
      const id = span.traceId + span.spanId;
      const taken = this.byId.size < this.limit || this.byId.has(id);
      if (taken) this.byId.set(id, span);
      if (!later.has(place)) this.finals.count(span, taken);
    }
  }

  /** Of the final spans: what the loss account needs. */
  get received(): Received {
    return this.finals.received;
  }

  get size(): number {
    return this.byId.size;
  }

  /** In order of first arrival. */
  spans(): Span[] {
    return [...this.byId.values()];
  }
}
