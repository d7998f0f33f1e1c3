import { existsSync } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { CoreContext } from '../api';
import { installRoot } from '../paths';
import type { SshConnection } from '../ssh/connection';
import { sha256, uploadError } from './push';
import { tarArchive, type TarEntry } from './tar';

/**
 * Puts Skua's tracing clients (headers and libraries) into the sandbox's /usr/local, where a compiler finds them without being told.
 * Only the sandbox: other hosts are not Skua's to install into. Nothing happens when they are there already, or were not built.
 */
export async function installClients(ssh: SshConnection, context: CoreContext): Promise<void> {
  const folder = join(installRoot(), 'dist', 'clients');
  if (!existsSync(folder)) return;
  const archive = Buffer.concat([...tarArchive(await treeEntries(folder))]);
  const marker = `/usr/local/share/skua-clients-${sha256(archive).slice(0, 16)}`;
  const { signal } = context;
  if ((await ssh.run(`[ -e ${marker} ]`, { signal })).code === 0) return;
  context.progress.report('Installing the tracing clients in the sandbox');
  const script = `set -e
gzip -dc | sudo tar -x -m -C /usr/local -f - --no-same-owner
sudo ldconfig
sudo rm -f /usr/local/share/skua-clients-*
sudo touch ${marker}`;
  const result = await ssh.run(script, { signal, input: gzipSync(archive, { level: 6 }) });
  if (result.code !== 0) throw uploadError(ssh.alias, '/usr/local', result);
}

async function treeEntries(folder: string, prefix = ''): Promise<readonly TarEntry[]> {
  const entries: TarEntry[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const info = await lstat(path);
    if (info.isDirectory()) entries.push(...(await treeEntries(path, `${prefix}${name}/`)));
    else if (info.isSymbolicLink())
      entries.push({ kind: 'symlink', path: prefix + name, target: await readlink(path) });
    else
      entries.push({
        kind: 'file',
        path: prefix + name,
        mode: info.mode & 0o777,
        data: await readFile(path),
      });
  }
  return entries;
}
