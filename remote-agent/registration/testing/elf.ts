/**
 * Writes small ELF libraries for tests: one PT_LOAD with everything in it, dynamic symbols with either hash table, the full symbol table,
 * section headers. File offset and address are the same.
 */
export interface TestSymbol {
  readonly name: string;
  readonly value: number;
  readonly tls: boolean;
  /** False: of another module. */
  readonly defined?: boolean;
}

export interface ElfParts {
  readonly tls:
    { readonly address: number; readonly memoryBytes: number; readonly align: number } | undefined;
  readonly exported: readonly TestSymbol[];
  /** Of .symtab. */
  readonly table: readonly TestSymbol[];
  readonly hash: 'gnu' | 'sysv';
  /** Exported data objects, with their content. */
  readonly constants?: readonly { readonly name: string; readonly data: Uint8Array }[];
}

const BUCKETS = 2;

function gnuHash(name: string): number {
  let hash = 5381;
  for (const character of name) hash = (Math.imul(hash, 33) + character.charCodeAt(0)) >>> 0;
  return hash;
}

/** Strings one after the other, each ended by a zero, the first one empty. */
class Strings {
  private readonly bytes: number[] = [0];

  add(text: string): number {
    const at = this.bytes.length;
    this.bytes.push(...new TextEncoder().encode(text), 0);
    return at;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

function symbolTable(symbols: readonly TestSymbol[], strings: Strings): Uint8Array {
  const view = new DataView(new ArrayBuffer((symbols.length + 1) * 24));
  symbols.forEach((symbol, i) => {
    const at = (i + 1) * 24;
    view.setUint32(at, strings.add(symbol.name), true);
    view.setUint8(at + 4, (1 << 4) | (symbol.tls ? 6 : 1));
    view.setUint16(at + 6, symbol.defined === false ? 0 : 1, true);
    view.setBigUint64(at + 8, BigInt(symbol.value), true);
  });
  return new Uint8Array(view.buffer);
}

/** Symbols of a GNU hash table stand in the order of their buckets; one bloom word that lets everything through. */
function gnuTable(symbols: readonly TestSymbol[]): Uint8Array {
  const words = [BUCKETS, 1, 1, 0, 0xffffffff, 0xffffffff];
  const bucketOf = (symbol: TestSymbol): number => gnuHash(symbol.name) % BUCKETS;
  for (let bucket = 0; bucket < BUCKETS; bucket++)
    words.push(symbols.findIndex((symbol) => bucketOf(symbol) === bucket) + 1);
  symbols.forEach((symbol, i) => {
    const next = symbols[i + 1];
    const last = next === undefined || bucketOf(next) !== bucketOf(symbol);
    words.push(((gnuHash(symbol.name) & ~1) | (last ? 1 : 0)) >>> 0);
  });
  return new Uint8Array(Uint32Array.from(words).buffer);
}

function section(type: number, offset: number, size: number, link: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(4, type, true);
  view.setBigUint64(24, BigInt(offset), true);
  view.setBigUint64(32, BigInt(size), true);
  view.setUint32(40, link, true);
  return new Uint8Array(view.buffer);
}

export function buildElf(parts: ElfParts): Uint8Array {
  const pieces: Uint8Array[] = [];
  const headerBytes = 64 + 56 * 3;
  let size = headerBytes;
  const place = (data: Uint8Array): number => {
    const padded = new Uint8Array(Math.ceil(data.length / 8) * 8);
    padded.set(data);
    pieces.push(padded);
    size += padded.length;
    return size - padded.length;
  };

  const constants = (parts.constants ?? []).map(({ name, data }) => ({
    name,
    value: place(data),
    tls: false,
  }));
  const exported = [...parts.exported, ...constants].sort(
    (a, b) => (gnuHash(a.name) % BUCKETS) - (gnuHash(b.name) % BUCKETS),
  );
  const names = new Strings();
  const symbols = place(symbolTable(exported, names));
  const strings = place(names.done());
  const hash = place(
    parts.hash === 'gnu'
      ? gnuTable(exported)
      : new Uint8Array(Uint32Array.from([0, exported.length + 1]).buffer),
  );
  const entries = [5, strings, 6, symbols, parts.hash === 'gnu' ? 0x6ffffef5 : 4, hash, 0, 0];
  const dynamic = place(new Uint8Array(BigUint64Array.from(entries, BigInt).buffer));
  const tableNames = new Strings();
  const table = symbolTable(parts.table, tableNames);
  const tableAt = place(table);
  const tableStrings = tableNames.done();
  const tableStringsAt = place(tableStrings);
  const sections = [
    section(0, 0, 0, 0),
    section(2, tableAt, table.length, 2),
    section(3, tableStringsAt, tableStrings.length, 0),
  ].map(place);

  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, 62, true);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, BigInt(sections[0] ?? 0), true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 3, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);
  const segment = (index: number, type: number, at: number, bytes: number, memory: number, align: number) => {
    const base = 64 + 56 * index;
    view.setUint32(base, type, true);
    [at, at, at, bytes, memory, align].forEach((value, i) => {
      view.setBigUint64(base + 8 + i * 8, BigInt(value), true);
    });
  };
  segment(0, 1, 0, size, size, 4096);
  segment(1, 2, dynamic, entries.length * 8, entries.length * 8, 8);
  if (parts.tls !== undefined) segment(2, 7, parts.tls.address, 0, parts.tls.memoryBytes, parts.tls.align);
  let at = headerBytes;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  return file;
}
