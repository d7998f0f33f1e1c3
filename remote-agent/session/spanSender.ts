import { BoundedQueue } from '../../common/base/queue';
import { encodeFrame } from '../../common/protocol/frame';
import { encodeSpans } from '../../common/protocol/spanCodec';
import { INITIAL_CREDIT_BYTES, type AgentMessage } from '../../common/protocol/agent';
import type { Span } from '../../common/model/span';
import { attributeBytes, KernelSpan } from '../spans/kernelSpan';

/** A span on its way to the client. Only a `final` one counts as lost when dropped: a provisional one is replaced anyway. */
export interface Delivery {
  readonly span: Span;
  readonly final: boolean;
}

/** A place in the queue, and the estimated size of what stands there. */
interface Place {
  delivery: Delivery;
  bytes: number;
}

/** Final spans, by where they come from. */
export interface Dropped {
  readonly syscalls: number;
  readonly user: number;
}

const MAX_FRAME_SPANS = 512;
const MAX_FRAME_ESTIMATE = 512 * 1024;

/**
 * Sends spans within the client's credit, and keeps the rest in a bounded queue. A full queue drops, and counts, what comes
 * next: neither the reading of kernel events nor the traced program ever waits for the SSH connection.
 *
 *   push ──► queue (queueBytes, estimated) ──► frames while outstanding ≤ credit ──► write
 *
 * What is pushed in one turn of the event loop leaves in as few frames as possible: each is a system call here and a packet of SSH. A
 * span that waits already is replaced where it is, so that one that is behind does not send everything twice.
 */
export class SpanSender {
  private readonly queue: BoundedQueue<Place>;
  private creditBytes: number;
  /** Provisional spans in the queue. */
  private readonly replaceable = new Map<string, Place>();
  private outstanding = 0;
  private closed = false;
  private readonly lost = { syscalls: 0, user: 0 };
  /** Final spans handed to the connection. */
  sent = 0;
  /** Grows whenever the client has taken something. */
  private credits = 0;
  private waiters: (() => void)[] = [];
  private pumping: NodeJS.Immediate | undefined;

  constructor(
    private readonly write: (frame: Uint8Array) => void,
    queueBytes = 32 * 1024 * 1024,
    private readonly mostCreditBytes = INITIAL_CREDIT_BYTES,
  ) {
    this.creditBytes = mostCreditBytes;
    this.queue = new BoundedQueue<Place>(queueBytes, ({ bytes }) => bytes);
  }

  get queued(): number {
    return this.queue.size;
  }

  /** Final spans that were refused because the connection could not take them in time. */
  get dropped(): Dropped {
    return { ...this.lost };
  }

  /** Most bytes of spans, estimated, that wait for the client. No more are under way to it, either. */
  set queueBytes(bytes: number) {
    this.queue.capacity = bytes;
    this.creditBytes = Math.min(this.mostCreditBytes, bytes);
  }

  push(delivery: Delivery): void {
    // Provisional spans may use only half of the queue: they must not displace what cannot be sent again.
    if (!delivery.final && (this.closed || this.queue.size * 512 > this.queue.capacity / 2)) return;
    if (this.closed) this.drop(delivery.span);
    else this.enqueue(delivery);
    this.pumping ??= setImmediate(() => {
      this.pumping = undefined;
      this.pump();
    });
  }

  private enqueue(delivery: Delivery): void {
    const { span, final } = delivery;
    const bytes = estimateBytes(span);
    // Most of the time nothing can be replaced, and a kernel span's id need not be made into a text.
    const waiting = this.replaceable.size === 0 ? undefined : this.replaceable.get(span.spanId);
    const place = waiting ?? { delivery, bytes };
    const room = waiting === undefined ? this.queue.push(place) : this.queue.grow(bytes - place.bytes);
    if (!room) {
      if (final) this.drop(span);
      return;
    }
    place.delivery = delivery;
    place.bytes = bytes;
    if (!final) this.replaceable.set(span.spanId, place);
    else if (waiting !== undefined) this.replaceable.delete(span.spanId);
  }

  private dequeue(): Place | undefined {
    const place = this.queue.shift();
    if (place?.delivery.final === false) this.replaceable.delete(place.delivery.span.spanId);
    return place;
  }

  /** The client has consumed `bytes` of span frames. */
  credit(bytes: number): void {
    this.outstanding = Math.max(0, this.outstanding - bytes);
    this.credits += 1;
    this.pump();
  }

  /**
   * Resolves to true when every queued span has been written, to false when the client has taken nothing for `idleMs`, or the
   * connection closes. A slow client may take as long as it needs.
   */
  async drained(idleMs: number): Promise<boolean> {
    while (this.queue.size > 0 && !this.closed) {
      const before = this.credits;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, idleMs);
        this.waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      if (this.credits === before) break;
    }
    return this.queue.size === 0;
  }

  /** Drops and counts what is queued. Returns how many of them were final. */
  discard(): number {
    let finals = 0;
    for (let item = this.dequeue()?.delivery; item !== undefined; item = this.dequeue()?.delivery) {
      if (!item.final) continue;
      this.drop(item.span);
      finals += 1;
    }
    this.wake();
    return finals;
  }

  /** The same, and takes nothing any more. */
  close(): number {
    this.closed = true;
    return this.discard();
  }

  private drop(span: Span): void {
    if (span.origin === 'kernel') this.lost.syscalls += 1;
    else this.lost.user += 1;
  }

  private pump(): void {
    while (this.queue.size > 0 && this.outstanding < this.creditBytes && !this.closed) {
      const spans: Span[] = [];
      const most = Math.min(MAX_FRAME_ESTIMATE, this.creditBytes - this.outstanding);
      let estimate = 0;
      const provisional: number[] = [];
      while (spans.length < MAX_FRAME_SPANS && estimate < most) {
        const place = this.dequeue();
        if (place === undefined) break;
        if (!place.delivery.final) provisional.push(spans.length);
        spans.push(place.delivery.span);
        estimate += place.bytes;
      }
      const message: AgentMessage = { t: 'spans', spans: encodeSpans(spans), provisional };
      const frame = encodeFrame(message);
      this.outstanding += frame.length;
      this.sent += spans.length - provisional.length;
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
function estimateBytes(span: Span): number {
  let bytes = 200 + span.name.length + span.events.length * 200;
  // It has added them up on its way.
  if (span instanceof KernelSpan) return bytes + span.attributesBytes;
  for (const [name, value] of Object.entries(span.attributes)) bytes += attributeBytes(name, value);
  return bytes;
}
