/** Builds the modules for a kernel into the cache, where preparing a host with that kernel looks for them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { lttngModulesSource, modulesHash } from '../../src/core/deploy/kernel-source';
import { cacheRoot, installRoot, privateFolder } from '../../src/core/paths';
import { quietContext } from './context';
import type { Kernel } from './kernel';

export async function buildModules(kernel: Kernel): Promise<{ readonly modules: number }> {
  const parent = await privateFolder(join(cacheRoot(), 'modules'));
  const out = join(parent, `${kernel.release}-${await modulesHash()}`);
  if (!existsSync(join(out, 'manifest.json'))) {
    const source = await lttngModulesSource(quietContext());
    const args = ['--source', source, '--headers', kernel.headers, '--out', out];
    const build = spawnSync('bash', [join(installRoot(), 'kernel/build.sh'), ...args], { encoding: 'utf8' });
    if (build.status !== 0) throw new Error(`${build.stderr}${build.stdout}`);
  }
  return { modules: readdirSync(out).filter((name) => name.endsWith('.ko')).length };
}
