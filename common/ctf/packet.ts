/** Decodes the packets of a trace's streams. CTF 1.8.3 §5 and §6; field names as LTTng uses them, also for the roles of CTF 2. */
import { SkuaError } from '../base/errors';
import { ns, type Nanoseconds } from '../base/time';
import { buildStruct, StreamDecoders, type Decoder } from './compile';
import { packetInvalid } from './errors';
import { StreamState } from './state';
import { StringTable } from './strings';
import type { ClockClass, CtfFields, CtfItem, CtfType, StreamClass, StructType, TraceClass } from './types';

const MAGIC = 0xc1fc1fc1;
/** LTTng's sub-buffers are a few MB at most; the bound keeps positions in bits within 31 bits and memory in check. */
export const MAX_PACKET_BYTES = 128 * 1024 * 1024;

/** What stands before the events of a packet. */
export interface PacketStart {
  readonly decoders: StreamDecoders;
  readonly context: CtfFields;
  /** Where the events begin, in bits. */
  readonly eventsBit: number;
  readonly contentBits: number;
  readonly packetBits: number;
  readonly cpu: number;
}

/** A trace class with its decoders; shared by the trace's streams. */
export class TraceDecoder {
  readonly strings = new StringTable();
  private readonly streams = new Map<number, StreamDecoders>();
  private packetHeader: Decoder<CtfFields> | undefined;

  constructor(readonly trace: TraceClass) {
    if (trace.packetHeader !== undefined)
      this.packetHeader = buildStruct(trace.packetHeader, trace, 'trace.packet.header');
  }

  /**
   * Decodes a packet's header and context; `bytes` begins with the packet and may go on after it. Throws SkuaError
   * `ctf-packet-invalid`. `packetBits` may exceed `bytes`: the caller decides whether more can be had.
   */
  start(bytes: Uint8Array): PacketStart {
    return guarded(() => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const state = new StreamState(this.strings, undefined);
      let streamId = 0;
      if (this.packetHeader !== undefined) {
        const header = this.packetHeader(view, bytes, bytes.length, 0, state);
        this.checkHeader(header);
        streamId = Number(header['stream_id'] ?? 0);
      }
      const decoders = this.decoders(streamId);
      const context = decoders.packetContext?.(view, bytes, bytes.length, state.pos, state) ?? {};
      const eventsBit = state.pos;
      const packetBits = size(context, 'packet_size') ?? size(context, 'content_size') ?? bytes.length * 8;
      const contentBits = size(context, 'content_size') ?? packetBits;
      if (packetBits % 8 !== 0 || packetBits > MAX_PACKET_BYTES * 8) {
        throw packetInvalid(0, `its size is ${packetBits} bits`);
      }
      if (contentBits > packetBits || contentBits < eventsBit) {
        throw packetInvalid(0, `its content of ${contentBits} bits does not fit a packet of ${packetBits}`);
      }
      const cpu = context['cpu_id'];
      return {
        decoders,
        context,
        eventsBit,
        contentBits,
        packetBits,
        cpu: cpu === undefined ? -1 : Number(cpu),
      };
    });
  }

  decoders(streamId: number): StreamDecoders {
    let decoders = this.streams.get(streamId);
    if (decoders === undefined) {
      const stream = this.trace.streams.get(streamId);
      if (stream === undefined)
        throw packetInvalid(0, `it belongs to stream ${streamId}, which the metadata lacks`);
      decoders = new StreamDecoders(this.trace, stream);
      this.streams.set(streamId, decoders);
    }
    return decoders;
  }

  private checkHeader(header: CtfFields): void {
    const magic = header['magic'];
    if (magic !== undefined && Number(magic) !== MAGIC) {
      throw packetInvalid(0, 'it does not begin with the magic number of CTF');
    }
    const uuid = header['uuid'];
    if (
      uuid instanceof Uint8Array &&
      this.trace.uuid !== undefined &&
      hex(uuid) !== this.trace.uuid.replaceAll('-', '')
    ) {
      throw packetInvalid(4, 'it belongs to another trace (its UUID differs from the metadata)');
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function size(context: CtfFields, name: string): number | undefined {
  const value = context[name];
  return value === undefined ? undefined : Number(value);
}

function count(context: CtfFields, name: string): bigint | undefined {
  const value = context[name];
  return typeof value === 'bigint' || typeof value === 'number' ? BigInt(value) : undefined;
}

/** Reads the packets of one stream in order. A failure ends the stream; items read before stay valid. */
export class StreamReader {
  private state: StreamState | undefined;
  private packet:
    { readonly start: PacketStart; readonly view: DataView; readonly bytes: Uint8Array } | undefined;
  private readonly pending: CtfItem[] = [];
  private discarded: bigint | undefined;
  private sequence: bigint | undefined;
  private endNs: Nanoseconds | undefined;

  constructor(private readonly trace: TraceDecoder) {}

  /** End of the last packet opened: no later event of this stream is earlier. */
  get progressNs(): Nanoseconds | undefined {
    return this.endNs;
  }

  /** Begins a packet; the one before has been read to its end. Throws SkuaError `ctf-packet-invalid`. */
  open(packet: Uint8Array): void {
    const start = this.trace.start(packet);
    if (start.packetBits > packet.length * 8) {
      throw packetInvalid(
        packet.length,
        `it is cut short: ${packet.length} bytes of ${start.packetBits / 8}`,
      );
    }
    const { stream } = start.decoders;
    this.state ??= new StreamState(this.trace.strings, clockOf(stream, this.trace.trace));
    const { state } = this;
    const begin = count(start.context, 'timestamp_begin');
    const end = count(start.context, 'timestamp_end');
    if (begin !== undefined) state.setClockCycles(begin);
    state.cpu = start.cpu;
    state.pos = start.eventsBit;
    state.budget = start.contentBits;
    const beginNs = state.nowNs();
    // A crashed tracer leaves the end at 0.
    const endNs = end === undefined || end === 0n ? beginNs : state.toNs(end);
    if (endNs < beginNs) throw packetInvalid(0, 'it ends before it begins');
    this.countLost(start, beginNs, endNs);
    this.endNs = endNs;
    // A view of exactly the content: reading beyond it fails by itself.
    const length = Math.ceil(start.contentBits / 8);
    const bytes = new Uint8Array(packet.buffer, packet.byteOffset, length);
    this.packet = { start, view: new DataView(packet.buffer, packet.byteOffset, length), bytes };
  }

  /**
   * The same conditions, ranges of time and counts as babeltrace2's discarded-events and discarded-packets messages, but for a
   * counter that goes back (see below), of which babeltrace2 makes 2^64 lost events.
   */
  private countLost(start: PacketStart, beginNs: Nanoseconds, endNs: Nanoseconds): void {
    const { context, cpu } = start;
    const discarded = count(context, 'events_discarded');
    const sequence = count(context, 'packet_seq_num');
    if (discarded !== undefined) {
      const bits = integerBits(start.decoders.stream.packetContext, 'events_discarded');
      // LTTng writes the counter when it closes a packet, and an interrupt can fill and close the next one in between: the
      // counter of a later packet may then be the smaller one. The greatest so far is what was lost so far.
      const lost = BigInt.asIntN(bits, discarded - (this.discarded ?? 0n));
      if (lost > 2n ** 53n) throw packetInvalid(0, `it counts ${discarded} discarded events`);
      if (lost > 0n) {
        this.pending.push({
          kind: 'lost',
          count: Number(lost),
          exact: this.discarded !== undefined || sequence === 0n,
          beginNs: this.endNs ?? beginNs,
          endNs,
          cpu,
        });
      }
      if (lost > 0n || this.discarded === undefined) this.discarded = discarded;
    }
    if (sequence !== undefined) {
      const missing = this.sequence === undefined ? 0n : sequence - this.sequence - 1n;
      if (missing < -1n || missing > 2n ** 53n) throw packetInvalid(0, 'its sequence number goes backwards');
      if (missing > 0n) {
        const since = this.endNs ?? beginNs;
        this.pending.push({
          kind: 'lost-packets',
          count: Number(missing),
          beginNs: since,
          endNs: beginNs,
          cpu,
        });
      }
      this.sequence = sequence;
    }
  }

  /**
   * Appends up to about `limit` items of the open packet to `out`. Returns false when the packet is finished. Throws SkuaError
   * `ctf-packet-invalid`; items appended before remain.
   */
  read(out: CtfItem[], limit: number): boolean {
    const { packet, state } = this;
    if (packet === undefined || state === undefined) return false;
    while (this.pending.length > 0) out.push(this.pending.shift() as CtfItem);
    const { start, view, bytes } = packet;
    const { decoders, contentBits } = start;
    const { header } = decoders;
    const length = bytes.length;
    const stop = out.length + limit;
    try {
      while (state.pos < contentBits) {
        if (out.length >= stop) return true;
        const before = state.pos;
        if (header !== undefined) header(view, bytes, length, before, state);
        const decode = decoders.event(state.id);
        if (decode === undefined)
          throw packetInvalid(before >>> 3, `event ${state.id} is not in the metadata`);
        const event = decode(view, bytes, length, state.pos, state);
        if (state.pos > contentBits) throw new RangeError('beyond the content');
        if (state.pos === before)
          throw packetInvalid(before >>> 3, 'an event without size would repeat for ever');
        out.push(event);
      }
    } catch (error) {
      this.packet = undefined;
      throw asPacketError(error, state.pos >>> 3);
    }
    this.packet = undefined;
    return false;
  }
}

function guarded<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asPacketError(error, 0);
  }
}

/** DataView reports a read beyond the content as RangeError; anything else unexpected is a bug and stays one. */
function asPacketError(error: unknown, byte: number): unknown {
  if (error instanceof SkuaError) return error;
  if (error instanceof RangeError)
    return packetInvalid(byte, 'a field reaches beyond the end of the packet', error);
  return error;
}

function integerBits(struct: StructType | undefined, name: string): number {
  const type = struct?.fields.find((field) => field.name === name)?.type;
  return type?.kind === 'integer' ? type.size : 64;
}

/** The clock that the stream's headers are mapped to; undefined when the stream has no clock. */
export function clockOf(stream: StreamClass, trace: TraceClass): ClockClass | undefined {
  const name = mappedClock(stream.eventHeader) ?? mappedClock(stream.packetContext);
  if (name === undefined) return undefined;
  const clock = trace.clocks.get(name);
  if (clock === undefined)
    throw packetInvalid(0, `its stream uses the clock "${name}", which the metadata lacks`);
  return clock;
}

function mappedClock(type: CtfType | undefined): string | undefined {
  if (type === undefined) return undefined;
  if (type.kind === 'integer') return type.clock;
  if (type.kind === 'enum') return type.container.clock;
  const parts = type.kind === 'struct' ? type.fields : type.kind === 'variant' ? type.options : [];
  for (const part of parts) {
    const name = mappedClock(part.type);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** The instant that a raw clock value of a stream stands for (an index or an inactivity beacon of a live stream). */
export function cyclesToNs(clock: ClockClass | undefined, cycles: bigint): Nanoseconds {
  return clock === undefined ? ns(cycles) : new StreamState(new StringTable(), clock).toNs(cycles);
}
