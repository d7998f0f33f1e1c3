/** Turns generated source into functions: each event class is compiled once, when its first event is met. */
import { eventSource, headerSource, structSource } from './codegen';
import { packetInvalid } from './errors';
import { readBits } from './bits';
import type { StreamState } from './state';
import type { CtfEvent, CtfFields, EventClass, StreamClass, StructType, TraceClass } from './types';

/** (view, bytes, length in bytes, position in bits, state). The position after it is left in `state.pos`. */
export type Decoder<T> = (
  view: DataView,
  bytes: Uint8Array,
  length: number,
  bit: number,
  state: StreamState,
) => T;

function fail(byte: number): never {
  throw packetInvalid(byte, 'a field says that it is longer than the packet');
}

function noOption(byte: number): never {
  throw packetInvalid(byte, 'a variant has none of its known options');
}

function build<T>(source: string, eventClass: EventClass | undefined): Decoder<T> {
  // The source holds nothing from the trace but numbers and names passed through JSON.stringify.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const factory = new Function(
    'C',
    'readBits',
    'fail',
    'noOption',
    `'use strict'; return function (v, u, n, b, s) {\n${source}\n};`,
  ) as (c: EventClass | undefined, r: typeof readBits, f: typeof fail, o: typeof noOption) => Decoder<T>;
  return factory(eventClass, readBits, fail, noOption);
}

/** The decoders of one stream class. */
export class StreamDecoders {
  readonly packetContext: Decoder<CtfFields> | undefined;
  readonly header: Decoder<void> | undefined;
  /** By event id; LTTng numbers events from 0 without gaps. Larger ids (of other tracers) are in `sparse`. */
  private readonly dense: (Decoder<CtfEvent> | undefined)[] = [];
  private readonly sparse = new Map<number, Decoder<CtfEvent>>();

  constructor(
    private readonly trace: TraceClass,
    readonly stream: StreamClass,
  ) {
    const { packetContext, eventHeader } = stream;
    if (packetContext !== undefined)
      this.packetContext = buildStruct(packetContext, trace, 'stream.packet.context');
    if (eventHeader !== undefined)
      this.header = build(headerSource(eventHeader, trace.byteOrder, 0), undefined);
  }

  /** The decoder for an event id, or undefined when the metadata has no such event. */
  event(id: number): Decoder<CtfEvent> | undefined {
    return this.dense[id] ?? this.sparse.get(id) ?? this.compile(id);
  }

  private compile(id: number): Decoder<CtfEvent> | undefined {
    const eventClass = this.stream.events.get(id);
    if (eventClass === undefined) return undefined;
    const source = eventSource(this.stream, eventClass, this.trace.byteOrder, 0);
    const decoder = build<CtfEvent>(source, eventClass);
    if (id < 65536) this.dense[id] = decoder;
    else this.sparse.set(id, decoder);
    return decoder;
  }
}

/** `root` is the structure's own absolute path. */
export function buildStruct(type: StructType, trace: TraceClass, root: string): Decoder<CtfFields> {
  return build<CtfFields>(structSource(type, trace.byteOrder, 0, root), undefined);
}
