import { SKUA } from '../../common/model/abi';
import type { Facts } from './facts';
import { parseAbi, parseLockdown, parseSecureBoot } from './parse';

const ABI_FILE = '/proc/skua/abi';
/** The UEFI variable itself, for hosts without mokutil: four bytes of attributes, then 0 or 1. */
const SECURE_BOOT_VARIABLE = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** What keeps a kernel from loading modules. */
export interface LoadingLimits {
  /** Undefined where there is no UEFI Secure Boot to ask about. */
  readonly secureBoot: boolean | undefined;
  readonly lockdown: string;
  readonly signaturesEnforced: boolean;
  /** kernel.modules_disabled: cannot be taken back before the next boot. */
  readonly modulesDisabled: boolean;
}

export async function loadingLimits(facts: Facts): Promise<LoadingLimits> {
  const text = async (path: string): Promise<string> => (await facts.readText(path)) ?? '';
  const mokutil = await facts.run('mokutil', ['--sb-state'], { timeoutMs: 10_000 });
  const variable = (await text(SECURE_BOOT_VARIABLE)).at(-1);
  return {
    secureBoot:
      parseSecureBoot(mokutil.stdout + mokutil.stderr) ??
      (variable === undefined ? undefined : variable === '\u0001'),
    lockdown: parseLockdown(await text('/sys/kernel/security/lockdown')) ?? 'none',
    signaturesEnforced: (await text('/sys/module/module/parameters/sig_enforce')).trim() === 'Y',
    modulesDisabled: (await text('/proc/sys/kernel/modules_disabled')).trim() === '1',
  };
}

/** Skua's modules in the running kernel. */
export interface LoadedModules {
  readonly version: number;
  /** Empty when the modules do not say. */
  readonly sourceHash: string;
  /** Whether those are there that a session daemon uses: one that ends unloads them, also when it has not loaded them. */
  readonly complete: boolean;
  /** Whether this agent can work with them. */
  readonly compatible: boolean;
}

/** Of the modules that a session daemon uses and unloads, the one that Skua's channels need. */
const RING_BUFFER_CLIENT = 'lttng_ring_buffer_client_discard';

export async function loadedModules(facts: Facts): Promise<LoadedModules | undefined> {
  const abi = parseAbi((await facts.readText(ABI_FILE)) ?? '');
  if (abi === undefined) return undefined;
  const complete = (await facts.modules()).some((module) => module.name === RING_BUFFER_CLIENT);
  return { ...abi, complete, compatible: complete && abi.version === SKUA.ABI_VERSION };
}

/** Whether the modules in the kernel are those that this client would load. */
export function areCurrent(loaded: LoadedModules | undefined, expectedHash: string | undefined): boolean {
  if (loaded?.compatible !== true) return false;
  return expectedHash === undefined || loaded.sourceHash === expectedHash;
}
