/** The modules under test, and the unmodified ones to compare with, built for the guest's kernel and kept in the user's cache. */
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureImage } from '../../src/core/sandbox/build';
import { ensureModules } from '../../src/core/sandbox/modules';
import { cacheRoot } from '../../src/core/paths';
import { mustLocal, openGuest, quietContext, REPOSITORY, type Guest } from './guest';

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

/** Parameters with which members of the tracing group may arm; without, root alone may. */
export const TRACING_GROUP = 'gid=$(getent group tracing | cut -d: -f3)';

/** A guest with test/vm/guest in /root/vm and Skua's modules in /root/skua, loaded with these parameters. */
export async function openGuestWithModules(parameters = TRACING_GROUP): Promise<Guest> {
  const { skua } = await moduleFolders();
  const guest = await openGuest();
  try {
    await guest.upload(join(REPOSITORY, 'test/vm/guest'), '/root/vm');
    await guest.upload(skua, '/root/skua');
    await loadModules(guest, '/root/skua', parameters);
    return guest;
  } catch (error) {
    await guest.close();
    throw error;
  }
}

/** Instead of those that are loaded. */
export async function loadModules(guest: Guest, folder: string, parameters = ''): Promise<void> {
  await guest.must(`/root/vm/modules.sh load ${folder} ${parameters}`);
}

/** Compiles programs of /root/vm there. */
export async function buildPrograms(guest: Guest, names: readonly string[]): Promise<void> {
  await guest.must(
    'cat > /root/vm/skua_abi.h',
    await readFile(join(REPOSITORY, 'kernel/include/skua_abi.h')),
  );
  await guest.must(
    `cd /root/vm && for f in ${names.join(' ')}; do gcc -O2 -g -Wall -Wextra -Werror -pthread -o $f $f.c || exit 1; done`,
  );
}
