/**
 * The guest of the editor's tests. Each file begins with an absent one, so that the editor has everything to do, and ends with looking
 * through what the guest's kernel has printed. The image below it is cached as always: on a fresh machine it is built once.
 */
import { readFile } from 'node:fs/promises';
import { ensureImage } from '../../src/core/sandbox/build';
import { consoleFile, resetSandbox, sandboxStatus, startSandbox } from '../../src/core/sandbox/instance';
import { ensureModules } from '../../src/core/sandbox/modules';
import type { SshConnection } from '../../src/core/ssh/connection';
import { EDITOR_GUEST } from '../vm/instance';
import { vmContext } from '../vm/machine';
import { kernelTrouble } from '../vm/trouble';

/** How long anything may take that builds the guest's image on a machine that has none. */
export const COLD_BUILD_MS = 1_500_000;

/** The `target` attribute of a launch configuration. */
export const GUEST_TARGET = `sandbox:${EDITOR_GUEST}`;

export async function noGuest(): Promise<void> {
  await resetSandbox(EDITOR_GUEST, vmContext());
}

export async function guestRuns(): Promise<boolean> {
  return (await sandboxStatus(EDITOR_GUEST)).state === 'running';
}

/** Boots it as a host that Skua has never seen: nothing is prepared. Modules for its kernel are built here beforehand. */
export async function bootBareGuest(): Promise<{ readonly ssh: SshConnection; readonly port: number }> {
  const context = vmContext();
  await noGuest();
  await ensureModules(await ensureImage(context), context);
  const ssh = await startSandbox(EDITOR_GUEST, context);
  const { sshPort } = await sandboxStatus(EDITOR_GUEST);
  if (sshPort === undefined) throw new Error('The guest was started and does not run.');
  return { ssh, port: sshPort };
}

/** What the guest's kernel has complained about. That our modules' loading is there shows that this is the right console. */
export async function kernelComplaints(): Promise<readonly string[]> {
  const console = await readFile(consoleFile(EDITOR_GUEST), 'utf8');
  if (!/lttng_\w+: loading out-of-tree module/.test(console))
    throw new Error(`This guest has not loaded the modules:\n${console}`);
  return kernelTrouble(console);
}
