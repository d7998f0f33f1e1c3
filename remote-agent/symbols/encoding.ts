/** Bytes of the helper's protocol (docs/source-lines.md), in both directions. Pure. */
import type { StackFrame } from '../../common/model/span';
import {
  STACK_ENDS,
  type ExecutableMapping,
  type SourcePosition,
  type StackEnd,
  type StackSample,
  type SymbolizedStack,
} from './types';

export const HELPER_PROTOCOL_VERSION = 1;
/** The helper refuses longer requests, and so does the reader of its answers. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

const REQUEST_MAPPING = 1;
const REQUEST_FORGET = 2;
const REQUEST_SYMBOLIZE = 3;
/** Longest path that Linux hands out, and a recorded stack is never longer than this. */
const MAX_PATH_BYTES = 4096;
const MAX_SAMPLE_BYTES = 65_536;

function request(type: number, bodyBytes: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(5 + bodyBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 1 + bodyBytes, true);
  view.setUint8(4, type);
  return { bytes, view };
}

export function encodeMapping(pid: number, mapping: ExecutableMapping): Uint8Array {
  const path = new TextEncoder().encode(mapping.path).subarray(0, MAX_PATH_BYTES);
  const { bytes, view } = request(REQUEST_MAPPING, 36 + path.length);
  view.setUint32(5, pid, true);
  view.setBigUint64(9, mapping.start, true);
  view.setBigUint64(17, mapping.end, true);
  view.setBigUint64(25, mapping.pgoff, true);
  view.setBigUint64(33, mapping.ino, true);
  bytes.set(path, 41);
  return bytes;
}

export function encodeForget(pid: number): Uint8Array {
  const { bytes, view } = request(REQUEST_FORGET, 4);
  view.setUint32(5, pid, true);
  return bytes;
}

/** `batch` comes back in the answer. Samples over 64 KiB are cut: the stack is then shorter, which the unwinder reports. */
export function encodeSymbolize(batch: number, samples: readonly StackSample[]): Uint8Array {
  const stacks = samples.map((sample) => sample.bytes.subarray(0, MAX_SAMPLE_BYTES));
  const { bytes, view } = request(
    REQUEST_SYMBOLIZE,
    stacks.reduce((sum, stack) => sum + 8 + stack.length, 8),
  );
  view.setUint32(5, batch, true);
  view.setUint32(9, samples.length, true);
  let at = 13;
  samples.forEach((sample, index) => {
    const stack = stacks[index] as Uint8Array;
    view.setUint32(at, sample.pid, true);
    view.setUint32(at + 4, stack.length, true);
    bytes.set(stack, at + 8);
    at += 8 + stack.length;
  });
  return bytes;
}

/** Reassembles the helper's answers from chunks of any size. Throws on a length that cannot be right. */
export class AnswerReader {
  private chunks: Uint8Array[] = [];
  private buffered = 0;
  private wanted: number | undefined;
  private readonly decoder = new TextDecoder();

  push(chunk: Uint8Array): unknown[] {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    const answers: unknown[] = [];
    for (;;) {
      if (this.wanted === undefined) {
        if (this.buffered < 4) return answers;
        const head = this.take(4);
        this.wanted = new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
        if (this.wanted > 16 * MAX_MESSAGE_BYTES) throw new Error(`Answer of ${String(this.wanted)} bytes.`);
      }
      if (this.buffered < this.wanted) return answers;
      answers.push(JSON.parse(this.decoder.decode(this.take(this.wanted))));
      this.wanted = undefined;
    }
  }

  /** Precondition: that many bytes are buffered. */
  private take(count: number): Uint8Array {
    const taken = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const chunk = this.chunks[0] as Uint8Array;
      const part = chunk.subarray(0, count - filled);
      taken.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) this.chunks.shift();
      else this.chunks[0] = chunk.subarray(part.length);
    }
    this.buffered -= count;
    return taken;
  }
}

/** What the helper says first. */
export interface HelperHello {
  readonly protocol: number;
  readonly libdw: string;
}

export interface HelperLocation {
  readonly id: number;
  readonly module: string;
  readonly frames: readonly {
    readonly inlined: boolean;
    readonly function?: string;
    readonly file?: string;
    readonly line?: number;
    readonly column?: number;
  }[];
}

export interface HelperAnswer {
  readonly batch: number;
  /** Files that were found changed since the last answer. */
  readonly changed?: readonly string[];
  /** Locations that were not in an earlier answer of the same helper process. */
  readonly locations: readonly HelperLocation[];
  readonly stacks: readonly {
    readonly end: string;
    /** `[address, location id]`, id 0 where nothing is known about the address. */
    readonly frames: readonly (readonly [string, number])[];
    readonly source?: number;
    readonly unknown?: string;
    /** Unwound by something that call sites do not cover. */
    readonly once?: true;
  }[];
}

/** Puts stacks together from location ids. One per helper process: ids mean nothing in another. */
export class LocationTable {
  private readonly locations = new Map<number, HelperLocation>();

  resolve(answer: HelperAnswer): SymbolizedStack[] {
    for (const location of answer.locations) this.locations.set(location.id, location);
    return answer.stacks.map((stack) => {
      const source: SourcePosition =
        stack.source === undefined
          ? { known: false, reason: stack.unknown ?? 'helper-failed' }
          : { known: true, frame: stack.source };
      return {
        frames: stack.frames.flatMap(([address, id]) => this.frames(address, id)),
        end: isStackEnd(stack.end) ? stack.end : 'helper-failed',
        source,
        reusable: stack.once !== true,
      };
    });
  }

  private frames(address: string, id: number): readonly StackFrame[] {
    const location = this.locations.get(id);
    if (location === undefined) return [{ address, inlined: false }];
    return location.frames.map((frame) => ({ address, module: location.module, ...frame }));
  }
}

function isStackEnd(text: string): text is StackEnd {
  return (STACK_ENDS as readonly string[]).includes(text);
}
