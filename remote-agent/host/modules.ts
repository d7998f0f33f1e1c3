import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SkuaError } from '../../common/base/errors';
import type { Facts } from './facts';
import type { LoadingLimits } from './loading';
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

/** What the kernel's sign-file puts at the end of a signed module. */
const SIGNATURE_MARK = '~Module signature appended~\n';

/** Whether the folder has modules and all of them carry a signature. Whether the kernel trusts its key, only loading tells. */
export async function areSigned(folder: string): Promise<boolean> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.ko'));
  for (const name of names) {
    const bytes = await readFile(join(folder, name));
    if (bytes.toString('latin1', Math.max(0, bytes.length - SIGNATURE_MARK.length)) !== SIGNATURE_MARK)
      return false;
  }
  return names.length > 0;
}

/** Turns what insmod printed into an error that says what to do. EPERM has several causes; `limits` tells them apart. */
export function explainInsmod(file: string, output: string, limits: LoadingLimits): SkuaError {
  if (limits.modulesDisabled) {
    return refused(
      `The kernel refused ${file}: the loading of modules is switched off (kernel.modules_disabled = 1).`,
      'That lasts until the next boot. Remove the setting from /etc/sysctl.conf and /etc/sysctl.d, reboot, and prepare again.',
      output,
    );
  }
  const signature = /Key was rejected|Required key not available/i.test(output);
  const permission = /Operation not permitted/i.test(output);
  if (signature || (permission && (limits.lockdown !== 'none' || limits.signaturesEnforced))) {
    return new SkuaError({
      code: 'secure-boot',
      message: `The kernel refused ${file}: it is not signed with a key that this machine trusts.`,
      remedy:
        'Secure Boot or kernel lockdown is on. Sign the modules with an enrolled machine owner key (docs/host-preparation.md has the commands), or switch Secure Boot off for this host.',
      detail: output,
    });
  }
  if (permission) {
    return refused(
      `Root may not load ${file} here.`,
      'That is so in containers: prepare the machine that runs the container, or trace in the sandbox.',
      output,
    );
  }
  if (/Invalid module format|disagrees about version|Unknown symbol/i.test(output)) {
    return refused(
      `The kernel refused ${file}: it does not fit the running kernel or modules already loaded.`,
      'Remove what Skua has put on the host ("skua agent remove"), then prepare again so that the modules are built for this kernel.',
      output,
    );
  }
  return refused(
    `The module ${file} could not be loaded.`,
    "Look at the end of the host's kernel log (dmesg).",
    output,
  );
}
