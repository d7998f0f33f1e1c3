import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import type { CoreContext } from '../api';
import { runCommand, type CommandResult } from '../process';
import { privateFolder } from '../paths';
import {
  CUSTOMIZE_SCRIPT,
  definitionHash,
  DISK_BYTES,
  DPKG_OPTIONS,
  GUEST_PACKAGES,
  GUEST_SUITE,
} from './definition';
import { sandboxKeys, sandboxRoot, type SandboxKeys } from './files';
import { withLock } from './lock';
import { isRoot, requireTools, searchPath } from './tools';

/** A built guest: files below `folder`, all of them read-only from here on. */
export interface SandboxImage {
  readonly hash: string;
  readonly folder: string;
  /** ext4, raw and sparse; every instance writes to an overlay of its own. */
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly kernelRelease: string;
  /** The same file system as a folder: where kernel modules are built for the guest without booting it. */
  readonly rootfs: string;
  /** Debian's unmodified lttng-modules source package, `lttng-modules-dkms_*.deb`. */
  readonly lttngModulesDeb: string;
}

/**
 * The guest's image, built when it is not in the cache: about a minute and a half on two cores, 0.9 GB to download and unpack.
 * A build by another process is waited for. On abort or failure nothing of the partial build remains.
 * Throws `sandbox-tools-missing`, `sandbox-build-failed` (detail: end of the log), `cancelled`.
 */
export async function ensureImage(context: CoreContext): Promise<SandboxImage> {
  const keys = await sandboxKeys();
  const hash = definitionHash([keys.login.publicKey, keys.host.publicKey]);
  const images = await privateFolder(join(sandboxRoot(), 'images'));
  const folder = join(images, hash);
  if (!existsSync(join(folder, 'complete'))) {
    await requireTools();
    await withLock(
      `${folder}.lock`,
      context.signal,
      () => {
        context.progress.report('Waiting for another process that builds the sandbox');
      },
      async () => {
        if (!existsSync(join(folder, 'complete'))) await build(folder, keys, context);
      },
    );
  }
  return readImage(folder, hash);
}

/** The image when it has been built already. */
export async function builtImage(): Promise<SandboxImage | undefined> {
  const keys = await sandboxKeys();
  const hash = definitionHash([keys.login.publicKey, keys.host.publicKey]);
  const folder = join(sandboxRoot(), 'images', hash);
  return existsSync(join(folder, 'complete')) ? readImage(folder, hash) : undefined;
}

/** Removes every image and the file systems beside them. Instances must be stopped first. */
export async function removeImages(signal: AbortSignal): Promise<void> {
  await removeTree(join(sandboxRoot(), 'images'), signal);
}

/**
 * A command prefix that runs as root of the guest's files: nothing when already root, otherwise a user and mount namespace in which
 * this user is root and its subordinate ids (subuid(5)) are the other users. Mounts made in it vanish with it.
 */
export function asGuestRoot(): readonly string[] {
  return isRoot() ? [] : ['unshare', '--user', '--map-root-user', '--map-auto', '--mount', '--'];
}

async function readImage(folder: string, hash: string): Promise<SandboxImage> {
  const deb = (await readdir(folder)).find((name) => name.startsWith('lttng-modules-dkms_'));
  if (deb === undefined)
    throw new Error(`sandbox image ${folder} is complete but has no lttng-modules source`);
  return {
    hash,
    folder,
    disk: join(folder, 'disk.img'),
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd.img'),
    kernelRelease: (await readFile(join(folder, 'kernel-release'), 'utf8')).trim(),
    rootfs: join(folder, 'rootfs'),
    lttngModulesDeb: join(folder, deb),
  };
}

async function build(folder: string, keys: SandboxKeys, context: CoreContext): Promise<void> {
  const partial = `${folder}.partial`;
  await removeTree(partial, new AbortController().signal);
  await mkdir(partial, { recursive: true });
  try {
    await debootstrap(partial, keys, context);
    await bootFiles(partial);
    context.progress.report('Writing the disk image', 0);
    const disk = join(partial, 'disk.img');
    await writeFile(disk, '');
    await truncate(disk, DISK_BYTES);
    const mke2fs = [
      'mke2fs',
      '-q',
      '-F',
      '-t',
      'ext4',
      '-E',
      'lazy_itable_init=0',
      '-d',
      join(partial, 'rootfs'),
      disk,
    ];
    await mustRun([...asGuestRoot(), ...mke2fs], 'write the disk image', context);
    await chmod(disk, 0o444);
    await writeFile(join(partial, 'complete'), '');
    await rename(partial, folder);
  } catch (error) {
    await removeTree(partial, new AbortController().signal);
    throw error;
  }
}

/** Fraction of the whole step at which mmdebstrap prints each of these, measured on two cores. */
const BOOTSTRAP_MARKS: readonly (readonly [string, number])[] = [
  ['I: running apt-get update', 0.02],
  ['I: downloading packages with apt', 0.08],
  ['I: extracting archives', 0.12],
  ['I: installing essential packages', 0.18],
  ['I: installing remaining packages', 0.25],
  ['I: running --customize-hook', 0.93],
  ['I: cleaning package lists', 0.97],
];

async function debootstrap(partial: string, keys: SandboxKeys, context: CoreContext): Promise<void> {
  const step = 'Installing Debian for the sandbox';
  context.progress.report(step, 0);
  const rootfs = join(partial, 'rootfs');
  const archive = join(partial, 'rootfs.tar');
  // The hooks run on this machine with the new root as $1; secrets travel in the environment, never on a command line.
  const hooks = [
    'mkdir -p "$1/usr/src/skua" && chroot "$1" sh -c "cd /usr/src/skua && apt-get -q download lttng-modules-dkms"',
    'printf %s "$SKUA_CUSTOMIZE" | chroot "$1" sh',
  ];
  const args = [
    `--mode=${isRoot() ? 'root' : 'unshare'}`,
    '--variant=minbase',
    `--include=${GUEST_PACKAGES.join(',')}`,
    ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
    '--aptopt=Acquire::Languages "none"',
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    GUEST_SUITE,
    isRoot() ? rootfs : archive,
  ];
  await mustRun(['mmdebstrap', ...args], 'install Debian into the image', context, {
    env: {
      SKUA_USER_KEY: keys.login.publicKey,
      SKUA_HOST_KEY: keys.host.publicKey,
      SKUA_HOST_PRIVATE: keys.host.privateKey,
      SKUA_CUSTOMIZE: CUSTOMIZE_SCRIPT,
    },
    onLine: (line) => {
      context.log('debug', `mmdebstrap: ${line}`);
      const mark = BOOTSTRAP_MARKS.find(([text]) => line.startsWith(text));
      if (mark !== undefined) context.progress.report(step, mark[1]);
    },
  });
  if (isRoot()) return;
  await mkdir(rootfs);
  // Device nodes cannot be made in a user namespace; the guest has devtmpfs, and module builds bind the host's.
  const untar = ['tar', '-C', rootfs, '--numeric-owner', '--exclude=./dev/*', '-xf', archive];
  await mustRun([...asGuestRoot(), ...untar], 'unpack the image', context);
  await rm(archive);
}

async function bootFiles(partial: string): Promise<void> {
  const rootfs = join(partial, 'rootfs');
  const release = (await readdir(join(rootfs, 'lib/modules')))[0];
  if (release === undefined) throw buildFailed('The image has no kernel.', '');
  await writeFile(join(partial, 'kernel-release'), release);
  await copyFile(join(rootfs, `boot/vmlinuz-${release}`), join(partial, 'vmlinuz'));
  await copyFile(join(rootfs, 'boot/skua-initrd.img'), join(partial, 'initrd.img'));
  const source = join(rootfs, 'usr/src/skua');
  for (const name of await readdir(source)) await copyFile(join(source, name), join(partial, name));
  await rm(source, { recursive: true });
}

/** Runs a command of the build and throws `sandbox-build-failed` with the end of its output when it fails. */
export async function mustRun(
  command: readonly string[],
  what: string,
  context: CoreContext,
  options: { readonly env?: NodeJS.ProcessEnv; readonly onLine?: (line: string) => void } = {},
): Promise<CommandResult> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('empty command');
  const result = await runCommand(program, args, {
    signal: context.signal,
    env: { ...process.env, ...options.env, PATH: searchPath(), LC_ALL: 'C.UTF-8' },
    ...(options.onLine === undefined ? {} : { onLine: options.onLine, linesOfStdout: true }),
  });
  if (result.code !== 0) throw buildFailed(`The sandbox could not be built: failed to ${what}.`, result.tail);
  return result;
}

function buildFailed(message: string, detail: string): SkuaError {
  const offline = /Temporary failure resolving|Could not connect|Failed to fetch|Could not resolve/.test(
    detail,
  );
  const full = /No space left on device/.test(detail);
  return new SkuaError({
    code: full ? 'disk-full' : 'sandbox-build-failed',
    message,
    remedy: full
      ? 'Free about 4 GB where the cache folder is (XDG_CACHE_HOME), then try again.'
      : offline
        ? "Check this machine's network: Debian's package mirror could not be reached. Then try again."
        : 'Read the end of the log below; "skua sandbox start" tries again from the beginning.',
    detail,
  });
}

/** Removes a folder whose files may belong to the guest's users. */
export async function removeTree(path: string, signal: AbortSignal): Promise<void> {
  if (!existsSync(path)) return;
  const [program, ...args] = [...asGuestRoot(), 'rm', '-rf', '--one-file-system', path] as const;
  await runCommand(program, args, { signal });
}
