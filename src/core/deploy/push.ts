import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { SkuaError } from '../../../common/base/errors';
import type { CoreContext } from '../api';
import { quote, type RemoteResult, type SshConnection } from '../ssh/connection';
import { tarArchive, type TarEntry } from './tar';

/** A file to bring to the target, with its content at hand. */
export interface PushFile {
  /** Relative to the folder it is pushed into, with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
}

/** Below this an archive is sent as it is: compressing costs more than it saves. */
const COMPRESS_FROM_BYTES = 64 * 1024;

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Identifies a set of files: names, modes and contents. */
export function contentHash(files: readonly PushFile[]): string {
  const hash = createHash('sha256');
  for (const file of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${file.path}\0${file.mode.toString(8)}\0${sha256(file.data)}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * Unpacks entries into a folder of the target, over one exec channel: no SFTP server is needed, and nothing that a login shell prints
 * can break it (decision 0020). Existing files are replaced; changed files get the target's present time, so that make sees them.
 * Throws `disk-full`, `upload-failed`, `connection-lost` or `cancelled`.
 */
export async function pushEntries(
  ssh: SshConnection,
  folder: string,
  entries: readonly TarEntry[],
  step: string,
  context: CoreContext,
): Promise<void> {
  if (entries.length === 0) return;
  const plain = Buffer.concat([...tarArchive(entries)]);
  const compressed = plain.length >= COMPRESS_FROM_BYTES;
  const input = compressed ? gzipSync(plain, { level: 6 }) : plain;
  const script = `mkdir -p ${quote(folder)} && cd ${quote(folder)} && ${compressed ? 'gzip -dc | ' : ''}tar -x -m -f - --no-same-owner`;
  context.progress.report(step, 0);
  const result = await ssh.run(script, {
    signal: context.signal,
    input,
    onInput: (sent) => {
      context.progress.report(step, sent / input.length);
    },
  });
  if (result.code !== 0) throw uploadError(ssh.alias, folder, result);
}

/**
 * Brings a set of files to `<parent>/<name>` as one step: either the whole folder is there afterwards, or nothing of that name. An
 * interrupted upload is continued: files that already arrived (checked by SHA-256) are not sent again. Returns the folder's path.
 */
export async function pushFolder(
  ssh: SshConnection,
  parent: string,
  name: string,
  files: readonly PushFile[],
  step: string,
  context: CoreContext,
): Promise<string> {
  const target = `${parent}/${name}`;
  const partial = `${parent}/.partial-${name}`;
  const { signal } = context;
  const sums = `cd ${quote(partial)} 2>/dev/null && find . -type f -exec sha256sum {} +`;
  const state = await ssh.run(
    `if [ -d ${quote(target)} ]; then touch ${quote(target)}; echo present; else ${sums}; fi; exit 0`,
    {
      signal,
    },
  );
  const lines = state.stdout.toString('utf8').split('\n');
  if (lines[0] === 'present') return target;

  const wanted = new Map(files.map((file) => [file.path, sha256(file.data)]));
  const there = parseSums(lines);
  const missing = files.filter((file) => there.get(file.path) !== wanted.get(file.path));
  try {
    await pushEntries(
      ssh,
      partial,
      missing.map((file) => ({ kind: 'file', ...file })),
      step,
      context,
    );
    const check = await ssh.run(`mkdir -p ${quote(partial)}; ${sums}`, { signal });
    const arrived = parseSums(check.stdout.toString('utf8').split('\n'));
    const wrong = files.find((file) => arrived.get(file.path) !== wanted.get(file.path));
    if (wrong !== undefined)
      throw uploadError(ssh.alias, `${target}/${wrong.path}`, check, 'arrived damaged');
    // Another client may have finished the same folder meanwhile; then ours is superfluous. Contents reach the disk before the name does:
    // a power cut would otherwise leave empty files in a folder that is taken for complete from then on.
    const keep = `{ find ${quote(partial)} -type f -exec sync {} + || sync; } && mv ${quote(partial)} ${quote(target)}`;
    const move = `if [ -d ${quote(target)} ]; then rm -rf ${quote(partial)}; else ${keep}; fi`;
    const moved = await ssh.run(move, { signal });
    if (moved.code !== 0) throw uploadError(ssh.alias, target, moved);
  } catch (error) {
    // A full disk must not stay full because of us. After a cut or a cancel the partial folder stays, to be continued.
    if (error instanceof SkuaError && error.code === 'disk-full')
      await ssh.run(`rm -rf ${quote(partial)}`, { signal });
    throw error;
  }
  return target;
}

/** Output of sha256sum: `HASH  ./path`. Names with a backslash or a newline are escaped there; they count as absent. */
export function parseSums(lines: readonly string[]): ReadonlyMap<string, string> {
  const sums = new Map<string, string>();
  for (const line of lines) {
    const match = /^([0-9a-f]{64}) [ *](?:\.\/)?(.+)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) sums.set(match[2], match[1]);
  }
  return sums;
}

export function uploadError(alias: string, path: string, result: RemoteResult, why?: string): SkuaError {
  const stderr = result.stderr.trim();
  if (/No space left on device|Disk quota exceeded/.test(stderr)) {
    return new SkuaError({
      code: 'disk-full',
      message: `The disk of ${alias} is full: ${path} could not be written.`,
      remedy: `Free some space there, for example with "skua agent remove", then run again.`,
      detail: stderr,
    });
  }
  const reason = /Permission denied/.test(stderr)
    ? 'permission was denied'
    : /Read-only file system/.test(stderr)
      ? 'the file system is read-only'
      : (why ?? `the command there ended with code ${String(result.code)}`);
  return new SkuaError({
    code: 'upload-failed',
    message: `${path} could not be written on ${alias}: ${reason}.`,
    remedy:
      'Check that the home folder of the account exists and is writable, and that tar and gzip are installed there.',
    detail: stderr,
  });
}
