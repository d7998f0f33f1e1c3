/** The packets of a live trace as they arrive, held as bytes until their events can take their place in the sequence. */
import { MetadataReader } from './metadata';
import type { MuxSource } from './muxer';
import { clockOf, cyclesToNs, StreamReader, TraceDecoder } from './packet';
import type { CtfItem } from './types';

const FILL_ITEMS = 1024;

/** Metadata that grows, and the decoder made from it. */
export class LiveTrace {
  private readonly reader = new MetadataReader();
  private current: TraceDecoder | undefined;

  /** Throws SkuaError `ctf-metadata-invalid` or `ctf-unknown-type`. */
  addMetadata(bytes: Uint8Array): void {
    this.reader.append(bytes);
  }

  /** True once packets can be decoded. */
  get ready(): boolean {
    return this.reader.ready;
  }

  get decoder(): TraceDecoder {
    this.current ??= new TraceDecoder(this.reader.trace);
    return this.current;
  }
}

/** One live stream of a trace, as a source of the muxer. */
export class LivePacketStream implements MuxSource {
  ended = false;
  progressNs: bigint | undefined;
  private readonly packets: Uint8Array[] = [];
  private bytes = 0;
  private reader: StreamReader | undefined;
  private open = false;
  private failed = false;

  constructor(private readonly trace: LiveTrace) {}

  /** Bytes of packets that wait to be decoded. */
  get queuedBytes(): number {
    return this.bytes;
  }

  push(packet: Uint8Array): void {
    if (this.failed) return;
    this.packets.push(packet);
    this.bytes += packet.length;
  }

  /** The stream has had nothing up to this clock value. Ignored while packets wait: their own end says more. */
  inactiveUntil(cycles: bigint, streamClassId: bigint): void {
    if (this.packets.length > 0 || this.open || !this.trace.ready) return;
    const stream = this.trace.decoder.trace.streams.get(Number(streamClassId));
    if (stream === undefined) return;
    const until = cyclesToNs(clockOf(stream, this.trace.decoder.trace), cycles);
    if (this.progressNs === undefined || until > this.progressNs) this.progressNs = until;
  }

  fill(out: CtfItem[]): boolean {
    if (!this.trace.ready) return false;
    const before = out.length;
    try {
      while (out.length === before) {
        if (!this.open) {
          const packet = this.packets.shift();
          if (packet === undefined) return false;
          this.bytes -= packet.length;
          this.reader ??= new StreamReader(this.trace.decoder);
          this.reader.open(packet);
          this.progressNs = this.reader.progressNs;
        }
        this.open = (this.reader as StreamReader).read(out, FILL_ITEMS);
      }
      return true;
    } catch (error) {
      // Nothing after damage can be trusted; the stream must not hold the others back either.
      this.failed = true;
      this.ended = true;
      this.open = false;
      this.packets.length = 0;
      this.bytes = 0;
      throw error;
    }
  }
}
