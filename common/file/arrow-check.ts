/**
 * Checks the skeleton of an Arrow file before apache-arrow takes it apart: that library trusts every count in the file, and a
 * single damaged one makes it loop for hours. Walks the footer and the messages
 * (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format) and in their FlatBuffers
 * (https://flatbuffers.dev/internals/) every count and length; reads beyond the end throw.
 */

const MAGIC = 'ARROW1';
/** Skua's schema has about 60 fields; other tools may add some. */
const MAX_FIELDS = 4096;
const HEADER = { dictionaryBatch: 2, recordBatch: 3 } as const;

/** Throws an Error that says what is wrong when the file is not an Arrow IPC file that is safe to read. */
export function checkArrowFile(bytes: Uint8Array): void {
  const text = (start: number): string => String.fromCharCode(...bytes.subarray(start, start + MAGIC.length));
  if (text(0) !== MAGIC) throw new Error('it does not begin with "ARROW1"');
  if (bytes.length < 24 || text(bytes.length - MAGIC.length) !== MAGIC) throw new Error('it is cut short');
  // ARROW1 · messages · footer · i32 length of the footer · ARROW1
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - MAGIC.length - 4;
  const footerLength = view.getUint32(end, true);
  if (footerLength > end - 8) throw new Error('its footer is longer than the file');
  const part = (start: number, length: number): FlatBuffer =>
    new FlatBuffer(new DataView(bytes.buffer, bytes.byteOffset + start, length), bytes.length);
  for (const { offset, headerBytes, bodyBytes } of part(end - footerLength, footerLength).checkFooter()) {
    if (headerBytes < 8 || offset + headerBytes + bodyBytes > end)
      throw new Error('a batch reaches beyond the file');
    if (view.getUint32(offset, true) !== 0xffff_ffff)
      throw new Error('a batch does not begin where it should');
    const length = view.getUint32(offset + 4, true);
    if (length > headerBytes - 8) throw new Error('the header of a batch has the wrong length');
    part(offset + 8, length).checkMessage(bodyBytes);
  }
}

/** Where a message is, in bytes. */
interface Block {
  readonly offset: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
}

class FlatBuffer {
  private fields = 0;

  constructor(
    private readonly view: DataView,
    private readonly fileLength: number,
  ) {}

  /** Checks a `Footer`; returns the blocks of its dictionaries and batches. */
  checkFooter(): Block[] {
    const footer = this.table(0);
    this.checkSchema(this.table(this.present(footer, 1)));
    this.checkPairs(footer, 4);
    return [...this.blocks(footer, 2), ...this.blocks(footer, 3)];
  }

  private blocks(footer: number, index: number): Block[] {
    const field = this.field(footer, index);
    if (field === 0) return [];
    const { start, count } = this.vector(field, 24);
    return Array.from({ length: count }, (_none, i) => ({
      offset: this.length(start + i * 24),
      headerBytes: this.view.getUint32(start + i * 24 + 8, true),
      bodyBytes: this.length(start + i * 24 + 16),
    }));
  }

  /** Checks a `Message` of a dictionary or a batch. */
  checkMessage(blockBytes: number): void {
    const message = this.table(0);
    const type = this.view.getUint8(this.present(message, 1));
    const header = this.table(this.present(message, 2));
    const body = this.field(message, 3);
    const bodyLength = body === 0 ? 0 : this.length(body);
    if (bodyLength > blockBytes) throw new Error('a batch is longer than the footer says');
    if (type === HEADER.recordBatch) this.checkBatch(header, bodyLength);
    else if (type === HEADER.dictionaryBatch)
      this.checkBatch(this.table(this.present(header, 1)), bodyLength);
    else throw new Error(`a message of type ${type}`);
    this.checkPairs(message, 4);
  }

  private checkSchema(schema: number): void {
    this.checkFields(schema, 1, 0);
    this.checkPairs(schema, 2);
  }

  private checkFields(owner: number, index: number, depth: number): void {
    if (depth > 16) throw new Error('columns nested too deep');
    this.eachTable(owner, index, (column) => {
      this.fields += 1;
      if (this.fields > MAX_FIELDS) throw new Error('too many columns');
      this.checkFields(column, 5, depth + 1);
      this.checkPairs(column, 6);
    });
  }

  /** Custom metadata: key and value strings. */
  private checkPairs(owner: number, index: number): void {
    this.eachTable(owner, index, (pair) => {
      for (const part of [0, 1]) {
        const field = this.field(pair, part);
        if (field !== 0) this.vector(field, 1);
      }
    });
  }

  private checkBatch(batch: number, bodyLength: number): void {
    const rows = this.field(batch, 0);
    if (rows !== 0) this.length(rows);
    const nodes = this.vector(this.present(batch, 1), 16);
    for (let i = 0; i < nodes.count; i += 1) {
      const length = this.length(nodes.start + i * 16);
      const nulls = this.length(nodes.start + i * 16 + 8);
      if (nulls > length) throw new Error('a column with more nulls than rows');
    }
    const buffers = this.vector(this.present(batch, 2), 16);
    for (let i = 0; i < buffers.count; i += 1) {
      const offset = this.length(buffers.start + i * 16);
      const length = this.length(buffers.start + i * 16 + 8);
      if (offset + length > bodyLength) throw new Error('a column reaches beyond its batch');
    }
    if (this.field(batch, 3) !== 0) throw new Error('it is compressed, which Skua does not write');
  }

  /** Position of the table that the offset at `at` leads to. */
  private table(at: number): number {
    const table = at + this.view.getUint32(at, true);
    this.view.getInt32(table, true);
    return table;
  }

  /** Position of a field of a table; 0 when the table leaves it out. */
  private field(table: number, index: number): number {
    const vtable = table - this.view.getInt32(table, true);
    const size = this.view.getUint16(vtable, true);
    const entry = 4 + 2 * index;
    if (entry + 2 > size) return 0;
    const offset = this.view.getUint16(vtable + entry, true);
    return offset === 0 ? 0 : table + offset;
  }

  private present(table: number, index: number): number {
    const field = this.field(table, index);
    if (field === 0) throw new Error('a header that lacks a part');
    return field;
  }

  private vector(at: number, itemBytes: number): { readonly start: number; readonly count: number } {
    const start = at + this.view.getUint32(at, true);
    const count = this.view.getUint32(start, true);
    if (start + 4 + count * itemBytes > this.view.byteLength)
      throw new Error('a list that is longer than its message');
    return { start: start + 4, count };
  }

  private eachTable(owner: number, index: number, visit: (table: number) => void): void {
    const field = this.field(owner, index);
    if (field === 0) return;
    const { start, count } = this.vector(field, 4);
    for (let i = 0; i < count; i += 1) visit(this.table(start + i * 4));
  }

  /** An i64 that counts rows or bytes: neither is ever more than the file has bytes. */
  private length(at: number): number {
    const value = this.view.getBigInt64(at, true);
    if (value < 0n || value > BigInt(this.fileLength)) throw new Error('a length that cannot be right');
    return Number(value);
  }
}
