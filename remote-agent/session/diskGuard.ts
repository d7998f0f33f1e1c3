import { statfs } from 'node:fs/promises';

/** Space that is left to others: the traced program must not meet a full disk because it is being traced. */
const KEPT_BYTES = 64 * 1024 * 1024;

/**
 * What LTTng records waits on disk until it is read, in as much space as there is. Tells when there is so little left that
 * recording must end. Free bytes, or undefined while there is enough, or the file system does not say.
 */
export async function diskNearlyFull(folder: string, keep = KEPT_BYTES): Promise<number | undefined> {
  const stats = await statfs(folder).catch(() => undefined);
  if (stats === undefined || stats.blocks === 0) return undefined;
  const free = stats.bavail * stats.bsize;
  return free < keep ? free : undefined;
}
