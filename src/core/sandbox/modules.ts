import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import type { CoreContext } from '../api';
import { modulesHash } from '../deploy/kernel-source';
import { cacheRoot, installRoot, privateFolder } from '../paths';
import { runCommand } from '../process';
import { asGuestRoot, removeTree, type SandboxImage } from './build';
import { withLock } from './lock';
import { isRoot, searchPath } from './tools';

/** Skua's kernel modules built for one kernel, as kernel/build.sh leaves them (*.ko and manifest.json). */
export interface PrebuiltModules {
  readonly kernelRelease: string;
  /** Of everything that goes into them but the kernel. */
  readonly hash: string;
  readonly folder: string;
}

const USUAL_BUILD_MS = 40_000;

/** Modules that were built before for this kernel, or undefined. */
export async function cachedModules(kernelRelease: string): Promise<PrebuiltModules | undefined> {
  const hash = await modulesHash();
  const folder = join(cacheRoot(), 'modules', `${kernelRelease}-${hash}`);
  return existsSync(join(folder, 'manifest.json')) ? { kernelRelease, hash, folder } : undefined;
}

/**
 * The modules for the sandbox's kernel, built if need be: natively, in a chroot of the guest's own file system, where compiler and
 * headers are exactly the guest's. About a minute on two cores; inside the emulated guest it would be ten. Throws
 * `module-build-failed` with the end of the log, or `cancelled`.
 */
export async function ensureModules(image: SandboxImage, context: CoreContext): Promise<PrebuiltModules> {
  const cached = await cachedModules(image.kernelRelease);
  if (cached !== undefined) return cached;
  const hash = await modulesHash();
  const parent = await privateFolder(join(cacheRoot(), 'modules'));
  const folder = join(parent, `${image.kernelRelease}-${hash}`);
  await withLock(
    join(parent, 'build.lock'),
    context.signal,
    () => {
      context.progress.report('Waiting for another process that builds the kernel modules');
    },
    async () => {
      if (!existsSync(folder)) await build(image, hash, folder, context);
    },
  );
  return { kernelRelease: image.kernelRelease, hash, folder };
}

async function build(image: SandboxImage, hash: string, folder: string, context: CoreContext): Promise<void> {
  const step = "Building the kernel modules for the sandbox's kernel";
  context.progress.report(step, 0);
  // One working folder per image, kept: after a change of Skua's sources only what changed is compiled again.
  const work = join(image.rootfs, 'var/tmp/skua-modules');
  const inside = work.slice(image.rootfs.length);
  const partial = `${folder}.partial`;
  await removeTree(join(work, 'kernel'), context.signal);
  await removeTree(join(work, 'out'), context.signal);
  await mkdir(join(work, 'tmp'), { recursive: true, mode: 0o755 });
  try {
    await cp(join(installRoot(), 'kernel'), join(work, 'kernel'), { recursive: true });
    await cp(image.lttngModulesDeb, join(work, 'lttng-modules.deb'));
    const headers = `/lib/modules/${image.kernelRelease}/build`;
    const command =
      `bash ${inside}/kernel/build.sh --source ${inside}/lttng-modules.deb --headers ${headers} ` +
      `--out ${inside}/out --work ${inside}/work`;
    const [program, ...args] = [
      ...inMountNamespace(),
      'sh',
      '-c',
      ENTER,
      'sh',
      image.rootfs,
      command,
    ] as const;
    // The build is silent; its usual duration on two cores moves the bar.
    const began = Date.now();
    const ticker = setInterval(() => {
      context.progress.report(step, Math.min(0.95, (Date.now() - began) / USUAL_BUILD_MS));
    }, 1000);
    const result = await runCommand(program, args, {
      signal: context.signal,
      env: { PATH: searchPath(), LC_ALL: 'C.UTF-8', HOME: '/root', TMPDIR: `${inside}/tmp` },
      linesOfStdout: true,
      onLine: (line) => {
        context.log('debug', `modules: ${line}`);
      },
    }).finally(() => {
      clearInterval(ticker);
    });
    if (result.code !== 0) throw buildFailed(image.kernelRelease, result.tail);
    const manifest = await readFile(join(work, 'out', 'manifest.json'), 'utf8');
    if ((JSON.parse(manifest) as { sourceHash?: string }).sourceHash !== hash) {
      throw buildFailed(
        image.kernelRelease,
        'The sources were changed while they were being built. Try again.',
      );
    }
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial);
    for (const name of await readdir(join(work, 'out')))
      await cp(join(work, 'out', name), join(partial, name));
    await rename(partial, folder);
  } catch (error) {
    // A half-done working folder is no base for the next build.
    await removeTree(work, new AbortController().signal);
    throw error;
  }
}

/**
 * A build needs /dev/null, /proc and /dev/fd. In a user namespace devices cannot be made, so the host's are bound over empty files.
 * All of it happens in a mount namespace that ends with the command: nothing stays mounted. $1: root folder, $2: command.
 */
const ENTER = `set -eu
mount --make-rprivate / 2>/dev/null || true
if [ ! -c "$1/dev/null" ]; then
  for d in null zero urandom; do : > "$1/dev/$d"; mount --bind "/dev/$d" "$1/dev/$d"; done
fi
mount --rbind /proc "$1/proc"
[ -e "$1/dev/fd" ] || ln -s /proc/self/fd "$1/dev/fd"
exec chroot "$1" sh -c "$2"`;

/** Root, in a mount namespace of its own. */
function inMountNamespace(): readonly string[] {
  return isRoot() ? ['unshare', '--mount', '--'] : asGuestRoot();
}

function buildFailed(kernelRelease: string, detail: string): SkuaError {
  return new SkuaError({
    code: 'module-build-failed',
    message: `The kernel modules could not be built for ${kernelRelease}.`,
    remedy:
      'Read the end of the build log below. If the kernel sources were changed, check them with kernel/build.sh.',
    detail,
  });
}
