/** Opens a saved CTF 1.8 trace from a folder. The decoding is pure: common/ctf/folder.ts. */
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { SkuaError } from '../../common/base/errors';
import { openSavedCtf, type SavedCtf, type StreamFile } from '../../common/ctf/folder';

export interface CtfFolder extends SavedCtf {
  /** Closes the files; idempotent. */
  dispose(): void;
}

/**
 * Opens the trace whose `metadata` file is in `folder`. Stream files are read a packet at a time. Throws SkuaError
 * `file-invalid` when there is no readable metadata file, `ctf-metadata-invalid` or `ctf-unknown-type`.
 */
export function openCtfFolder(folder: string): CtfFolder {
  let metadata: Buffer;
  let names: string[];
  try {
    metadata = readFileSync(join(folder, 'metadata'));
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'metadata' && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort();
  } catch (cause) {
    throw new SkuaError(
      {
        code: 'file-invalid',
        message: `"${folder}" is not a CTF trace: its file "metadata" cannot be read.`,
        remedy:
          'Choose the folder that holds the file "metadata" (for LTTng it is called "kernel" or "ust/…").',
      },
      { cause },
    );
  }
  const files = names.map((name) => openFile(join(folder, name), name));
  const dispose = (): void => {
    for (const file of files.splice(0)) file.close();
  };
  try {
    const saved = openSavedCtf(new Uint8Array(metadata), files);
    return { ...saved, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

function openFile(path: string, name: string): StreamFile & { close(): void } {
  const descriptor = openSync(path, 'r');
  return {
    name,
    size: fstatSync(descriptor).size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const got = readSync(descriptor, bytes, done, length - done, offset + done);
        if (got === 0) break; // The file became shorter meanwhile: the zeros that remain are no valid packet.
        done += got;
      }
      return bytes;
    },
    close() {
      closeSync(descriptor);
    },
  };
}
