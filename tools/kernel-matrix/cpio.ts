/** Writes a cpio archive of the kind that the kernel unpacks at boot: "newc", Documentation/driver-api/early-userspace/buffer-format.rst. */

export interface CpioEntry {
  readonly path: string;
  /** Type and permissions, as in stat(2): 0o040755 a folder, 0o100755 a program. */
  readonly mode: number;
  readonly data?: Uint8Array;
}

export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const all = [...entries, { path: 'TRAILER!!!', mode: 0 }];
  for (const [index, entry] of all.entries()) {
    const data = Buffer.from(entry.data ?? []);
    const name = Buffer.from(`${entry.path}\0`);
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    const fields = [index + 1, entry.mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    parts.push(padded(Buffer.concat([Buffer.from(header), name])), padded(data));
  }
  return Buffer.concat(parts);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
