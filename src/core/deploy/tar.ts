/**
 * A minimal writer of POSIX ustar archives (IEEE Std 1003.1, pax, "ustar Interchange Format") with GNU's long-name entries for paths
 * over 100 bytes. Both GNU tar and busybox read them. Pure.
 */
export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string };

const BLOCK = 512;

/** The archive's blocks, in order. Owner ids and times are zero: extract with --no-same-owner --touch. */
export function* tarArchive(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) {
    const path = Buffer.from(entry.path, 'utf8');
    if (path.length > 100) yield* longEntry('L', path);
    if (entry.kind === 'symlink') {
      const target = Buffer.from(entry.target, 'utf8');
      if (target.length > 100) yield* longEntry('K', target);
      yield header(path, 0o777, 0, '2', target);
    } else {
      yield header(path, entry.mode, entry.data.length, '0');
      yield entry.data;
      yield padding(entry.data.length);
    }
  }
  yield Buffer.alloc(2 * BLOCK);
}

function* longEntry(type: 'L' | 'K', value: Buffer): Generator<Uint8Array> {
  yield header(Buffer.from('././@LongLink'), 0o644, value.length + 1, type);
  yield Buffer.concat([value, Buffer.alloc(1)]);
  yield padding(value.length + 1);
}

function padding(length: number): Uint8Array {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

function header(path: Buffer, mode: number, size: number, type: string, link?: Buffer): Buffer {
  const block = Buffer.alloc(BLOCK);
  path.copy(block, 0, 0, 100);
  octal(block, mode, 100, 8);
  octal(block, 0, 108, 8);
  octal(block, 0, 116, 8);
  octal(block, size, 124, 12);
  octal(block, 0, 136, 12);
  block.fill(' ', 148, 156);
  block.write(type, 156, 'latin1');
  link?.copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  // The checksum is the sum of all bytes with its own field taken as spaces.
  octal(
    block,
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

function octal(block: Buffer, value: number, at: number, width: number): void {
  block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
}
