/** The modules under test, and the unmodified ones to compare with, built for the guest's kernel and kept in the user's cache. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureImage } from '../../src/core/sandbox/build';
import { ensureModules } from '../../src/core/sandbox/modules';
import { cacheRoot } from '../../src/core/paths';
import { mustLocal, quietContext, REPOSITORY } from './guest';

export interface ModuleFolders {
  readonly skua: string;
  readonly stock: string;
}

/** From SKUA_VM_MODULES and SKUA_VM_STOCK_MODULES if the guest is a given one; otherwise built from what the sandbox was made of. */
export async function moduleFolders(): Promise<ModuleFolders> {
  const given = process.env['SKUA_VM_MODULES'];
  const givenStock = process.env['SKUA_VM_STOCK_MODULES'];
  if (given !== undefined && givenStock !== undefined) return { skua: given, stock: givenStock };
  const image = await ensureImage(quietContext());
  const { folder: skua } = await ensureModules(image, quietContext());
  const build = join(REPOSITORY, 'kernel/build.sh');
  const hash = (await mustLocal(build, ['--stock', '--hash'])).trim();
  const stock = join(cacheRoot(), 'modules', `${image.kernelRelease}-stock-${hash}`);
  if (!existsSync(stock)) {
    const partial = `${stock}.${String(process.pid)}`;
    const headers = join(image.rootfs, `usr/src/linux-headers-${image.kernelRelease}`);
    const source = ['--source', image.lttngModulesDeb, '--headers', headers];
    await mustLocal(build, ['--stock', ...source, '--out', partial]);
    // Another checkout may have been quicker.
    await rename(partial, stock).catch(() => rm(partial, { recursive: true }));
  }
  return { skua, stock };
}
