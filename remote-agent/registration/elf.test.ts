import { describe, expect, it } from 'vitest';
import { exportedSymbol, fileOffset, parseElf, PT_TLS, segmentOf, staticTlsSymbol, type Bytes } from './elf';
import { CONTEXT_SYMBOL, contextSymbol, linkMapLayout, mainProgramLocation } from './location';
import { buildElf, type ElfParts } from './testing/elf';

const bytesOf = (data: Uint8Array): Bytes => ({
  read: (offset, length) =>
    data.subarray(Math.min(offset, data.length), Math.min(offset + length, data.length)),
});

const TLS = { address: 0x3000, memoryBytes: 0x28, align: 8 };
const CONTEXT = { name: CONTEXT_SYMBOL, value: 0x10, tls: true };

function file(parts: Partial<ElfParts>): Bytes {
  return bytesOf(buildElf({ tls: TLS, exported: [], table: [], hash: 'gnu', ...parts }));
}

function symbolIn(bytes: Bytes): unknown {
  const elf = parseElf(bytes);
  return elf === undefined ? undefined : contextSymbol(bytes, elf);
}

describe('the context symbol', () => {
  const others = ['a', 'errno', 'otel_thread_ctx_v2', 'otel_thread_ctx_v'].map((name) => ({
    name,
    value: 4,
    tls: true,
  }));

  it.each(['gnu', 'sysv'] as const)('is found among the exported ones by the %s hash table', (hash) => {
    expect(symbolIn(file({ hash, exported: [...others, CONTEXT] }))).toEqual({ value: 0x10, tls: true });
    expect(symbolIn(file({ hash, exported: [CONTEXT, ...others] }))).toEqual({ value: 0x10, tls: true });
    expect(symbolIn(file({ hash, exported: others }))).toBeUndefined();
  });

  it('is found in the full table when it is not exported', () => {
    expect(symbolIn(file({ table: [...others, CONTEXT] }))).toEqual({ value: 0x10, tls: true });
    expect(symbolIn(file({ table: others }))).toBeUndefined();
  });

  it('must be a thread-local variable that the file defines', () => {
    expect(symbolIn(file({ exported: [{ ...CONTEXT, tls: false }] }))).toBeUndefined();
    expect(symbolIn(file({ exported: [{ ...CONTEXT, defined: false }] }))).toBeUndefined();
    const without = file({ exported: [CONTEXT], tls: undefined });
    expect(symbolIn(without)).toBeUndefined();
  });
});

describe('the offset in a main program', () => {
  it.each([
    // memory bytes, alignment, start address → offset of the block's first byte
    [0x28, 8, 0x3000, -0x28],
    [0x28, 16, 0x3000, -0x30],
    [0x28, 64, 0x3000, -0x40],
    [0x28, 64, 0x3008, -0x38],
    [0x29, 1, 0x3000, -0x29],
    [0x28, 0, 0x3000, -0x28],
  ])('of a block of %i bytes, aligned to %i, at %i', (memoryBytes, align, address, start) => {
    const bytes = file({ tls: { address, memoryBytes, align }, exported: [CONTEXT] });
    const elf = parseElf(bytes);
    if (elf === undefined) throw new Error('not parsed');
    const location = mainProgramLocation(elf, CONTEXT);
    expect(location).toEqual({ kind: 'static', offset: start + 0x10 });
    // The block keeps its place within the alignment.
    if (align > 0) expect((((start - address) % align) + align) % align).toBe(0);
  });

  it('is none for a value beyond the block', () => {
    const bytes = file({ exported: [CONTEXT] });
    const elf = parseElf(bytes);
    if (elf === undefined) throw new Error('not parsed');
    expect(mainProgramLocation(elf, { value: 0x28, tls: true })).toBeUndefined();
  });
});

describe('what glibc tells debuggers', () => {
  const member = (name: string, offset: number) => ({
    name: `_thread_db_link_map_${name}`,
    data: new Uint8Array(new Uint32Array([64, 1, offset]).buffer),
  });

  it('is read from the file', () => {
    const bytes = file({ constants: [member('l_tls_modid', 0x450), member('l_tls_offset', 0x448)] });
    const elf = parseElf(bytes);
    if (elf === undefined) throw new Error('not parsed');
    expect(linkMapLayout(bytes, elf)).toEqual({ module: 0x450, offset: 0x448 });
  });

  it('is nothing when half of it is missing', () => {
    const bytes = file({ constants: [member('l_tls_modid', 0x450)] });
    const elf = parseElf(bytes);
    if (elf === undefined) throw new Error('not parsed');
    expect(linkMapLayout(bytes, elf)).toBeUndefined();
  });
});

describe('damaged files', () => {
  const good = buildElf({ tls: TLS, exported: [CONTEXT], table: [CONTEXT], hash: 'gnu' });
  const read = (data: Uint8Array): void => {
    const bytes = bytesOf(data);
    const elf = parseElf(bytes);
    if (elf === undefined) return;
    segmentOf(elf, PT_TLS);
    fileOffset(elf, 0x1000);
    exportedSymbol(bytes, elf, CONTEXT_SYMBOL);
    staticTlsSymbol(bytes, elf, CONTEXT_SYMBOL);
    linkMapLayout(bytes, elf);
  };

  it('are never an exception when they end early', () => {
    for (let length = 0; length < good.length; length++) read(good.subarray(0, length));
  });

  it('are never an exception when bytes are wrong, and are read in bounded time', () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 3000; round++) {
      const data = good.slice();
      for (let i = 0; i <= random(8); i++)
        data[random(data.length)] = [0, 1, 0x7f, 0x80, 0xff][random(5)] ?? 0;
      read(data);
    }
  });
});
