/**
 * What a trace's metadata says: the types of its fields and the classes of its streams and events.
 * Formats: Common Trace Format 1.8.3, https://diamon.org/ctf/v1.8.3/, and CTF 2, https://diamon.org/ctf/files/CTF2-SPEC-2.0.html
 */
import type { Nanoseconds } from '../base/time';

export type ByteOrder = 'le' | 'be';

export interface IntegerType {
  readonly kind: 'integer';
  /** Bits, 1 to 64. */
  readonly size: number;
  /** Bits, a power of two. */
  readonly align: number;
  readonly signed: boolean;
  /** `native` is the trace's. */
  readonly byteOrder: ByteOrder | 'native';
  /** The base in which a person wants to see it. */
  readonly base: 2 | 8 | 10 | 16;
  /** `utf8` (also for ASCII) makes an array of 8-bit integers a text. */
  readonly encoding: 'none' | 'utf8';
  /** Name of the clock that this field updates. */
  readonly clock?: string;
}

export interface FloatType {
  readonly kind: 'float';
  readonly size: 32 | 64;
  readonly align: number;
  readonly byteOrder: ByteOrder | 'native';
}

export interface EnumMapping {
  readonly label: string;
  /** Inclusive range. */
  readonly from: bigint;
  readonly to: bigint;
}

export interface EnumType {
  readonly kind: 'enum';
  readonly container: IntegerType;
  readonly mappings: readonly EnumMapping[];
}

/** NUL-terminated UTF-8. */
export interface StringType {
  readonly kind: 'string';
}

export interface ArrayType {
  readonly kind: 'array';
  readonly element: CtfType;
  readonly length: number;
  /** Bits, where it is more than the element's (CTF 2). */
  readonly align?: number;
}

/** Names as written in the metadata: relative to an enclosing structure, or absolute (`stream.event.context.…`). */
export type FieldPath = readonly string[];

export interface SequenceType {
  readonly kind: 'sequence';
  readonly element: CtfType;
  readonly length: FieldPath;
  /** Bits, where it is more than the element's (CTF 2). */
  readonly align?: number;
}

export interface CtfField {
  /** As shown: without the one leading underscore that LTTng adds to keep clear of TSDL's keywords. */
  readonly name: string;
  /** As written, and as other fields refer to it. */
  readonly rawName: string;
  readonly type: CtfType;
}

export interface StructType {
  readonly kind: 'struct';
  readonly fields: readonly CtfField[];
  /** Bits: the greatest of `align(n)` and the alignments of the fields. */
  readonly align: number;
}

export interface VariantOption extends CtfField {
  /** CTF 2: values of the selector, inclusive. In CTF 1.8 the labels of an enumeration select. */
  readonly ranges?: readonly (readonly [bigint, bigint])[];
}

export interface VariantType {
  readonly kind: 'variant';
  /** The field that selects the option; empty while a named variant type waits for its use. */
  readonly tag: FieldPath;
  readonly options: readonly VariantOption[];
}

export type CtfType =
  IntegerType | FloatType | EnumType | StringType | ArrayType | SequenceType | StructType | VariantType;

export interface ClockClass {
  readonly name: string;
  readonly uuid?: string;
  readonly description?: string;
  /** Hz. */
  readonly frequency: bigint;
  /** Offset from the Unix epoch: seconds plus cycles. */
  readonly offsetSeconds: bigint;
  readonly offsetCycles: bigint;
}

export interface EventClass {
  readonly id: number;
  readonly streamId: number;
  readonly name: string;
  readonly logLevel?: number | undefined;
  /** Fields of this event class only, before its payload; LTTng does not use it. */
  readonly context?: StructType | undefined;
  readonly fields?: StructType | undefined;
}

export interface StreamClass {
  readonly id: number;
  readonly packetContext?: StructType;
  readonly eventHeader?: StructType;
  readonly eventContext?: StructType;
  /** Grows while a live trace adds events. */
  readonly events: ReadonlyMap<number, EventClass>;
}

export interface TraceClass {
  readonly byteOrder: ByteOrder;
  /** Lower case with dashes. */
  readonly uuid?: string;
  readonly packetHeader?: StructType;
  readonly env: ReadonlyMap<string, string | bigint>;
  readonly clocks: ReadonlyMap<string, ClockClass>;
  readonly streams: ReadonlyMap<number, StreamClass>;
}

/** Integers of up to 32 bits are numbers, larger ones bigints; arrays of unsigned bytes that are no text are Uint8Arrays. */
export type CtfValue = number | bigint | string | Uint8Array | CtfFields | readonly CtfValue[];

export interface CtfFields {
  readonly [name: string]: CtfValue;
}

export interface CtfEvent {
  readonly kind: 'event';
  /** Since the Unix epoch, by the trace's own clock offset. */
  readonly timestampNs: Nanoseconds;
  /** `cpu_id` of the packet; -1 when the trace does not say. */
  readonly cpu: number;
  readonly name: string;
  readonly id: number;
  readonly eventClass: EventClass;
  /** Fields that every event of the stream has (LTTng's `add-context`). */
  readonly context: CtfFields;
  readonly fields: CtfFields;
}

/** Events that the tracer could not record because the ring buffer was full (`events_discarded`). */
export interface CtfLostEvents {
  readonly kind: 'lost';
  readonly count: number;
  /**
   * False in a stream's first packet when earlier ones are missing: the counter then includes losses from before.
   * babeltrace2 gives no count there.
   */
  readonly exact: boolean;
  /** They were lost in this range of time. */
  readonly beginNs: Nanoseconds;
  readonly endNs: Nanoseconds;
  readonly cpu: number;
}

/** Whole packets missing from the stream (gap in `packet_seq_num`), with an unknown number of events in them. */
export interface CtfLostPackets {
  readonly kind: 'lost-packets';
  readonly count: number;
  readonly beginNs: Nanoseconds;
  readonly endNs: Nanoseconds;
  readonly cpu: number;
}

/**
 * Events of a sequence are in order of time. What was lost is known when the packet after it arrives: its range may begin
 * before the events that precede it.
 */
export type CtfItem = CtfEvent | CtfLostEvents | CtfLostPackets;

/** The alignment of a type in bits, as CTF 1.8.3 §4.1 defines it. */
export function alignmentOf(type: CtfType): number {
  switch (type.kind) {
    case 'integer':
    case 'float':
    case 'struct':
      return type.align;
    case 'enum':
      return type.container.align;
    case 'string':
      return 8;
    case 'array':
    case 'sequence':
      return type.align ?? alignmentOf(type.element);
    case 'variant':
      return 1;
  }
}

/** Labels of an enumeration's value, in the order of the metadata; none when the value has no name. */
export function enumLabels(type: EnumType, value: number | bigint): readonly string[] {
  const wanted = BigInt(value);
  return type.mappings.filter((m) => m.from <= wanted && wanted <= m.to).map((m) => m.label);
}
