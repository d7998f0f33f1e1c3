/** Columns of an Arrow record batch from plain values, and back, without losing 64-bit integers or trusting the file. */
import {
  Dictionary,
  Field,
  Int32,
  makeData,
  makeVector,
  Map_,
  Struct,
  TimestampNanosecond,
  Utf8,
} from 'apache-arrow';
import type { Data, DataType, Vector, List } from 'apache-arrow';
import { decodeUtf8, encodeUtf8 } from '../base/utf8';

export const UTF8 = new Utf8();
export const TIMESTAMP = new TimestampNanosecond('UTC');
const ENTRY = new Struct<{ key: Utf8; value: Utf8 }>([
  new Field('key', UTF8, false),
  new Field('value', UTF8, true),
]);
export const MAP = new Map_(new Field('entries', ENTRY, false));

/** A text column; undefined is null. */
export function utf8Column(values: readonly (string | undefined)[]): Data<Utf8> {
  const offsets = new Int32Array(values.length + 1);
  const validity = new Validity(values.length);
  let bytes = new Uint8Array(Math.max(64, values.length * 16));
  let at = 0;
  values.forEach((value, i) => {
    if (value === undefined) validity.setNull(i);
    else {
      // At most three bytes for each UTF-16 unit.
      if (bytes.length < at + value.length * 3) {
        const larger = new Uint8Array(Math.max(bytes.length * 2, at + value.length * 3));
        larger.set(bytes);
        bytes = larger;
      }
      at = encodeUtf8(value, bytes, at);
    }
    offsets[i + 1] = at;
  });
  return makeData({
    type: UTF8,
    length: values.length,
    ...validity.buffers,
    valueOffsets: offsets,
    data: bytes.subarray(0, at),
  });
}

/** Nanoseconds since the Unix epoch; undefined is null. */
export function timeColumn(values: readonly (bigint | undefined)[]): Data<TimestampNanosecond> {
  const validity = new Validity(values.length);
  const data = new BigInt64Array(values.length);
  values.forEach((value, i) => {
    if (value === undefined) validity.setNull(i);
    else data[i] = value;
  });
  return makeData({ type: TIMESTAMP, length: values.length, ...validity.buffers, data });
}

/** A text column whose values repeat; the dictionary is shared by the batches of a file, as Arrow's file format demands. */
export class TextDictionary {
  readonly type: Dictionary<Utf8, Int32>;
  private readonly indexes = new Map<string, number>();
  private vector: Vector<Utf8> | undefined;

  constructor(id: number) {
    this.type = new Dictionary(UTF8, new Int32(), id);
  }

  add(value: string): void {
    if (!this.indexes.has(value)) this.indexes.set(value, this.indexes.size);
  }

  /** A column of values that have all been added before. */
  column(values: readonly string[]): Data<Dictionary<Utf8, Int32>> {
    this.vector ??= makeVector(utf8Column([...this.indexes.keys()]));
    const data = Int32Array.from(values, (value) => this.indexes.get(value) as number);
    return makeData({ type: this.type, length: values.length, nullCount: 0, data, dictionary: this.vector });
  }
}

/** A list column: `offsets` has one more entry than there are rows, and says where each row's items are in `child`. */
export function listColumn<T extends DataType>(
  type: List<T>,
  offsets: Int32Array,
  child: Data<T>,
): Data<List<T>> {
  return makeData({ type, length: offsets.length - 1, nullCount: 0, valueOffsets: offsets, child });
}

/** A map of texts, from each row's pairs. */
export function mapColumn(rows: readonly (readonly (readonly [string, string])[])[]): Data<Map_> {
  const offsets = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => (offsets[i + 1] = (offsets[i] as number) + row.length));
  const pairs = rows.flat();
  const entries = makeData({
    type: ENTRY,
    length: pairs.length,
    nullCount: 0,
    children: [utf8Column(pairs.map(([key]) => key)), utf8Column(pairs.map(([, value]) => value))],
  });
  return makeData({
    type: MAP,
    length: rows.length,
    nullCount: 0,
    valueOffsets: offsets,
    child: entries as never,
  });
}

/** Arrow's validity bitmap: a zero bit is null. Left out when nothing is null. */
class Validity {
  private bitmap: Uint8Array | undefined;
  private nulls = 0;

  constructor(private readonly length: number) {}

  setNull(index: number): void {
    this.bitmap ??= new Uint8Array(Math.ceil(this.length / 8)).fill(0xff);
    this.bitmap[index >> 3] = (this.bitmap[index >> 3] as number) & ~(1 << (index & 7));
    this.nulls += 1;
  }

  get buffers(): { readonly nullCount: number; readonly nullBitmap?: Uint8Array } {
    return this.bitmap === undefined ? { nullCount: 0 } : { nullCount: this.nulls, nullBitmap: this.bitmap };
  }
}

function isNull(data: Data, index: number): boolean {
  const bitmap = data.nullBitmap as Uint8Array | undefined;
  if (bitmap === undefined || bitmap.length === 0) return false;
  const at = data.offset + index;
  return (((bitmap[at >> 3] ?? 0xff) >> (at & 7)) & 1) === 0;
}

/** Checked offsets of a variable-length column: they rise and stay within `limit`. */
function checkedOffsets(data: Data, limit: number): Int32Array {
  const offsets = data.valueOffsets as Int32Array | undefined;
  if (offsets === undefined || offsets.length < data.length + 1) {
    if (data.length === 0) return new Int32Array(1);
    throw new Error('a column without offsets');
  }
  let before = 0;
  for (let i = 0; i <= data.length; i += 1) {
    const offset = offsets[i] as number;
    if (offset < before || offset > limit) throw new Error('offsets of a column that do not fit its data');
    before = offset;
  }
  return offsets;
}

export function readUtf8(data: Data): (string | undefined)[] {
  const dictionary = data.dictionary;
  if (dictionary !== undefined) {
    const words = dictionary.data.flatMap((part: Data) => readUtf8(part));
    const indexes = data.values as ArrayLike<number>;
    return rows(data, (i) => {
      const index = indexes[i];
      if (index === undefined || index < 0 || index >= words.length)
        throw new Error('a value that its dictionary lacks');
      return words[index];
    });
  }
  const bytes = data.values as Uint8Array;
  if (!(bytes instanceof Uint8Array) && data.length > 0)
    throw new Error('a column that should be text is not');
  const offsets = checkedOffsets(data, data.length === 0 ? 0 : bytes.length);
  const start = offsets[0] as number;
  const end = offsets[data.length] as number;
  let ascii = true;
  for (let i = start; i < end && ascii; i += 1) ascii = (bytes[i] as number) < 0x80;
  // One string for the whole column, cut at the offsets, is several times faster than one decoding for each value.
  const all = ascii ? decodeUtf8(bytes, start, end) : undefined;
  return rows(data, (i) => {
    const [from, to] = [offsets[i] as number, offsets[i + 1] as number];
    return all === undefined ? decodeUtf8(bytes, from, to) : all.slice(from - start, to - start);
  });
}

export function readTimes(data: Data): (bigint | undefined)[] {
  const values = data.values as BigInt64Array;
  if (!(values instanceof BigInt64Array) && data.length > 0)
    throw new Error('a column that should be 64-bit time is not');
  return rows(data, (i) => {
    const value = values[i];
    if (value === undefined) throw new Error('a column that is shorter than its batch');
    return value;
  });
}

/** Splits the items of a list or map column by row. `items` are those of the child, already read. */
export function readList<T>(data: Data, items: readonly T[]): T[][] {
  const offsets = checkedOffsets(data, items.length);
  return Array.from({ length: data.length }, (_none, i) => items.slice(offsets[i], offsets[i + 1]));
}

export function readMap(data: Data): (readonly [string, string])[][] {
  const entries = child(data, 0);
  const keys = readUtf8(child(entries, 0));
  const values = readUtf8(child(entries, 1));
  if (values.length !== keys.length) throw new Error('a map whose keys and values differ in number');
  return readList(
    data,
    keys.map((key, i) => [key ?? '', values[i] ?? ''] as const),
  );
}

export function child(data: Data, index: number): Data {
  const found = data.children[index];
  if (found === undefined) throw new Error('a column that lacks a part');
  return found;
}

function rows<T>(data: Data, value: (index: number) => T): (T | undefined)[] {
  return Array.from({ length: data.length }, (_none, i) => (isNull(data, i) ? undefined : value(i)));
}
