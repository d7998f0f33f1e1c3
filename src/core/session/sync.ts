import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import type { CoreContext, RunOptions, SourceMap } from '../api';
import { parseSums, pushEntries, sha256, uploadError } from '../deploy/push';
import type { TarEntry } from '../deploy/tar';
import { quote, type SshConnection } from '../ssh/connection';

/** Never uploaded: version control and what package managers can fetch again. */
export const DEFAULT_EXCLUDES: readonly string[] = ['.git', '.hg', '.svn', 'node_modules', '.vscode'];
/** Everything is read into memory on its way; a folder beyond this is not a project to sync. */
const MAX_UPLOAD_BYTES = 512 * 1024 * 1024;

/** An uploaded file or folder and where it lies on the target. */
export interface Uploaded {
  readonly localRoot: string;
  readonly remoteRoot: string;
  readonly sourceMap: SourceMap;
  readonly sentFiles: number;
  readonly sentBytes: number;
}

type Entry = TarEntry & { readonly sum: string };

/**
 * Brings a local file or folder to the target and keeps it in step: only what differs (SHA-256, executable bit) is sent, what
 * vanished here is removed there, and files that only the target has (build results) stay. Throws `upload-failed`, `disk-full`,
 * `config-invalid` (no such path), `connection-lost` or `cancelled`.
 */
export async function syncUpload(
  ssh: SshConnection,
  base: string,
  upload: NonNullable<RunOptions['upload']>,
  context: CoreContext,
): Promise<Uploaded> {
  const localPath = resolve(upload.localPath);
  const entries = await readEntries(localPath, upload);
  const id = createHash('sha256').update(`${hostname()}\0${localPath}`).digest('hex').slice(0, 8);
  const remoteRoot = `${base}/work/${basename(localPath).replace(/[^\w.-]/g, '_')}-${id}`;
  const before = await remoteState(ssh, remoteRoot, context);
  const changed = entries.filter((entry) => before.get(entry.path) !== entry.sum);
  const gone = [...before.keys()].filter((path) => !entries.some((entry) => entry.path === path));
  const step = `Copying ${basename(localPath)} to ${ssh.alias}`;
  await pushEntries(ssh, remoteRoot, changed, step, context);
  await writeManifest(ssh, remoteRoot, entries, gone, context);
  return {
    localRoot: upload.kind === 'folder' ? localPath : dirname(localPath),
    remoteRoot,
    // A single file is a program that was built here: the paths in its debug information are this machine's already.
    sourceMap: upload.kind === 'folder' ? [[remoteRoot, localPath]] : [],
    sentFiles: changed.length,
    sentBytes: changed.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.data.length : 0), 0),
  };
}

/**
 * Where a path of the launch configuration lies on the target. Pure. A path inside the upload, or relative to it, is mapped; other
 * absolute paths are the target's own; a bare name is looked up in its PATH, unless the upload has a file of that name at its top.
 */
export function mapToRemote(
  path: string,
  uploaded: Pick<Uploaded, 'localRoot' | 'remoteRoot'>,
  isTopLevel: boolean,
): string {
  if (path.startsWith('/')) {
    const inside = relative(uploaded.localRoot, path);
    if (inside === '') return uploaded.remoteRoot;
    if (inside.startsWith('..') || path.startsWith(`${uploaded.remoteRoot}/`)) return path;
    return posix.join(uploaded.remoteRoot, inside.split(sep).join('/'));
  }
  return path.includes('/') || path === '.' || isTopLevel ? posix.join(uploaded.remoteRoot, path) : path;
}

async function readEntries(
  localPath: string,
  upload: NonNullable<RunOptions['upload']>,
): Promise<readonly Entry[]> {
  const info = await lstat(localPath).catch(() => undefined);
  if (info === undefined || (upload.kind === 'folder') !== info.isDirectory()) {
    throw new SkuaError({
      code: 'config-invalid',
      message: `There is no ${upload.kind} ${localPath} to upload.`,
      remedy: 'Correct the path; build the program first if it is the result of a build.',
    });
  }
  if (upload.kind === 'file') return [await readEntry(localPath, basename(localPath))];
  const excluded = excluder(excludePatterns(upload.exclude ?? []));
  const entries: Entry[] = [];
  let bytes = 0;
  const walk = async (folder: string, prefix: string): Promise<void> => {
    for (const item of (await readdir(folder, { withFileTypes: true })).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const path = prefix + item.name;
      if (excluded(path)) continue;
      if (item.isDirectory()) await walk(join(folder, item.name), `${path}/`);
      // Sockets, pipes and devices are not sources.
      else if (item.isFile() || item.isSymbolicLink()) {
        const entry = await readEntry(join(folder, item.name), path);
        bytes += entry.kind === 'file' ? entry.data.length : 0;
        if (bytes > MAX_UPLOAD_BYTES) throw tooLarge(localPath);
        entries.push(entry);
      }
    }
  };
  await walk(localPath, '');
  return entries;
}

async function readEntry(localPath: string, path: string): Promise<Entry> {
  const info = await lstat(localPath);
  if (info.isSymbolicLink()) {
    const target = await readlink(localPath);
    return { kind: 'symlink', path, target, sum: `link:${sha256(Buffer.from(target))}` };
  }
  const data = await readFile(localPath);
  const mode = (info.mode & 0o111) === 0 ? 0o644 : 0o755;
  return { kind: 'file', path, mode, data, sum: `${mode.toString(8)}:${sha256(data)}` };
}

/** The patterns of an upload: the defaults and its own. `!name` takes a default back (`!node_modules` for a Node program). */
export function excludePatterns(own: readonly string[]): readonly string[] {
  const kept = new Set(own.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1)));
  return [
    ...DEFAULT_EXCLUDES.filter((name) => !kept.has(name)),
    ...own.filter((pattern) => !pattern.startsWith('!')),
  ];
}

/** A pattern without a slash names a file or folder anywhere; with one, a path from the top. `*` matches within a name. Pure. */
export function excluder(patterns: readonly string[]): (path: string) => boolean {
  const matchers = patterns.map((pattern) => {
    const trimmed = pattern.replace(/^\.?\/|\/$/g, '');
    const source = trimmed.replace(/[.+^${}()|[\]\\?]/g, '\\$&').replaceAll('*', '[^/]*');
    return { whole: pattern.replace(/\/$/, '').includes('/'), regex: new RegExp(`^${source}$`) };
  });
  return (path) => matchers.some(({ whole, regex }) => regex.test(whole ? path : posix.basename(path)));
}

/**
 * Path → sum of what the last upload left there and still is there unchanged. The manifest beside the folder remembers modes and
 * links; files are hashed again, because a build or a person may have changed them.
 */
async function remoteState(
  ssh: SshConnection,
  root: string,
  context: CoreContext,
): Promise<ReadonlyMap<string, string>> {
  const manifest = `${quote(root)}.manifest`;
  const script = `cat ${manifest} 2>/dev/null || exit 0
echo
cd ${quote(root)} 2>/dev/null || exit 0
cut -d' ' -f2- ${manifest} | tr '\\n' '\\0' | xargs -0 sha256sum -- 2>/dev/null
exit 0`;
  const result = await ssh.run(script, { signal: context.signal });
  const text = result.stdout.toString('utf8');
  const blank = text.indexOf('\n\n');
  const sums = parseSums(text.slice(blank + 1).split('\n'));
  const state = new Map<string, string>();
  for (const line of text.slice(0, Math.max(0, blank)).split('\n')) {
    const match = /^(\S+) (.+)$/.exec(line);
    const [, sum, path] = match ?? [];
    if (sum === undefined || path === undefined) continue;
    const now = sums.get(path);
    const intact = sum.startsWith('link:') || sum.endsWith(`:${now ?? ''}`);
    state.set(path, intact ? sum : 'changed');
  }
  return state;
}

async function writeManifest(
  ssh: SshConnection,
  root: string,
  entries: readonly Entry[],
  gone: readonly string[],
  context: CoreContext,
): Promise<void> {
  const lines = entries.map((entry) => `${entry.sum} ${entry.path}\n`).join('');
  const remove = gone.length === 0 ? '' : `cd ${quote(root)} && rm -f -- ${gone.map(quote).join(' ')} && `;
  const script = `${remove}mkdir -p ${quote(root)} && cat > ${quote(root)}.manifest`;
  const result = await ssh.run(script, { signal: context.signal, input: Buffer.from(lines) });
  if (result.code !== 0) throw uploadError(ssh.alias, root, result);
}

function tooLarge(path: string): SkuaError {
  return new SkuaError({
    code: 'upload-failed',
    message: `${path} holds more than ${String(MAX_UPLOAD_BYTES / 1024 / 1024)} MiB.`,
    remedy: 'Exclude what the program does not need (data, build results), or upload the program alone.',
  });
}
