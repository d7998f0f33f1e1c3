import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SkuaError } from '../../common/base/errors';
import type { Facts } from './facts';
import { vermagicRelease } from './parse';

/** A folder with built modules, fit for the running kernel. */
export interface ModuleSet {
  readonly folder: string;
  /** File names in the order of loading. */
  readonly files: readonly string[];
  readonly sourceHash: string;
}

interface Manifest {
  readonly modules?: readonly string[];
  readonly sourceHash?: string;
  readonly kernelRelease?: string;
}

/**
 * Reads a folder written by kernel/build.sh and verifies that its modules are for this kernel (vermagic). The order of loading
 * comes from manifest.json; without one, from the modules' own dependencies.
 * Throws SkuaError `module-refused` when the modules are for another kernel or the folder has none.
 */
export async function verifyModules(folder: string, facts: Facts): Promise<ModuleSet> {
  const names = (await readdir(folder).catch(() => [])).filter((name) =>
    /^(?:skua|lttng-[a-z0-9-]+)\.ko$/.test(name),
  );
  if (!names.includes('lttng-tracer.ko')) {
    throw refused(
      `The folder ${folder} has no lttng-tracer.ko.`,
      'Build the modules again with kernel/build.sh.',
    );
  }
  const built = vermagicRelease((await moduleInfo(join(folder, 'lttng-tracer.ko'), 'vermagic')) ?? '');
  if (built !== facts.kernelRelease) {
    throw refused(
      `The modules in ${folder} were built for kernel ${built || 'unknown'}, this host runs ${facts.kernelRelease}.`,
      'Build them for this kernel: install its headers and a compiler on the host, or run kernel/build.sh elsewhere against the same headers.',
    );
  }
  const manifest = await readManifest(folder);
  const listed = manifest.modules;
  const files =
    listed?.every((name) => names.includes(name)) === true ? listed : await dependencyOrder(folder, names);
  return { folder, files, sourceHash: manifest.sourceHash ?? '' };
}

async function readManifest(folder: string): Promise<Manifest> {
  try {
    return JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as Manifest;
  } catch {
    return {}; // No manifest: the order is derived from the modules themselves.
  }
}

async function dependencyOrder(folder: string, names: readonly string[]): Promise<string[]> {
  const order: string[] = [];
  const visit = async (name: string): Promise<void> => {
    if (order.includes(name) || !names.includes(name)) return;
    const depends = (await moduleInfo(join(folder, name), 'depends')) ?? '';
    for (const dependency of depends.split(',')) await visit(`${dependency.replaceAll('_', '-')}.ko`);
    order.push(name);
  };
  for (const name of [...names].sort()) await visit(name);
  return order;
}

/**
 * A field of a module's `.modinfo` section, which holds `name=value` strings ended by zero bytes. Read from the file itself: an
 * ordinary user's PATH often lacks modinfo.
 */
export async function moduleInfo(file: string, field: string): Promise<string | undefined> {
  const bytes = await readFile(file);
  const at = bytes.indexOf(`\0${field}=`, 0, 'latin1');
  if (at < 0) return undefined;
  const start = at + field.length + 2;
  return bytes.toString('latin1', start, bytes.indexOf(0, start));
}

export function refused(message: string, remedy: string, detail = ''): SkuaError {
  return new SkuaError({ code: 'module-refused', message, remedy, ...(detail === '' ? {} : { detail }) });
}

/** Turns what insmod printed into an error that says what to do. */
export function explainInsmod(file: string, output: string): SkuaError {
  if (/Key was rejected|Required key not available|Operation not permitted|Lockdown/i.test(output)) {
    return new SkuaError({
      code: 'secure-boot',
      message: `The kernel refused the unsigned module ${file}.`,
      remedy:
        'Secure Boot or kernel lockdown is on. Sign the modules with a machine owner key (mokutil --import, then sign-file), or switch Secure Boot off for this host.',
      detail: output,
    });
  }
  if (/Invalid module format|disagrees about version|Unknown symbol/i.test(output)) {
    return refused(
      `The kernel refused ${file}: it does not fit the running kernel or modules already loaded.`,
      'Remove stale modules with "Skua: Undo Host Preparation", then prepare again so that the modules are built for this kernel.',
      output,
    );
  }
  return refused(
    `The module ${file} could not be loaded.`,
    "Look at the end of the host's kernel log (dmesg).",
    output,
  );
}
