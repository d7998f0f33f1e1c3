/** Keeps what a live session delivered as an ordinary CTF folder, which babeltrace2 and others can read. */
import { mkdirSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { SkuaError } from '../../common/base/errors';
import type { LiveStream } from '../../common/ctf/live-protocol';

export class CtfCopy {
  private readonly files = new Map<bigint, FileHandle>();

  constructor(private readonly folder: string) {}

  async dispose(): Promise<void> {
    for (const file of this.files.values()) await file.close();
    this.files.clear();
  }

  /** Appends a piece of metadata or a packet to its file. Throws SkuaError `disk-full` or `export-failed`. */
  async write(stream: LiveStream, bytes: Uint8Array): Promise<void> {
    // Names come from the relay daemon: nothing in them may lead out of the folder.
    const folder = join(this.folder, ...stream.path.split('/').map(safeName).filter(Boolean));
    const path = join(folder, stream.isMetadata ? 'metadata' : `${safeName(stream.channel)}_${stream.id}`);
    try {
      let file = this.files.get(stream.id);
      if (file === undefined) {
        mkdirSync(folder, { recursive: true });
        this.files.set(stream.id, (file = await open(path, 'a')));
      }
      await file.appendFile(bytes);
    } catch (cause) {
      const full = cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC';
      throw new SkuaError(
        {
          code: full ? 'disk-full' : 'export-failed',
          message: `The copy of the trace cannot be written to ${path}.`,
          remedy: full
            ? 'Free space on the target, or turn the copy (keepCtf) off.'
            : 'Choose a folder on the target that you may write to, or turn the copy (keepCtf) off.',
        },
        { cause },
      );
    }
  }
}

function safeName(name: string): string {
  return name.replace(/[^\w.:+-]/g, '_').replace(/^\.+/, '');
}
