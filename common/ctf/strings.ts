import { decodeUtf8 } from '../base/utf8';

const SLOTS = 4096;
const LONGEST = 255;

/**
 * Makes strings from bytes. Kernel events repeat the same process names and paths, so recent short ASCII strings are kept in
 * a direct-mapped table and found again by hash and comparison, which is several times cheaper than making them anew.
 */
export class StringTable {
  /** Byte after the NUL of the last `terminated` string. */
  end = 0;
  private readonly slots: string[] = new Array<string>(SLOTS).fill('');

  /** The text from `start` to the NUL before `limit`. Throws RangeError when there is none. */
  terminated(bytes: Uint8Array, start: number, limit: number): string {
    let hash = 0x811c9dc5;
    let seen = 0;
    let at = start;
    for (; at < limit; at += 1) {
      const byte = bytes[at] as number;
      if (byte === 0) break;
      hash = Math.imul(hash ^ byte, 0x01000193);
      seen |= byte;
    }
    if (at >= limit) throw new RangeError('a string without end');
    this.end = at + 1;
    return this.lookUp(bytes, start, at, hash, seen);
  }

  /** The text in `length` bytes, up to the first NUL if there is one. The caller has checked that they are there. */
  fixed(bytes: Uint8Array, start: number, length: number): string {
    const limit = start + length;
    let hash = 0x811c9dc5;
    let seen = 0;
    let at = start;
    for (; at < limit; at += 1) {
      const byte = bytes[at] as number;
      if (byte === 0) break;
      hash = Math.imul(hash ^ byte, 0x01000193);
      seen |= byte;
    }
    return this.lookUp(bytes, start, at, hash, seen);
  }

  private lookUp(bytes: Uint8Array, start: number, end: number, hash: number, seen: number): string {
    const length = end - start;
    if (length === 0) return '';
    if (seen >= 0x80) return decodeUtf8(bytes, start, end);
    if (length > LONGEST) return ascii(bytes, start, end);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.slots[slot] as string;
    if (known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[start + i]) i += 1;
      if (i === length) return known;
    }
    return (this.slots[slot] = ascii(bytes, start, end));
  }
}

function ascii(bytes: Uint8Array, start: number, end: number): string {
  // apply() takes a limited number of arguments.
  if (end - start > 8192) return decodeUtf8(bytes, start, end);
  return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
}
