/** The modules under test, and the unmodified ones to compare with, built for the guest's kernel. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY, quietContext, runLocal } from './guest';

export interface ModuleFolders {
  readonly skua: string;
  readonly stock: string;
}

/**
 * From SKUA_VM_MODULES and SKUA_VM_STOCK_MODULES if the guest is a given one; otherwise built from what the sandbox was made
 * of, and kept in out/ until kernel/ changes.
 */
export async function moduleFolders(): Promise<ModuleFolders> {
  const given = process.env['SKUA_VM_MODULES'];
  const givenStock = process.env['SKUA_VM_STOCK_MODULES'];
  if (given !== undefined && givenStock !== undefined) return { skua: given, stock: givenStock };
  const { ensureImage } = await import('../../src/core/sandbox/build');
  const image = await ensureImage(quietContext());
  const build = join(REPOSITORY, 'kernel/build.sh');
  const hash = (await mustLocal(build, ['--hash'])).trim();
  const base = join(REPOSITORY, 'out/vm-modules', `${image.kernelRelease}-${hash}`);
  const source = [
    ...['--source', image.lttngModulesDeb],
    ...['--headers', join(image.rootfs, `usr/src/linux-headers-${image.kernelRelease}`)],
  ];
  const skua = join(base, 'skua');
  const stock = join(base, 'stock');
  if (!existsSync(skua)) await mustLocal(build, [...source, '--out', skua]);
  if (!existsSync(stock)) await mustLocal(build, [...source, '--out', stock, '--stock']);
  return { skua, stock };
}

async function mustLocal(program: string, args: readonly string[]): Promise<string> {
  const result = await runLocal(program, args);
  if (result.code !== 0) throw new Error(`${program} failed:\n${result.stdout}${result.stderr}`);
  return result.stdout;
}
