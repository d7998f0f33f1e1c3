/**
 * The little of ELF that finding a thread-local variable takes: segments, and one symbol by name. x86-64 only. Files may be damaged or
 * change while they are read: whatever does not hold together is "not found", never an exception.
 *
 * References: System V ABI, chapters 4 and 5; for the GNU hash table, glibc's elf/dl-lookup.c.
 */

/** A file or a piece of memory. `read` returns fewer bytes than asked for where there are no more. */
export interface Bytes {
  read(offset: number, length: number): Uint8Array;
}

export interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly align: number;
}

export interface Elf {
  /** False for ET_EXEC, which is loaded where it says. */
  readonly relocatable: boolean;
  readonly segments: readonly Segment[];
  readonly sections: { readonly offset: number; readonly count: number; readonly entryBytes: number };
}

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_TLS = 7;

const ET_EXEC = 2;
const ET_DYN = 3;
const EM_X86_64 = 62;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const SYMBOL_BYTES = 24;
const SECTION_BYTES = 64;
const MAX_SEGMENTS = 256;
const MAX_SECTIONS = 65_536;
const MAX_SYMBOLS = 16_000_000;
const MAX_READ_BYTES = 1 << 24;
/** Symbols looked at in one read. */
const CHUNK = 32_768;

const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_GNU_HASH = 0x6ffffef5;
const SHT_SYMTAB = 2;
const STT_TLS = 6;

export interface Symbol {
  readonly value: number;
  readonly tls: boolean;
}

/** An address or size that fits a number exactly; undefined for anything a sound file does not have. */
function word(view: DataView, at: number): number | undefined {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

function viewOf(bytes: Bytes, offset: number, length: number): DataView | undefined {
  if (length > MAX_READ_BYTES) return undefined;
  const data = bytes.read(offset, length);
  return data.length === length ? new DataView(data.buffer, data.byteOffset, length) : undefined;
}

/** Returns undefined for anything but a 64-bit little-endian x86-64 program or library. */
export function parseElf(bytes: Bytes): Elf | undefined {
  const header = viewOf(bytes, 0, HEADER_BYTES);
  if (header?.getUint32(0, false) !== 0x7f454c46) return undefined;
  // 64-bit, little-endian.
  if (header.getUint8(4) !== 2 || header.getUint8(5) !== 1) return undefined;
  const type = header.getUint16(16, true);
  if ((type !== ET_EXEC && type !== ET_DYN) || header.getUint16(18, true) !== EM_X86_64) return undefined;
  const segmentTable = word(header, 32);
  const count = header.getUint16(56, true);
  if (segmentTable === undefined || header.getUint16(54, true) !== SEGMENT_BYTES || count > MAX_SEGMENTS)
    return undefined;
  const table = viewOf(bytes, segmentTable, count * SEGMENT_BYTES);
  if (table === undefined) return undefined;
  const segments: Segment[] = [];
  for (let at = 0; at < table.byteLength; at += SEGMENT_BYTES) {
    const [offset, address, fileBytes, memoryBytes, align] = [8, 16, 32, 40, 48].map((field) =>
      word(table, at + field),
    );
    if (offset === undefined || address === undefined || fileBytes === undefined) continue;
    if (memoryBytes === undefined || align === undefined) continue;
    segments.push({ type: table.getUint32(at, true), offset, address, fileBytes, memoryBytes, align });
  }
  const sectionTable = word(header, 40) ?? 0;
  const sections = {
    offset: sectionTable,
    count: sectionTable === 0 ? 0 : Math.min(header.getUint16(60, true), MAX_SECTIONS),
    entryBytes: header.getUint16(58, true),
  };
  return { relocatable: type === ET_DYN, segments, sections };
}

export function segmentOf(elf: Elf, type: number): Segment | undefined {
  return elf.segments.find((segment) => segment.type === type);
}

/** Where in the file a virtual address of the image is. */
export function fileOffset(elf: Elf, address: number): number | undefined {
  const segment = elf.segments.find(
    (s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.fileBytes,
  );
  return segment === undefined ? undefined : address - segment.address + segment.offset;
}

/** A symbol that other modules can see: looked up as the dynamic loader does, by hash. */
export function exportedSymbol(bytes: Bytes, elf: Elf, name: string): Symbol | undefined {
  const tables = dynamicTables(bytes, elf);
  if (tables === undefined) return undefined;
  const found =
    tables.gnuHash === undefined
      ? lookupHash(bytes, tables, name)
      : lookupGnuHash(bytes, tables, tables.gnuHash, name);
  return found;
}

/** A symbol of the full table, which a stripped file does not have. Only thread-local ones are looked for. */
export function staticTlsSymbol(bytes: Bytes, elf: Elf, name: string): Symbol | undefined {
  const section = (index: number): DataView | undefined =>
    index < elf.sections.count && elf.sections.entryBytes === SECTION_BYTES
      ? viewOf(bytes, elf.sections.offset + index * SECTION_BYTES, SECTION_BYTES)
      : undefined;
  for (let index = 0; index < elf.sections.count; index++) {
    const header = section(index);
    if (header?.getUint32(4, true) !== SHT_SYMTAB) continue;
    const strings = section(header.getUint32(40, true));
    const offset = word(header, 24);
    const size = word(header, 32);
    const stringOffset = strings === undefined ? undefined : word(strings, 24);
    if (offset === undefined || size === undefined || stringOffset === undefined) return undefined;
    const count = Math.min(Math.floor(size / SYMBOL_BYTES), MAX_SYMBOLS);
    for (let first = 0; first < count; first += CHUNK) {
      const length = Math.min(CHUNK, count - first) * SYMBOL_BYTES;
      const chunk = viewOf(bytes, offset + first * SYMBOL_BYTES, length);
      if (chunk === undefined) return undefined;
      for (let at = 0; at < length; at += SYMBOL_BYTES) {
        // Thread-local ones are few: hardly any name is ever read.
        if ((chunk.getUint8(at + 4) & 0xf) !== STT_TLS) continue;
        const symbol = readSymbol(chunk, at);
        if (symbol !== undefined && nameIs(bytes, stringOffset + chunk.getUint32(at, true), name))
          return symbol;
      }
    }
  }
  return undefined;
}

interface DynamicTables {
  /** File offsets. */
  readonly symbols: number;
  readonly strings: number;
  readonly hash: number | undefined;
  readonly gnuHash: number | undefined;
}

function dynamicTables(bytes: Bytes, elf: Elf): DynamicTables | undefined {
  const dynamic = segmentOf(elf, PT_DYNAMIC);
  if (dynamic === undefined) return undefined;
  const entries = viewOf(bytes, dynamic.offset, dynamic.fileBytes - (dynamic.fileBytes % 16));
  if (entries === undefined) return undefined;
  const offsets = new Map<number, number | undefined>();
  for (let at = 0; at < entries.byteLength; at += 16) {
    const tag = word(entries, at);
    const value = word(entries, at + 8);
    if (tag === 0) break;
    if (tag !== undefined && value !== undefined) offsets.set(tag, fileOffset(elf, value));
  }
  const symbols = offsets.get(DT_SYMTAB);
  const strings = offsets.get(DT_STRTAB);
  if (symbols === undefined || strings === undefined) return undefined;
  return { symbols, strings, hash: offsets.get(DT_HASH), gnuHash: offsets.get(DT_GNU_HASH) };
}

/** An undefined symbol (of another module) is not one. */
function readSymbol(view: DataView, at: number): Symbol | undefined {
  const value = word(view, at + 8);
  if (value === undefined || view.getUint16(at + 6, true) === 0) return undefined;
  return { value, tls: (view.getUint8(at + 4) & 0xf) === STT_TLS };
}

function nameIs(bytes: Bytes, offset: number, name: string): boolean {
  const text = bytes.read(offset, name.length + 1);
  return (
    text.length === name.length + 1 &&
    text[name.length] === 0 &&
    Array.from(name, (c) => c.charCodeAt(0)).every((code, i) => text[i] === code)
  );
}

function symbolNamed(bytes: Bytes, tables: DynamicTables, index: number, name: string): Symbol | undefined {
  const view = viewOf(bytes, tables.symbols + index * SYMBOL_BYTES, SYMBOL_BYTES);
  if (view === undefined || !nameIs(bytes, tables.strings + view.getUint32(0, true), name)) return undefined;
  return readSymbol(view, 0);
}

/** DT_GNU_HASH: nbuckets, first symbol, bloom words, bloom shift; bloom filter; buckets; chains. */
function lookupGnuHash(bytes: Bytes, tables: DynamicTables, at: number, name: string): Symbol | undefined {
  const header = viewOf(bytes, at, 16);
  if (header === undefined) return undefined;
  const [buckets, first, bloomWords] = [0, 4, 8].map((field) => header.getUint32(field, true));
  if (buckets === undefined || buckets === 0 || first === undefined || bloomWords === undefined)
    return undefined;
  let hash = 5381;
  for (const character of name) hash = (Math.imul(hash, 33) + character.charCodeAt(0)) >>> 0;
  const bucketTable = at + 16 + bloomWords * 8;
  const chainTable = bucketTable + buckets * 4;
  let index = viewOf(bytes, bucketTable + (hash % buckets) * 4, 4)?.getUint32(0, true) ?? 0;
  if (index < first) return undefined;
  for (let steps = 0; steps < MAX_SYMBOLS; steps++, index++) {
    const link = viewOf(bytes, chainTable + (index - first) * 4, 4)?.getUint32(0, true);
    if (link === undefined) return undefined;
    // The lowest bit of a link ends the chain.
    if ((link | 1) >>> 0 === (hash | 1) >>> 0) {
      const symbol = symbolNamed(bytes, tables, index, name);
      if (symbol !== undefined) return symbol;
    }
    if ((link & 1) !== 0) return undefined;
  }
  return undefined;
}

/** DT_HASH, or no hash table at all: every symbol it counts. */
function lookupHash(bytes: Bytes, tables: DynamicTables, name: string): Symbol | undefined {
  if (tables.hash === undefined) return undefined;
  const count = viewOf(bytes, tables.hash, 8)?.getUint32(4, true) ?? 0;
  for (let index = 1; index < Math.min(count, MAX_SYMBOLS); index++) {
    const symbol = symbolNamed(bytes, tables, index, name);
    if (symbol !== undefined) return symbol;
  }
  return undefined;
}
