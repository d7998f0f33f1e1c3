/**
 * The sandbox's system on a kernel that watches itself (tools/debug-kernel.sh): KASAN, lockdep, PROVE_RCU, kmemleak. It is started and
 * ended by the test that asks for it, on an overlay that is thrown away.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureImage, type SandboxImage } from '../../src/core/sandbox/build';
import { GUEST_USER } from '../../src/core/sandbox/definition';
import { loginKeyPath } from '../../src/core/sandbox/files';
import { qemuArguments } from '../../src/core/sandbox/qemu';
import { qemuVersion } from '../../src/core/sandbox/tools';
import { freePort } from '../../tools/editor/server';
import { mustLocal, openGuest, quietContext, REPOSITORY, type Guest } from './guest';

export interface DebugKernel {
  /** bzImage, and build/ to build modules with. */
  readonly folder: string;
  /** Skua's modules, built for it. */
  readonly modules: string;
}

/** KASAN and lockdep, emulated: systemd alone takes five minutes. */
const BOOT_LIMIT_MS = 1_500_000;

/** Builds kernel and modules unless they are cached. */
export async function debugKernel(image: SandboxImage): Promise<DebugKernel> {
  const folder = (await mustLocal('bash', [join(REPOSITORY, 'tools/debug-kernel.sh')])).trim();
  const build = join(REPOSITORY, 'kernel/build.sh');
  const hash = (await mustLocal(build, ['--hash'])).trim();
  const modules = join(REPOSITORY, 'out/vm-modules', `debug-${hash}`);
  const headers = join(folder, 'build');
  if (!existsSync(modules))
    await mustLocal(build, ['--source', image.lttngModulesDeb, '--headers', headers, '--out', modules]);
  return { folder, modules };
}

export async function openDebugGuest(image: SandboxImage, kernel: DebugKernel): Promise<Guest> {
  const folder = await mkdtemp(join(tmpdir(), 'skua-debug-guest-'));
  const overlay = join(folder, 'disk.qcow2');
  const consoleFile = join(folder, 'console.log');
  await mustLocal('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image.disk, '-F', 'raw', overlay]);
  const sshPort = await freePort();
  const arguments_ = qemuArguments({
    kernel: join(kernel.folder, 'bzImage'),
    overlay,
    console: consoleFile,
    sshPort,
    pidFile: join(folder, 'qemu.pid'),
    accelerator: 'tcg',
    qemuVersion: await qemuVersion(new AbortController().signal),
    // Two would be emulated in turn (decision 0021) and mostly wait for each other's locks; the kernel is preemptible.
    cpus: 1,
    memoryMiB: 4096,
    disks: [],
    forwards: [],
  });
  const machine = spawn('qemu-system-x86_64', arguments_, { stdio: ['ignore', 'ignore', 'inherit'] });
  const close = async (): Promise<void> => {
    await ended(machine);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const guest = await openGuest({
      host: '127.0.0.1',
      port: String(sshPort),
      key: loginKeyPath(),
      user: GUEST_USER,
      consoleFile,
      close,
    });
    await answers(guest, machine, consoleFile);
    return guest;
  } catch (error) {
    await close();
    throw error;
  }
}

export function debugImage(): Promise<SandboxImage> {
  return ensureImage(quietContext());
}

async function answers(guest: Guest, machine: ChildProcess, consoleFile: string): Promise<void> {
  for (let waited = 0; waited < BOOT_LIMIT_MS; waited += 2000) {
    if (machine.exitCode !== null) break;
    if ((await guest.run('true')).code === 0) return;
    await sleep(2000);
  }
  throw new Error(`The debug kernel did not boot:\n${(await readFile(consoleFile, 'utf8')).slice(-4000)}`);
}

function ended(machine: ChildProcess): Promise<void> {
  if (machine.exitCode !== null || machine.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    machine.once('exit', () => {
      resolve();
    });
    machine.kill('SIGKILL');
  });
}
