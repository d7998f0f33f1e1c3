/**
 * Where every thread of a process finds its `otel_thread_ctx_v1` (OTEP 4947), relative to what the kernel knows of a thread.
 *
 *   main program       fs_base + offset        fixed when it was linked (TLS variant II of the x86-64 ABI)
 *   library, static    fs_base + offset        decided by the dynamic loader, l_tls_offset of its link map
 *   library, dynamic   dtv[module] + offset    l_tls_modid of its link map
 *
 * The two members of glibc's link map are not part of its public interface. Where they lie is told by two constants that glibc exports for
 * debuggers (libthread_db), so that no version has to be known here. musl has neither: there, only the main program's variable is found.
 */
import type { Bytes, Elf, Symbol } from './elf';
import { exportedSymbol, fileOffset, PT_DYNAMIC, PT_TLS, segmentOf, staticTlsSymbol } from './elf';

export const CONTEXT_SYMBOL = 'otel_thread_ctx_v1';

export type Location =
  | { readonly kind: 'static'; readonly offset: number }
  | { readonly kind: 'dtv'; readonly module: number; readonly offset: number };

/** The variable, wherever the file names it: exported, as OTEP 4947 demands, or in the symbol table that `strip` would remove. */
export function contextSymbol(bytes: Bytes, elf: Elf): Symbol | undefined {
  if (segmentOf(elf, PT_TLS) === undefined) return undefined;
  const symbol = exportedSymbol(bytes, elf, CONTEXT_SYMBOL) ?? staticTlsSymbol(bytes, elf, CONTEXT_SYMBOL);
  return symbol?.tls === true ? symbol : undefined;
}

/**
 * Offset from fs_base of a variable of the main program. The linker computed it so too: the block ends below fs_base, at the start
 * address's place within the alignment. The same for glibc and musl, static or not, position-independent or not.
 */
export function mainProgramLocation(elf: Elf, symbol: Symbol): Location | undefined {
  const tls = segmentOf(elf, PT_TLS);
  if (tls === undefined || symbol.value >= tls.memoryBytes) return undefined;
  const align = Math.max(1, tls.align);
  const below = -(tls.address + tls.memoryBytes);
  const padding = ((below % align) + align) % align;
  return { kind: 'static', offset: symbol.value - tls.memoryBytes - padding };
}

/** Byte offsets of members of glibc's struct link_map. */
export interface LinkMapLayout {
  readonly module: number;
  readonly offset: number;
}

const LAYOUT_SYMBOLS = {
  module: '_thread_db_link_map_l_tls_modid',
  offset: '_thread_db_link_map_l_tls_offset',
} as const;

/** What glibc tells debuggers, if this file is the library that does: u32 each, bits, count, offset of the member. */
export function linkMapLayout(bytes: Bytes, elf: Elf): LinkMapLayout | undefined {
  const member = (name: string): number | undefined => {
    const symbol = exportedSymbol(bytes, elf, name);
    const at = symbol === undefined ? undefined : fileOffset(elf, symbol.value);
    if (at === undefined) return undefined;
    const data = bytes.read(at, 12);
    if (data.length < 12) return undefined;
    const view = new DataView(data.buffer, data.byteOffset, 12);
    return view.getUint32(0, true) === 64 ? view.getUint32(8, true) : undefined;
  };
  const module = member(LAYOUT_SYMBOLS.module);
  const offset = member(LAYOUT_SYMBOLS.offset);
  return module === undefined || offset === undefined ? undefined : { module, offset };
}

const MAX_LINK_MAPS = 4096;
const MAX_DYNAMIC_ENTRIES = 1024;
const DT_DEBUG = 21;

/** Memory of a process as 64-bit words; undefined where it cannot be read. */
export type ReadWord = (address: number) => bigint | undefined;

function pointer(readWord: ReadWord, address: number): number | undefined {
  const value = readWord(address);
  return value !== undefined && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

/** Address of the main program's PT_DYNAMIC when it is loaded at `base` (0 for one that is not relocatable). */
export function dynamicAddress(elf: Elf, base: number): number | undefined {
  const dynamic = segmentOf(elf, PT_DYNAMIC);
  return dynamic === undefined ? undefined : base + dynamic.address;
}

/**
 * Addresses of the loader's link maps by the address of each module's PT_DYNAMIC. Empty as long as the loader has not got that far, and
 * in programs without one. The list is r_debug's: modules in other namespaces (dlmopen) are not in it.
 */
export function linkMaps(readWord: ReadWord, mainDynamic: number): ReadonlyMap<number, number> {
  const maps = new Map<number, number>();
  let debug = 0;
  for (let i = 0; i < MAX_DYNAMIC_ENTRIES; i++) {
    const tag = readWord(mainDynamic + i * 16);
    if (tag === undefined || tag === 0n) break;
    if (tag === BigInt(DT_DEBUG)) debug = pointer(readWord, mainDynamic + i * 16 + 8) ?? 0;
  }
  if (debug === 0) return maps;
  // struct r_debug: version, r_map. struct link_map: l_addr, l_name, l_ld, l_next.
  let map = pointer(readWord, debug + 8) ?? 0;
  for (let i = 0; map !== 0 && i < MAX_LINK_MAPS; i++) {
    const dynamic = pointer(readWord, map + 16);
    if (dynamic !== undefined) maps.set(dynamic, map);
    map = pointer(readWord, map + 24) ?? 0;
  }
  return maps;
}

/** l_tls_offset of a module whose block has no fixed place, and of one that must not have one. */
const NO_TLS_OFFSET = 0n;
const FORCED_DYNAMIC_TLS_OFFSET = 0xffff_ffff_ffff_ffffn;

/** Where a library's variable is; undefined while the loader has not decided. */
export function libraryLocation(
  readWord: ReadWord,
  linkMap: number,
  layout: LinkMapLayout,
  symbol: Symbol,
): Location | undefined {
  const fixed = readWord(linkMap + layout.offset);
  const module = pointer(readWord, linkMap + layout.module);
  if (fixed === undefined || module === undefined || module === 0) return undefined;
  if (fixed === NO_TLS_OFFSET || fixed === FORCED_DYNAMIC_TLS_OFFSET)
    return { kind: 'dtv', module, offset: symbol.value };
  if (fixed > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { kind: 'static', offset: symbol.value - Number(fixed) };
}
