import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import { runCommand } from '../process';

/** Command → Debian package that has it. tools/setup-debian.sh installs the same packages. */
const NEEDED: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-img': 'qemu-utils',
  mmdebstrap: 'mmdebstrap',
  mke2fs: 'e2fsprogs',
  tar: 'tar',
};
/** An ordinary user builds in a user namespace of its own. */
const NEEDED_BY_ORDINARY_USER: Readonly<Record<string, string>> = {
  unshare: 'util-linux',
  newuidmap: 'uidmap',
};

/** Debian keeps mke2fs where an ordinary user's PATH does not look. */
export function searchPath(env: NodeJS.ProcessEnv = process.env): string {
  return [env['PATH'] ?? '/usr/bin:/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter);
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Throws `sandbox-tools-missing`, naming the apt-get line, unless every tool for building and booting is installed. */
export async function requireTools(): Promise<void> {
  const needed = isRoot() ? NEEDED : { ...NEEDED, ...NEEDED_BY_ORDINARY_USER };
  const missing: string[] = [];
  for (const [command, debianPackage] of Object.entries(needed)) {
    if (!(await isInstalled(command))) missing.push(debianPackage);
  }
  if (missing.length === 0) return;
  throw new SkuaError({
    code: 'sandbox-tools-missing',
    message: `The sandbox needs programs that are not installed: ${missing.join(', ')}.`,
    remedy: `Install them: ${isRoot() ? '' : 'sudo '}apt-get install --no-install-recommends ${missing.join(' ')}`,
  });
}

/** What `qemu-system-x86_64 --version` prints; empty when it cannot be run, which starting it will say better. */
export async function qemuVersion(signal: AbortSignal): Promise<string> {
  const env = { ...process.env, PATH: searchPath() };
  try {
    return (await runCommand('qemu-system-x86_64', ['--version'], { signal, env })).stdout;
  } catch (error) {
    if (error instanceof SkuaError) throw error;
    return '';
  }
}

async function isInstalled(command: string): Promise<boolean> {
  for (const folder of searchPath().split(delimiter)) {
    try {
      await access(join(folder, command), constants.X_OK);
      return true;
    } catch {
      // Not in this folder; look in the next.
    }
  }
  return false;
}
