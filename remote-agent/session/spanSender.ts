import { BoundedQueue } from '../../common/base/queue';
import { encodeFrame } from '../../common/protocol/frame';
import { INITIAL_CREDIT_BYTES, type AgentMessage } from '../../common/protocol/agent';
import type { Span } from '../../common/model/span';

/** A span on its way to the client. Only a `final` one counts as lost when dropped: a provisional one is replaced anyway. */
export interface Delivery {
  readonly span: Span;
  readonly final: boolean;
}

const MAX_FRAME_SPANS = 512;
const MAX_FRAME_ESTIMATE = 512 * 1024;

/**
 * Sends spans within the client's credit, and keeps the rest in a bounded queue. A full queue drops, and counts, what comes
 * next: neither the reading of kernel events nor the traced program ever waits for the SSH connection.
 *
 *   push ──► queue (queueBytes, estimated) ──► frames while outstanding ≤ credit ──► write
 */
export class SpanSender {
  private readonly queue: BoundedQueue<Delivery>;
  private outstanding = 0;
  private closed = false;
  /** Final spans that were refused because the connection could not take them in time. */
  dropped = 0;
  /** Final spans handed to the connection. */
  sent = 0;
  private waiters: (() => void)[] = [];

  constructor(
    private readonly write: (frame: Uint8Array) => void,
    private readonly queueBytes = 32 * 1024 * 1024,
    private readonly creditBytes = INITIAL_CREDIT_BYTES,
  ) {
    this.queue = new BoundedQueue<Delivery>(queueBytes, estimateBytes);
  }

  get queued(): number {
    return this.queue.size;
  }

  push(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      // Provisional spans may use only half of the queue: they must not displace what cannot be sent again.
      if (!delivery.final && (this.closed || this.queue.size * 512 > this.queueBytes / 2)) continue;
      if (this.closed || !this.queue.push(delivery)) {
        if (delivery.final) this.dropped += 1;
      }
    }
    this.pump();
  }

  /** The client has consumed `bytes` of span frames. */
  credit(bytes: number): void {
    this.outstanding = Math.max(0, this.outstanding - bytes);
    this.pump();
  }

  /** Resolves when every queued span has been written, or after `timeoutMs`, or when the connection closes. */
  async drained(timeoutMs: number): Promise<void> {
    if (this.queue.size === 0 || this.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Drops, counts and returns what cannot be sent any more. */
  close(): Span[] {
    this.closed = true;
    const rest: Span[] = [];
    for (let item = this.queue.shift(); item !== undefined; item = this.queue.shift()) {
      if (item.final) {
        this.dropped += 1;
        rest.push(item.span);
      }
    }
    this.wake();
    return rest;
  }

  private pump(): void {
    while (this.queue.size > 0 && this.outstanding < this.creditBytes && !this.closed) {
      const spans: Span[] = [];
      let estimate = 0;
      let finals = 0;
      while (spans.length < MAX_FRAME_SPANS && estimate < MAX_FRAME_ESTIMATE) {
        const item = this.queue.shift();
        if (item === undefined) break;
        spans.push(item.span);
        estimate += estimateBytes(item);
        if (item.final) finals += 1;
      }
      const message: AgentMessage = { t: 'spans', spans };
      const frame = encodeFrame(message);
      this.outstanding += frame.length;
      this.sent += finals;
      this.write(frame);
    }
    if (this.queue.size === 0) this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters) waiter();
    this.waiters = [];
  }
}

/** A cheap upper-side guess of a span's encoded size, in bytes. */
function estimateBytes({ span }: Delivery): number {
  let bytes = 200 + span.name.length + span.events.length * 200;
  for (const key in span.attributes) {
    const value = span.attributes[key];
    bytes +=
      key.length +
      10 +
      (typeof value === 'string' ? value.length : Array.isArray(value) ? value.length * 12 : 0);
  }
  return bytes;
}
