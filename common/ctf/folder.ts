/** Reads a saved CTF 1.8 trace: its metadata and its stream files, a packet at a time. */
import { packetInvalid } from './errors';
import { readMetadata } from './metadata';
import { Muxer, type MuxSource } from './muxer';
import { StreamReader, TraceDecoder } from './packet';
import type { CtfItem, TraceClass } from './types';

/** A stream file: `read` returns exactly the bytes asked for, which are within `size`. */
export interface StreamFile {
  readonly name: string;
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

/** A stream file that is in memory. */
export function memoryFile(name: string, bytes: Uint8Array): StreamFile {
  return { name, size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** Enough for any packet header and context; more is read when it is not. */
const PEEK_BYTES = 4096;
const FILL_ITEMS = 1024;

export class StreamFileReader implements MuxSource {
  private readonly stream: StreamReader;
  private offset = 0;
  private open = false;
  ended = false;

  constructor(
    private readonly trace: TraceDecoder,
    private readonly file: StreamFile,
  ) {
    this.stream = new StreamReader(trace);
  }

  get progressNs(): bigint | undefined {
    return this.stream.progressNs;
  }

  fill(out: CtfItem[]): boolean {
    if (this.ended) return false;
    const before = out.length;
    try {
      while (out.length === before) {
        if (!this.open && !this.nextPacket()) {
          this.ended = true;
          return false;
        }
        this.open = this.stream.read(out, FILL_ITEMS);
      }
      return true;
    } catch (error) {
      this.ended = true;
      throw error;
    }
  }

  private nextPacket(): boolean {
    const left = this.file.size - this.offset;
    if (left === 0) return false;
    const peek = this.file.read(this.offset, Math.min(left, PEEK_BYTES));
    const { packetBits } = this.trace.start(peek.length < left ? this.enough(peek, left) : peek);
    const length = packetBits / 8;
    if (length === 0)
      throw packetInvalid(0, `a packet without size at byte ${this.offset} of ${this.file.name}`);
    if (length > left) {
      throw packetInvalid(
        left,
        `the file ${this.file.name} ends ${length - left} bytes before the packet does`,
      );
    }
    this.stream.open(this.file.read(this.offset, length));
    this.offset += length;
    return true;
  }

  /** A trace without packet sizes is one packet per file: then all of it has to be seen. */
  private enough(peek: Uint8Array, left: number): Uint8Array {
    const sizes = this.trace.trace.streams.values();
    for (const { packetContext } of sizes) {
      const sized = packetContext?.fields.some(
        ({ name }) => name === 'packet_size' || name === 'content_size',
      );
      if (sized !== true) return this.file.read(this.offset, left);
    }
    return peek;
  }
}

export interface SavedCtf {
  readonly trace: TraceClass;
  /** Batches in order of time. Throws SkuaError `ctf-packet-invalid` at damage, after all that could be decoded before it. */
  batches(): Generator<readonly CtfItem[], void, undefined>;
}

/** Opens a saved trace. Throws SkuaError `ctf-metadata-invalid` or `ctf-unknown-type`. */
export function openSavedCtf(
  metadata: Uint8Array,
  files: readonly StreamFile[],
  batchItems = 4096,
): SavedCtf {
  const trace = readMetadata(metadata);
  return {
    trace,
    *batches() {
      const decoder = new TraceDecoder(trace);
      const muxer = new Muxer();
      for (const file of files) muxer.add(new StreamFileReader(decoder, file));
      let failure: unknown;
      for (;;) {
        const batch: CtfItem[] = [];
        let more = true;
        try {
          more = muxer.read(batch, batchItems);
        } catch (error) {
          // One damaged stream does not cost the others; it is reported when they are through.
          failure ??= error;
        }
        if (batch.length > 0) yield batch;
        if (!more && muxer.done) break;
      }
      if (failure !== undefined) throw failure as Error;
    },
  };
}
