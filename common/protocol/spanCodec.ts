/**
 * Spans of one frame as bytes. Most of a span are names and texts that the spans around it have as well, so each string stands in a frame
 * once and is referred to by its number from then on; encoding the same spans as MessagePack maps takes about ten times as long.
 *
 *   frame   count span*
 *   span    flags kind status spanId traceId [parentSpanId] name service start [end] [message] attributes events links
 *   spanId  64 bits, most significant first
 *   string  0 length UTF-8 (takes the next number) | number + 1
 *   value   tag, then a string, number, bigint, or count and values
 *
 * Counts, lengths and numbers of strings are LEB128, times 64 bits little-endian.
 */
import { SkuaError } from '../base/errors';
import { ns, type Nanoseconds } from '../base/time';
import { decodeUtf8, encodeUtf8 } from '../base/utf8';
import type { Attributes, AttributeValue, Span, SpanEvent, SpanId, SpanLink, TraceId } from '../model/span';

const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUS_CODES = ['unset', 'ok', 'error'] as const;

const HAS_PARENT = 1;
const HAS_END = 2;
const FROM_KERNEL = 4;
const HAS_MESSAGE = 8;

const TAG = {
  text: 0,
  /** A number that is an integer of 32 bits. */
  int: 1,
  double: 2,
  bigint: 3,
  /** A bigint of 2^63 or more. */
  unsigned: 4,
  yes: 5,
  no: 6,
  list: 7,
} as const;

/** Bytes that a number in LEB128 or a fixed one takes at most. */
const MAX_NUMBER = 9;
const FIRST_CAPACITY = 64 * 1024;
/** Where every frame begins to be written: new memory for each would have to be cleared. */
const scratch = new Uint8Array(FIRST_CAPACITY);

/**
 * A span whose attributes stand in two lists, and whose id is a number. Reading it as a `Span` makes an object and a text of them;
 * encoding does not. Of a name that is there twice the last value counts.
 */
export interface ListedSpan extends Span {
  readonly id: bigint;
  readonly attributeNames: readonly string[];
  readonly attributeValues: readonly AttributeValue[];
}

/** Encodes spans as one frame's bytes. Attribute values that are undefined are left out. */
export function encodeSpans(spans: readonly Span[]): Uint8Array {
  const writer = new Writer();
  writer.count(spans.length);
  for (const span of spans) writer.span(span);
  return writer.finish();
}

/** Throws SkuaError `agent-protocol` when the bytes are no spans. */
export function decodeSpans(bytes: Uint8Array): Span[] {
  const reader = new Reader(bytes);
  try {
    const spans = reader.list(() => reader.span());
    if (!reader.done) throw new RangeError('there is more than the spans');
    return spans;
  } catch (cause) {
    throw new SkuaError(
      {
        code: 'agent-protocol',
        message: 'Spans from the agent could not be decoded.',
        remedy: 'Redeploy the agent ("Skua: Remove Agent from Target"), then run again.',
      },
      { cause },
    );
  }
}

class Writer {
  private bytes = scratch;
  private view = new DataView(this.bytes.buffer);
  private at = 0;
  private readonly numbers = new Map<string, number>();

  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  span(span: Span | ListedSpan): void {
    const { parentSpanId, endNs, status } = span;
    this.byte(
      (parentSpanId === undefined ? 0 : HAS_PARENT) |
        (endNs === undefined ? 0 : HAS_END) |
        (span.origin === 'kernel' ? FROM_KERNEL : 0) |
        (status.message === undefined ? 0 : HAS_MESSAGE),
    );
    this.byte(KINDS.indexOf(span.kind));
    this.byte(STATUS_CODES.indexOf(status.code));
    this.id('attributeNames' in span ? span.id : BigInt(`0x${span.spanId}`));
    this.text(span.traceId);
    if (parentSpanId !== undefined) this.text(parentSpanId);
    this.text(span.name);
    this.text(span.service);
    this.time(span.startNs);
    if (endNs !== undefined) this.time(endNs);
    if (status.message !== undefined) this.text(status.message);
    if ('attributeNames' in span) this.pairs(span.attributeNames, span.attributeValues);
    else this.attributes(span.attributes);
    this.count(span.events.length);
    for (const event of span.events) {
      this.time(event.timeNs);
      this.text(event.name);
      this.attributes(event.attributes);
    }
    this.count(span.links.length);
    for (const link of span.links) {
      this.text(link.traceId);
      this.text(link.spanId);
      this.attributes(link.attributes);
    }
  }

  count(value: number): void {
    this.reserve(MAX_NUMBER);
    let rest = value;
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
  }

  private id(id: bigint): void {
    this.reserve(MAX_NUMBER);
    this.view.setBigUint64(this.at, id);
    this.at += 8;
  }

  private pairs(names: readonly string[], values: readonly AttributeValue[]): void {
    this.count(names.length);
    for (let index = 0; index < names.length; index += 1) {
      this.text(names[index] as string);
      this.value(values[index] as AttributeValue);
    }
  }

  private attributes(attributes: Attributes): void {
    let count = 0;
    for (const key in attributes) if (attributes[key] !== undefined) count += 1;
    this.count(count);
    for (const key in attributes) {
      const value = attributes[key];
      if (value === undefined) continue;
      this.text(key);
      this.value(value);
    }
  }

  private value(value: AttributeValue): void {
    switch (typeof value) {
      case 'string':
        this.byte(TAG.text);
        this.text(value);
        break;
      case 'number':
        this.number(value);
        break;
      case 'bigint':
        this.byte(value < 2n ** 63n ? TAG.bigint : TAG.unsigned);
        this.view.setBigUint64(this.at, BigInt.asUintN(64, value), true);
        this.at += 8;
        break;
      case 'boolean':
        this.byte(value ? TAG.yes : TAG.no);
        break;
      default:
        this.byte(TAG.list);
        this.count(value.length);
        for (const each of value) this.value(each);
    }
  }

  private number(value: number): void {
    // Not the integer 0, but what it would become: -0 is a double.
    if (Object.is(value | 0, value)) {
      this.byte(TAG.int);
      this.view.setInt32(this.at, value, true);
      this.at += 4;
    } else {
      this.byte(TAG.double);
      this.view.setFloat64(this.at, value, true);
      this.at += 8;
    }
  }

  private time(value: Nanoseconds): void {
    this.reserve(MAX_NUMBER);
    this.view.setBigInt64(this.at, value, true);
    this.at += 8;
  }

  private text(text: string): void {
    const number = this.numbers.get(text);
    if (number !== undefined) {
      this.count(number);
      return;
    }
    this.numbers.set(text, this.numbers.size + 1);
    this.byte(0);
    this.reserve(MAX_NUMBER + 3 * text.length);
    // Its length is known afterwards; most are short, and then it takes the one byte that is left free for it.
    const start = this.at + 1;
    const end = encodeUtf8(text, this.bytes, start);
    const length = end - start;
    if (length > 0x7f) {
      const shift = length > 0x3fff ? (length > 0x1fffff ? 3 : 2) : 1;
      this.bytes.copyWithin(start + shift, start, end);
    }
    this.count(length);
    this.at += length;
  }

  /** There is room for what follows a byte of this kind: a number at most. */
  private byte(value: number): void {
    this.reserve(1 + MAX_NUMBER);
    this.bytes[this.at++] = value;
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.at + bytes));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

class Reader {
  private readonly view: DataView;
  private readonly texts: string[] = [];
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at === this.bytes.length;
  }

  span(): Span {
    const flags = this.byte();
    const kind = member(KINDS, this.byte());
    const code = member(STATUS_CODES, this.byte());
    const has = (flag: number): boolean => (flags & flag) !== 0;
    const spanId = this.id();
    return {
      traceId: this.text() as TraceId,
      spanId,
      ...(has(HAS_PARENT) ? { parentSpanId: this.text() as SpanId } : {}),
      name: this.text(),
      kind,
      origin: has(FROM_KERNEL) ? 'kernel' : 'user',
      service: this.text(),
      startNs: this.time(),
      ...(has(HAS_END) ? { endNs: this.time() } : {}),
      status: has(HAS_MESSAGE) ? { code, message: this.text() } : { code },
      attributes: this.attributes(),
      events: this.list(() => this.event()),
      links: this.list(() => this.link()),
    };
  }

  /** Every element takes a byte at least, so a count that is too large ends at the end of the bytes. */
  list<T>(read: () => T): T[] {
    const list: T[] = [];
    for (let count = this.count(); count > 0; count -= 1) list.push(read());
    return list;
  }

  private event(): SpanEvent {
    return { timeNs: this.time(), name: this.text(), attributes: this.attributes() };
  }

  private link(): SpanLink {
    return {
      traceId: this.text() as TraceId,
      spanId: this.text() as SpanId,
      attributes: this.attributes(),
    };
  }

  private attributes(): Attributes {
    const attributes: Record<string, AttributeValue> = {};
    for (let count = this.count(); count > 0; count -= 1) {
      const key = this.text();
      const value = this.value();
      // A plain assignment would set the prototype.
      if (key === '__proto__') Object.defineProperty(attributes, key, { value, enumerable: true });
      else attributes[key] = value;
    }
    return attributes;
  }

  private value(): AttributeValue {
    const tag = this.byte();
    return tag === TAG.list ? this.list(() => this.scalar(this.byte())) : this.scalar(tag);
  }

  private scalar(tag: number): string | number | bigint | boolean {
    switch (tag) {
      case TAG.text:
        return this.text();
      case TAG.int:
        return this.view.getInt32(this.skip(4), true);
      case TAG.double:
        return this.view.getFloat64(this.skip(8), true);
      case TAG.bigint:
        return this.view.getBigInt64(this.skip(8), true);
      case TAG.unsigned:
        return this.view.getBigUint64(this.skip(8), true);
      case TAG.yes:
        return true;
      case TAG.no:
        return false;
      default:
        throw new RangeError(`no value has the tag ${tag}`);
    }
  }

  private time(): Nanoseconds {
    return ns(this.view.getBigInt64(this.skip(8), true));
  }

  private id(): SpanId {
    return this.view.getBigUint64(this.skip(8)).toString(16).padStart(16, '0') as SpanId;
  }

  private text(): string {
    const number = this.count();
    if (number > 0) {
      const known = this.texts[number - 1];
      if (known === undefined) throw new RangeError(`there is no string ${number}`);
      return known;
    }
    const length = this.count();
    const start = this.skip(length);
    const text = decodeUtf8(this.bytes, start, start + length);
    this.texts.push(text);
    return text;
  }

  private count(): number {
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError('a count is too long');
  }

  private byte(): number {
    return this.view.getUint8(this.at++);
  }

  /** The position before; what is skipped must be there. */
  private skip(bytes: number): number {
    const before = this.at;
    this.at += bytes;
    if (this.at > this.bytes.length) throw new RangeError('the bytes end within a span');
    return before;
  }
}

function member<T>(list: readonly T[], at: number): T {
  const found = list[at];
  if (found === undefined) throw new RangeError(`${at} is not one of ${list.length}`);
  return found;
}
