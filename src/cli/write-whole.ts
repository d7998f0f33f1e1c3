import { rename, rm, writeFile } from 'node:fs/promises';
import { SkuaError } from '../../common/base/errors';

/** Writes a file completely or not at all: what had that name before stays until then. Throws `disk-full` or `export-failed`. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    await writeFile(partial, bytes);
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new SkuaError(
      {
        code: full ? 'disk-full' : 'export-failed',
        message: `The trace could not be written to ${path}: ${cause instanceof Error ? cause.message : String(cause)}.`,
        remedy: full
          ? 'Free some space, or choose another file with --output.'
          : 'Choose another file with --output.',
      },
      { cause },
    );
  }
}
