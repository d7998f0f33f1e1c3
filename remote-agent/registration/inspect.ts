/** Finds where a running process has its context pointer: reads its files and, for libraries, its memory. */
import { closeSync, openSync, readSync, readFileSync, readlinkSync } from 'node:fs';
import type { Bytes, Elf, Symbol } from './elf';
import { parseElf } from './elf';
import {
  contextSymbol,
  dynamicAddress,
  libraryLocation,
  linkMapLayout,
  linkMaps,
  mainProgramLocation,
  type LinkMapLayout,
  type Location,
  type ReadWord,
} from './location';
import { mappedFiles, type MappedFile } from './maps';

export type Inspection =
  | { readonly state: 'found'; readonly location: Location; readonly path: string }
  /** No mapped file has the variable. */
  | { readonly state: 'none' }
  /** A library has it, and its place cannot be told: yet, or with this C library. */
  | { readonly state: 'unknown'; readonly path: string; readonly why: string };

/** What is worth knowing of a file, kept because it is asked for again and again. */
interface FileFacts {
  readonly elf: Elf;
  readonly symbol: Symbol | undefined;
  readonly layout: LinkMapLayout | undefined;
}

const MAX_CACHED_FILES = 2000;

export class Inspector {
  private readonly files = new Map<string, FileFacts | undefined>();

  /** Throws only when the process is gone or not ours to look at. */
  inspect(pid: number): Inspection {
    const maps = mappedFiles(readFileSync(`/proc/${pid}/maps`, 'latin1'));
    const program = readlinkSync(`/proc/${pid}/exe`);
    const main = maps.find(({ path }) => path === program);
    const mainFacts = this.facts(main?.identity ?? `exe ${program}`, `/proc/${pid}/exe`);
    if (mainFacts?.symbol !== undefined) {
      const location = mainProgramLocation(mainFacts.elf, mainFacts.symbol);
      if (location !== undefined) return { state: 'found', location, path: program };
    }
    const libraries = maps
      .filter((file) => file.path !== program)
      .map((file) => ({ file, facts: this.facts(file.identity, `/proc/${pid}/root${file.path}`) }))
      .filter((each): each is { file: MappedFile; facts: FileFacts } => each.facts !== undefined);
    const owner = libraries.find(({ facts }) => facts.symbol !== undefined);
    if (owner?.facts.symbol === undefined) return { state: 'none' };
    const unknown = (why: string): Inspection => ({ state: 'unknown', path: owner.file.path, why });
    const layout = libraries.find(({ facts }) => facts.layout !== undefined)?.facts.layout;
    if (layout === undefined)
      return unknown('the C library does not say where it keeps thread-local storage');
    if (main === undefined || mainFacts === undefined) return unknown('the main program is not mapped');
    const memory = openSync(`/proc/${pid}/mem`, 'r');
    try {
      const readWord = wordReader(memory);
      const mainDynamic = dynamicAddress(mainFacts.elf, mainFacts.elf.relocatable ? main.start : 0);
      const dynamic = dynamicAddress(owner.facts.elf, owner.file.start);
      const linkMap =
        mainDynamic === undefined || dynamic === undefined
          ? undefined
          : linkMaps(readWord, mainDynamic).get(dynamic);
      if (linkMap === undefined) return unknown('the dynamic loader does not list it');
      const location = libraryLocation(readWord, linkMap, layout, owner.facts.symbol);
      return location === undefined
        ? unknown('the dynamic loader has not placed it')
        : { state: 'found', location, path: owner.file.path };
    } finally {
      closeSync(memory);
    }
  }

  private facts(identity: string, path: string): FileFacts | undefined {
    if (this.files.has(identity)) return this.files.get(identity);
    const facts = readFacts(path);
    if (this.files.size >= MAX_CACHED_FILES) this.files.clear();
    this.files.set(identity, facts);
    return facts;
  }
}

/** The main program's variable in a file that is not running yet. */
export function programLocation(path: string): Location | undefined {
  const facts = readFacts(path);
  return facts?.symbol === undefined ? undefined : mainProgramLocation(facts.elf, facts.symbol);
}

function readFacts(path: string): FileFacts | undefined {
  let file;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined; // Not readable, or gone: then nothing is known of it.
  }
  try {
    const bytes = fileBytes(file);
    const elf = parseElf(bytes);
    if (elf === undefined) return undefined;
    return { elf, symbol: contextSymbol(bytes, elf), layout: linkMapLayout(bytes, elf) };
  } finally {
    closeSync(file);
  }
}

function fileBytes(file: number): Bytes {
  return {
    read: (offset, length) => {
      const data = new Uint8Array(length);
      try {
        return data.subarray(0, readSync(file, data, 0, length, offset));
      } catch {
        return data.subarray(0, 0); // An offset that no file can have, or a device that does not answer.
      }
    },
  };
}

function wordReader(memory: number): ReadWord {
  const data = new Uint8Array(8);
  const view = new DataView(data.buffer);
  return (address) => {
    try {
      // A bigint, because addresses of libraries need 47 bits.
      return readSync(memory, data, 0, 8, BigInt(address)) === 8 ? view.getBigUint64(0, true) : undefined;
    } catch {
      return undefined; // Not mapped.
    }
  };
}
