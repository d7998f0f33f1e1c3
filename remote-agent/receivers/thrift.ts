/**
 * A bounded reader of Thrift messages, binary and compact protocol, told apart by their first bytes
 * (https://github.com/apache/thrift/tree/master/doc/specs). It knows no schema: structs become maps from field id to value.
 * Lengths and counts are checked against the bytes that are there, so that a hostile datagram costs no more than its size.
 */
export type ThriftValue = number | bigint | boolean | Uint8Array | readonly ThriftValue[] | ThriftStruct;
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

export interface ThriftMessage {
  readonly name: string;
  /** 1 call, 2 reply, 3 exception, 4 oneway. */
  readonly type: number;
  readonly body: ThriftStruct;
}

export class ThriftError extends Error {}

const MAX_DEPTH = 16;

/** Decodes one message. Throws ThriftError when the bytes are not one. */
export function decodeThrift(bytes: Uint8Array): ThriftMessage {
  const source = new Source(bytes);
  const first = source.peek(0);
  if (first === 0x82) return compactMessage(source);
  // Strict messages begin with version 0x8001; old writers begin with the name's length, so with a zero byte.
  if (first === 0x80 && source.peek(1) === 0x01) return strictBinaryMessage(source);
  if (first === 0x00) return oldBinaryMessage(source);
  throw new ThriftError(`unknown protocol byte 0x${first.toString(16)}`);
}

class Source {
  private readonly view: DataView;
  at = 0;

  constructor(private readonly data: Uint8Array) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get left(): number {
    return this.data.length - this.at;
  }

  peek(offset: number): number {
    const byte = this.data[this.at + offset];
    if (byte === undefined) throw new ThriftError('truncated');
    return byte;
  }

  take(count: number): number {
    if (count < 0 || count > this.left) throw new ThriftError('truncated');
    const at = this.at;
    this.at += count;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }
  i8(): number {
    return this.view.getInt8(this.take(1));
  }
  i16(): number {
    return this.view.getInt16(this.take(2));
  }
  i32(): number {
    return this.view.getInt32(this.take(4));
  }
  i64(): bigint {
    return this.view.getBigInt64(this.take(8));
  }
  f64(littleEndian: boolean): number {
    return this.view.getFloat64(this.take(8), littleEndian);
  }

  bytes(count: number): Uint8Array {
    const at = this.take(count);
    return this.data.subarray(at, at + count);
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw new ThriftError('varint too long');
  }

  zigzag(): bigint {
    const value = this.varint();
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
  }

  /** A count of elements or bytes: each takes at least `each` bytes of what is left. */
  count(value: number | bigint, each: number): number {
    const n = Number(value);
    if (!(n >= 0) || n * each > this.left) throw new ThriftError('count beyond the end');
    return n;
  }
}

function strictBinaryMessage(s: Source): ThriftMessage {
  const type = s.i32() & 0xff;
  const name = text(s.bytes(s.count(s.i32(), 1)));
  s.i32(); // sequence number
  return { name, type, body: binaryStruct(s, 0) };
}

function oldBinaryMessage(s: Source): ThriftMessage {
  const name = text(s.bytes(s.count(s.i32(), 1)));
  const type = s.u8();
  s.i32();
  return { name, type, body: binaryStruct(s, 0) };
}

function binaryStruct(s: Source, depth: number): ThriftStruct {
  if (depth > MAX_DEPTH) throw new ThriftError('nested too deep');
  const fields = new Map<number, ThriftValue>();
  for (;;) {
    const type = s.u8();
    if (type === 0) return fields;
    const id = s.i16();
    fields.set(id, binaryValue(s, type, depth));
  }
}

/** Fewest bytes that a value of a binary type takes. */
const BINARY_SIZE: Readonly<Record<number, number>> = {
  2: 1,
  3: 1,
  4: 8,
  6: 2,
  8: 4,
  10: 8,
  11: 4,
  12: 1,
  13: 6,
  14: 5,
  15: 5,
};

function binaryValue(s: Source, type: number, depth: number): ThriftValue {
  switch (type) {
    case 2:
      return s.u8() !== 0;
    case 3:
      return s.i8();
    case 4:
      return s.f64(false);
    case 6:
      return s.i16();
    case 8:
      return s.i32();
    case 10:
      return s.i64();
    case 11:
      return s.bytes(s.count(s.i32(), 1));
    case 12:
      return binaryStruct(s, depth + 1);
    case 13: {
      const key = s.u8();
      const value = s.u8();
      const count = s.count(s.i32(), (BINARY_SIZE[key] ?? 1) + (BINARY_SIZE[value] ?? 1));
      const pairs: ThriftValue[] = [];
      for (let i = 0; i < count; i += 1) pairs.push(nested(s, key, depth), nested(s, value, depth));
      return pairs;
    }
    case 14:
    case 15: {
      const element = s.u8();
      const count = s.count(s.i32(), BINARY_SIZE[element] ?? 1);
      const list: ThriftValue[] = [];
      for (let i = 0; i < count; i += 1) list.push(nested(s, element, depth));
      return list;
    }
    default:
      throw new ThriftError(`unknown type ${type}`);
  }
}

function nested(s: Source, type: number, depth: number): ThriftValue {
  if (depth > MAX_DEPTH) throw new ThriftError('nested too deep');
  return binaryValue(s, type, depth + 1);
}

function compactMessage(s: Source): ThriftMessage {
  s.u8();
  const versionAndType = s.u8();
  if ((versionAndType & 0x1f) !== 1)
    throw new ThriftError(`compact protocol version ${versionAndType & 0x1f}`);
  s.varint(); // sequence number
  const name = text(s.bytes(s.count(s.varint(), 1)));
  return { name, type: versionAndType >> 5, body: compactStruct(s, 0) };
}

function compactStruct(s: Source, depth: number): ThriftStruct {
  if (depth > MAX_DEPTH) throw new ThriftError('nested too deep');
  const fields = new Map<number, ThriftValue>();
  let id = 0;
  for (;;) {
    const head = s.u8();
    if (head === 0) return fields;
    const delta = head >> 4;
    const type = head & 0x0f;
    id = delta === 0 ? Number(s.zigzag()) : id + delta;
    // A boolean field carries its value in its type.
    fields.set(id, type === 1 ? true : type === 2 ? false : compactValue(s, type, depth));
  }
}

const COMPACT_SIZE: Readonly<Record<number, number>> = { 7: 8 };

function compactValue(s: Source, type: number, depth: number): ThriftValue {
  switch (type) {
    case 1:
    case 2:
      return s.u8() === 1; // inside a list
    case 3:
      return s.i8();
    case 4:
    case 5:
      return Number(s.zigzag());
    case 6:
      return s.zigzag();
    case 7:
      return s.f64(true);
    case 8:
      return s.bytes(s.count(s.varint(), 1));
    case 9:
    case 10: {
      const head = s.u8();
      const element = head & 0x0f;
      const count = s.count(head >> 4 === 15 ? s.varint() : head >> 4, COMPACT_SIZE[element] ?? 1);
      const list: ThriftValue[] = [];
      if (depth > MAX_DEPTH) throw new ThriftError('nested too deep');
      for (let i = 0; i < count; i += 1) list.push(compactValue(s, element, depth + 1));
      return list;
    }
    case 11: {
      const count = s.count(s.varint(), 2);
      if (count === 0) return [];
      if (depth > MAX_DEPTH) throw new ThriftError('nested too deep');
      const types = s.u8();
      const pairs: ThriftValue[] = [];
      for (let i = 0; i < count; i += 1) {
        pairs.push(compactValue(s, types >> 4, depth + 1), compactValue(s, types & 0x0f, depth + 1));
      }
      return pairs;
    }
    case 12:
      return compactStruct(s, depth + 1);
    default:
      throw new ThriftError(`unknown type ${type}`);
  }
}

const decoder = new TextDecoder();

export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
