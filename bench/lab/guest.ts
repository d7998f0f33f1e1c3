/** The guests that benchmarks run in: the product's own sandbox, once for time and once for instructions. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PortForward } from '../../src/core/sandbox/qemu';
import { openSandbox, REPOSITORY, type Guest } from '../../test/vm/guest';
import { moduleFolders, TRACING_GROUP } from '../../test/vm/modules';
import { tracersDisk } from './tracers';

/** `time`: two emulated processors, clocks are the host's. `instructions`: one, whose clock counts its instructions. */
export type GuestKind = 'time' | 'instructions';

/** Where the guest has what a benchmark brings. */
export const BENCH = '/root/bench';

/** Names of guests begin with this; SKUA_BENCH_INSTANCE lets several checkouts measure. */
const PREFIX = process.env['SKUA_BENCH_INSTANCE'] ?? 'bench';

export function guestName(kind: GuestKind): string {
  return `${PREFIX}-${kind}`;
}

/** A guest with the benchmarks' programs and both sets of modules, none of them loaded. */
export async function openBenchGuest(kind: GuestKind, forwards: readonly PortForward[] = []): Promise<Guest> {
  execFileSync(join(REPOSITORY, 'tools/build-clients.sh'), { stdio: 'ignore' });
  execFileSync('make', ['-s', '-C', join(REPOSITORY, 'bench/guest')], { stdio: 'inherit' });
  const folders = await moduleFolders();
  const guest = await openSandbox(guestName(kind), {
    ...(kind === 'time' ? { accelerator: 'tcg', cpus: 2 } : { accelerator: 'icount', cpus: 1 }),
    forwards,
    disks: [tracersDisk()],
  });
  const folder = mkdtempSync(join(tmpdir(), 'skua-bench-'));
  try {
    cpSync(join(REPOSITORY, 'out/bench'), folder, { recursive: true });
    for (const script of ['session.sh', 'serve.sh'])
      cpSync(join(REPOSITORY, 'bench/guest', script), join(folder, script));
    cpSync(join(REPOSITORY, 'test/vm/guest/modules.sh'), join(folder, 'modules.sh'));
    cpSync(folders.skua, join(folder, 'skua'), { recursive: true });
    cpSync(folders.stock, join(folder, 'stock'), { recursive: true });
    await guest.upload(folder, BENCH);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return guest;
}

/** Shell commands that load a set of modules, after unloading whatever was there. `parameters`: of skua.ko. */
export function loadModules(which: 'skua' | 'stock', parameters = ''): string {
  const all = which === 'skua' ? `${TRACING_GROUP} ${parameters}` : '';
  return `${BENCH}/modules.sh load ${BENCH}/${which} ${all}`;
}
