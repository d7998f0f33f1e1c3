import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync } from 'node:fs';
import { access, constants, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import type { CoreContext } from '../api';
import { runCommand, sleep, throwIfAborted } from '../process';
import { privateFolder } from '../paths';
import { keyIdentity } from '../ssh/auth';
import { openSsh, type SshConnection } from '../ssh/connection';
import { pinnedKey } from '../ssh/host-keys';
import { ensureImage, type SandboxImage } from './build';
import { GUEST_USER } from './definition';
import { sandboxKeys, sandboxRoot } from './files';
import { isProcess, processStart, withLock, writeAtomically } from './lock';
import { checkInstanceName, INSTANCE_NAME } from './name';
import { qemuArguments, type Accelerator, type PortForward } from './qemu';
import { qemuVersion, searchPath } from './tools';

export interface SandboxStatus {
  readonly name: string;
  readonly state: 'absent' | 'stopped' | 'running';
  readonly sshPort?: number;
  readonly pid?: number;
  /** Everything the guest's kernel printed since this boot. */
  readonly consoleFile: string;
}

/** What is written down about a running machine. `start` guards against a pid that now belongs to something else. */
interface MachineRecord {
  readonly pid: number;
  readonly start: string;
  readonly sshPort: number;
  readonly imageHash: string;
}

export interface StartOptions {
  /** Default 2. */
  readonly cpus?: number;
  /** Default 2048. */
  readonly memoryMiB?: number;
  /** Default: what SKUA_SANDBOX_ACCEL says, else `tcg`. `icount` is for measuring: single-threaded, slow, repeatable. */
  readonly accelerator?: Accelerator;
  /** Ports of this machine's loopback that shall lead into the guest, beside SSH. */
  readonly forwards?: readonly PortForward[];
  /** Raw images that the guest gets as further disks, read-only. */
  readonly disks?: readonly string[];
  /** Another kernel than the image's, with an initrd that mounts the image's disk. */
  readonly boot?: { readonly image: string; readonly initrd: string };
}

/** Counting instructions takes a single thread, which may have to share a busy machine. */
const BOOT_LIMIT_MS: Readonly<Record<Accelerator, number>> = { kvm: 180_000, tcg: 180_000, icount: 600_000 };
/** What booting usually takes under emulation on two cores, for the progress bar only. */
const BOOT_EXPECTED_MS = 12_000;
const START_ATTEMPTS = 3;

export function consoleFile(name: string): string {
  return join(instanceFolder(name), 'console.log');
}

export async function sandboxStatus(name: string): Promise<SandboxStatus> {
  const folder = instanceFolder(checkInstanceName(name));
  const machine = await readMachine(folder);
  const base = { name, consoleFile: consoleFile(name) };
  if (machine !== undefined) return { ...base, state: 'running', sshPort: machine.sshPort, pid: machine.pid };
  return { ...base, state: existsSync(join(folder, 'disk.qcow2')) ? 'stopped' : 'absent' };
}

export async function listSandboxes(): Promise<readonly SandboxStatus[]> {
  const names = await readdir(join(sandboxRoot(), 'instances')).catch(() => []);
  return Promise.all(names.filter((name) => INSTANCE_NAME.test(name)).map(sandboxStatus));
}

/**
 * Makes sure that the sandbox `name` runs (building the image and booting as needed) and returns an authenticated connection to it.
 * The machine stays up when this process ends. Throws `sandbox-tools-missing`, `sandbox-build-failed`, `sandbox-boot-failed`
 * (detail: end of the guest's console) or `cancelled`; a machine that did not come up is not left running.
 */
export async function startSandbox(
  name: string,
  context: CoreContext,
  options: StartOptions = {},
): Promise<SshConnection> {
  checkInstanceName(name);
  const image = await ensureImage(context);
  const folder = await privateFolder(instanceFolder(name));
  return locked(folder, context, async () => {
    const running = await readMachine(folder);
    if (running !== undefined) return connectGuest(running.sshPort, context, 15_000);
    await ensureOverlay(folder, image, context);
    for (let attempt = 1; ; attempt++) {
      try {
        return await boot(folder, image, context, options);
      } catch (error) {
        if (attempt >= START_ATTEMPTS || !(error instanceof PortTaken)) throw error;
      }
    }
  });
}

/** Ends the machine after writing its file systems out. The instance's disk stays for the next start. Idempotent. */
export async function stopSandbox(name: string, context: CoreContext): Promise<void> {
  const folder = instanceFolder(checkInstanceName(name));
  await locked(folder, context, async () => {
    const machine = await readMachine(folder);
    if (machine !== undefined) {
      context.progress.report('Stopping the sandbox');
      await syncGuest(machine, context);
      await endProcess(machine);
    }
    await rm(join(folder, 'machine.json'), { force: true });
  });
}

/** Stops the machine and throws its disk away: the next start is a fresh system. */
export async function resetSandbox(name: string, context: CoreContext): Promise<void> {
  const folder = instanceFolder(checkInstanceName(name));
  await locked(folder, context, async () => {
    const machine = await readMachine(folder);
    if (machine !== undefined) await endProcess(machine);
    await rm(folder, { recursive: true, force: true });
  });
  context.log('info', `sandbox ${name}: disk removed`);
}

/** One process at a time starts, stops or resets an instance. */
function locked<T>(folder: string, context: CoreContext, work: () => Promise<T>): Promise<T> {
  return withLock(
    `${folder}.lock`,
    context.signal,
    () => {
      context.progress.report('Waiting for another process that starts or stops the sandbox');
    },
    work,
  );
}

function instanceFolder(name: string): string {
  return join(sandboxRoot(), 'instances', name);
}

/** Undefined when it does not run: never started, ended, crashed, or this computer was restarted. Also read without the lock. */
async function readMachine(folder: string): Promise<MachineRecord | undefined> {
  const text = await readFile(join(folder, 'machine.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as MachineRecord;
  return isProcess(record) ? record : undefined;
}

/** An instance's disk belongs to one image; after the image has changed (new keys, new packages) it starts afresh. */
async function ensureOverlay(folder: string, image: SandboxImage, context: CoreContext): Promise<void> {
  const overlay = join(folder, 'disk.qcow2');
  const marker = join(folder, 'image');
  const made = await readFile(marker, 'utf8').catch(() => '');
  if (made === image.hash && existsSync(overlay)) return;
  if (existsSync(overlay))
    context.log('warn', 'The sandbox image has changed: the instance starts with a fresh disk.');
  await mkdir(folder, { recursive: true });
  await rm(overlay, { force: true });
  const args = ['create', '-q', '-f', 'qcow2', '-b', image.disk, '-F', 'raw', overlay];
  const result = await runCommand('qemu-img', args, { signal: context.signal });
  if (result.code !== 0) throw bootFailed('The disk of the sandbox could not be made.', result.tail);
  await writeFile(marker, image.hash);
}

/** Somebody else took the port between choosing and using it: try again with another. */
class PortTaken extends Error {}

async function boot(
  folder: string,
  image: SandboxImage,
  context: CoreContext,
  options: StartOptions,
): Promise<SshConnection> {
  throwIfAborted(context.signal, 'Starting the sandbox');
  context.progress.report('Starting the sandbox', 0);
  const console = join(folder, 'console.log');
  const errors = join(folder, 'qemu.log');
  await rm(console, { force: true });
  const sshPort = await freeLoopbackPort();
  const accelerator = await usable(options.accelerator ?? wantedAccelerator());
  const args = qemuArguments({
    kernel: options.boot?.image ?? image.kernel,
    initrd: options.boot?.initrd ?? image.initrd,
    overlay: join(folder, 'disk.qcow2'),
    console,
    sshPort,
    pidFile: join(folder, 'qemu.pid'),
    accelerator,
    qemuVersion: await qemuVersion(context.signal),
    forwards: options.forwards ?? [],
    disks: options.disks ?? [],
    cpus: options.cpus ?? Math.min(2, availableParallelism()),
    memoryMiB: options.memoryMiB ?? 2048,
  });
  const log = openSync(errors, 'w', 0o600);
  // A session of its own: neither Ctrl-C in this terminal nor the end of this process reaches the machine.
  const child = spawn('qemu-system-x86_64', args, {
    cwd: folder,
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, PATH: searchPath() },
  });
  closeSync(log);
  const failed = new Promise<never>((_resolve, reject) => {
    child.on('error', (error) => {
      reject(bootFailed(`QEMU could not be started: ${error.message}.`, ''));
    });
    child.on('exit', () => {
      void Promise.all([tailOf(errors), tailOf(console)]).then(([said, printed]) => {
        if (/Could not set up host forwarding rule|Address already in use/.test(said))
          reject(new PortTaken());
        else reject(bootFailed('The virtual machine ended while it was starting.', `${said}\n${printed}`));
      });
    });
  });
  failed.catch(() => undefined);
  child.unref();
  const machine: MachineRecord | undefined =
    child.pid === undefined
      ? undefined
      : { pid: child.pid, start: processStart(child.pid) ?? '', sshPort, imageHash: image.hash };
  try {
    if (machine === undefined) return await failed;
    await writeAtomically(join(folder, 'machine.json'), JSON.stringify(machine));
    return await Promise.race([untilReady(machine, console, BOOT_LIMIT_MS[accelerator], context), failed]);
  } catch (error) {
    // Does nothing when it has ended by itself.
    if (machine !== undefined) await endProcess(machine);
    await rm(join(folder, 'machine.json'), { force: true });
    throw error;
  }
}

async function untilReady(
  machine: MachineRecord,
  console: string,
  limitMs: number,
  context: CoreContext,
): Promise<SshConnection> {
  const began = Date.now();
  for (;;) {
    const elapsed = Date.now() - began;
    context.progress.report('Starting the sandbox', Math.min(0.95, elapsed / BOOT_EXPECTED_MS));
    // A machine that boots slowly answers slowly. Asking again too soon would pile up connections, each of which costs it a process.
    if (await answersSsh(machine.sshPort, Math.max(1000, elapsed / 8))) {
      try {
        return await connectGuest(machine.sshPort, context, 20_000);
      } catch (error) {
        // sshd may answer before it can log anybody in; anything but silence or a cut is final.
        if (!(error instanceof SkuaError) || error.code !== 'host-unreachable') throw error;
      }
    }
    const printed = await tailOf(console);
    if (/Kernel panic|skua: (no disk|\/dev\/vda)/.test(printed))
      throw bootFailed("The sandbox's system did not start.", printed);
    if (elapsed > limitMs)
      throw bootFailed(`The sandbox did not answer within ${String(limitMs / 60_000)} minutes.`, printed);
    await sleep(150, context.signal);
  }
}

async function connectGuest(port: number, context: CoreContext, timeoutMs: number): Promise<SshConnection> {
  const keys = await sandboxKeys();
  return openSsh({
    alias: 'the sandbox',
    host: '127.0.0.1',
    port,
    identity: keyIdentity(GUEST_USER, keys.login.privateKey),
    hostKeys: pinnedKey('the sandbox', keys.host.publicKey),
    timeoutMs,
    signal: context.signal,
    // The guest is emulated, perhaps by a busy machine: silence for a minute is not death.
    keepAliveMs: 90_000,
  });
}

/** QEMU accepts connections from the start; only the guest's sshd sends its version line. */
function answersSsh(port: number, patienceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => {
      done(false);
    }, patienceMs);
    socket.on('data', (data) => {
      done(data.toString('latin1').startsWith('SSH-'));
    });
    socket.on('error', () => {
      done(false);
    });
    socket.on('close', () => {
      done(false);
    });
  });
}

/** What the guest wrote lives in QEMU's page cache until it exits; what it has not yet written must leave its own first. */
async function syncGuest(machine: MachineRecord, context: CoreContext): Promise<void> {
  try {
    const connection = await connectGuest(machine.sshPort, context, 5000);
    await connection.run('sync', { signal: AbortSignal.any([context.signal, AbortSignal.timeout(10_000)]) });
    await connection.dispose();
  } catch (error) {
    context.log('warn', `sandbox: stopped without writing out its disk (${String(error)})`);
  }
}

async function endProcess(machine: MachineRecord): Promise<void> {
  for (const [signal, waitMs] of [['SIGTERM', 5000] as const, ['SIGKILL', 5000] as const]) {
    if (!isProcess(machine)) return;
    process.kill(machine.pid, signal);
    for (let waited = 0; waited < waitMs && isProcess(machine); waited += 50) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * Emulation unless asked otherwise: hardware virtualization is much faster where it works, but /dev/kvm of a nested machine may exist
 * and yet boot nothing, and then a first run would hang.
 */
function wantedAccelerator(): Accelerator {
  const wanted = process.env['SKUA_SANDBOX_ACCEL'];
  return wanted === 'kvm' || wanted === 'icount' ? wanted : 'tcg';
}

async function usable(accelerator: Accelerator): Promise<Accelerator> {
  if (accelerator !== 'kvm') return accelerator;
  await access('/dev/kvm', constants.R_OK | constants.W_OK).catch((cause: unknown) => {
    throw new SkuaError(
      {
        code: 'sandbox-boot-failed',
        message: 'SKUA_SANDBOX_ACCEL asks for KVM, but /dev/kvm cannot be used.',
        remedy: 'Join the group "kvm", or unset SKUA_SANDBOX_ACCEL to use emulation.',
      },
      { cause },
    );
  });
  return accelerator;
}

async function tailOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).slice(-4000);
}

function bootFailed(message: string, detail: string): SkuaError {
  return new SkuaError({
    code: 'sandbox-boot-failed',
    message,
    remedy: 'Read the end of its console below. "skua sandbox reset" starts over with a fresh disk.',
    detail,
  });
}

/** A free loopback TCP port. Another process may take it before it is used. */
function freeLoopbackPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no loopback port'));
      });
    });
  });
}
