import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import type { CoreContext } from '../api';
import { cacheRoot, installRoot, privateFolder } from '../paths';
import { runCommand } from '../process';
import { builtImage } from '../sandbox/build';
import { folderFiles } from './bundle';
import { sha256 } from './push';

/**
 * Debian's unmodified lttng-modules package that kernel/UPSTREAM names, as a file: from the sandbox's image, from the cache, or
 * downloaded with this machine's own apt-get. Throws `upload-failed` with the way out when none of them has it.
 */
export async function lttngModulesSource(context: CoreContext): Promise<string> {
  const upstream = await readUpstream();
  const folder = await privateFolder(join(cacheRoot(), 'lttng-modules'));
  const image = await builtImage();
  const candidates = [
    ...(image === undefined ? [] : [image.lttngModulesDeb]),
    ...(await readdir(folder)).filter((name) => name.endsWith('.deb')).map((name) => join(folder, name)),
    ...(await readdir(join(installRoot(), 'dist', 'kernel')).catch(() => []))
      .filter((name) => name.endsWith('.deb'))
      .map((name) => join(installRoot(), 'dist', 'kernel', name)),
  ];
  for (const path of candidates) if (await isRight(path, upstream)) return path;

  context.progress.report('Downloading the lttng-modules source');
  const work = await mkdtemp(join(folder, '.download-'));
  try {
    const wanted = `lttng-modules-dkms=${upstream['PACKAGE_VERSION'] ?? ''}`;
    const result = await runCommand('apt-get', ['-q', 'download', wanted], {
      signal: context.signal,
      cwd: work,
    }).catch((error: unknown) => ({ code: null, tail: String(error) }));
    const name = (await readdir(work)).find((file) => file.endsWith('.deb'));
    if (name !== undefined && (await isRight(join(work, name), upstream))) {
      await rename(join(work, name), join(folder, name));
      return join(folder, name);
    }
    throw new SkuaError({
      code: 'upload-failed',
      message: `The source of lttng-modules (${wanted}) is not on this machine and could not be downloaded.`,
      remedy: `On a Debian 12 machine run "apt-get download ${wanted}" and put the file into ${folder}.`,
      detail: result.tail,
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Folders of kernel/ that go into the modules. */
const MODULE_FOLDERS = ['patches', 'overlay', 'include'] as const;

/**
 * Hash of everything that goes into the modules but the kernel; the loaded ones tell theirs in /proc/skua/abi. The same as
 * `kernel/build.sh --hash`, without needing bash and coreutils where Skua runs.
 */
export async function modulesHash(root: string = installRoot()): Promise<string> {
  const kernel = join(root, 'kernel');
  const lines = [(await readUpstream(root))['TREE_SHA256'] ?? ''];
  for (const folder of MODULE_FOLDERS) lines.push(await treeHash(join(kernel, folder)));
  // As sha256sum prints what it read from its standard input.
  lines.push(`${sha256(await readFile(join(kernel, 'build.sh')))}  -`);
  return sha256(Buffer.from(lines.map((line) => `${line}\n`).join(''))).slice(0, 16);
}

/** Hash of the output of sha256sum over all files below a folder, in the order of their names' bytes. */
async function treeHash(folder: string): Promise<string> {
  const files = [...(await folderFiles(folder))].sort((a, b) =>
    Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)),
  );
  return sha256(Buffer.from(files.map((file) => `${sha256(file.data)}  ./${file.path}\n`).join('')));
}

/** `NAME=value` lines of kernel/UPSTREAM. */
async function readUpstream(root: string = installRoot()): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(join(root, 'kernel', 'UPSTREAM'), 'utf8');
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map((match) => [match[1] ?? '', match[2] ?? '']),
  );
}

async function isRight(path: string, upstream: Readonly<Record<string, string>>): Promise<boolean> {
  return existsSync(path) && sha256(await readFile(path)) === upstream['PACKAGE_SHA256'];
}
