/**
 * A guest with a real kernel, for the tests in this folder. Either one that runs already (SKUA_VM_PORT, SKUA_VM_KEY,
 * SKUA_VM_HOST, SKUA_VM_USER, SKUA_VM_CONSOLE: the file its console goes to) or the product's own sandbox, under a name of its own.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CoreContext } from '../../src/core/api';
import type { StartOptions } from '../../src/core/sandbox/instance';
import { KERNEL_GUEST } from './instance';

export const REPOSITORY = join(import.meta.dirname, '../..');

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Guest {
  /** Runs a shell command as root. Never rejects because of the command's exit status. */
  run(command: string, input?: Uint8Array): Promise<RunResult>;
  /** The same, and throws with the command's output unless it exits with 0. Returns what it printed. */
  must(command: string, input?: Uint8Array): Promise<string>;
  /** Puts the files of a local folder into a new folder of the guest. */
  upload(localFolder: string, remoteFolder: string): Promise<void>;
  /** Everything that the guest's kernel has printed since it booted. */
  console(): Promise<string>;
  close(): Promise<void>;
}

export interface Login {
  readonly host: string;
  readonly port: string;
  readonly key: string;
  readonly user: string;
  readonly consoleFile: string;
  readonly close: () => Promise<void>;
}

/** The guest of the environment or the product's own sandbox, unless it is said how to reach one. */
export async function openGuest(given?: Login): Promise<Guest> {
  const port = process.env['SKUA_VM_PORT'];
  return guestOf(given ?? (port === undefined ? await startOwn(KERNEL_GUEST) : givenGuest(port)));
}

/** The sandbox of that name as a guest, started if it does not run; `options` count only then. */
export async function openSandbox(name: string, options: StartOptions): Promise<Guest> {
  return guestOf(await startOwn(name, options));
}

function guestOf(login: Login): Guest {
  const ssh = [
    ...['-i', login.key, '-p', login.port, '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR'],
    // The machine was made on this computer a moment ago and listens on its loopback only.
    ...[
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      `${login.user}@${login.host}`,
    ],
  ];
  const run = (command: string, input?: Uint8Array): Promise<RunResult> =>
    runLocal('ssh', [...ssh, `sudo -n bash -c ${quote(command)}`], input);
  const must = async (command: string, input?: Uint8Array): Promise<string> => {
    const result = await run(command, input);
    if (result.code !== 0)
      throw new Error(`exit ${result.code ?? 'by signal'}: ${command}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  };
  return {
    run,
    must,
    async upload(localFolder, remoteFolder) {
      const remote = quote(remoteFolder);
      const archive = await runLocalBytes('tar', ['-C', localFolder, '-czf', '-', '.']);
      await must(
        `rm -rf ${remote} && mkdir -p ${remote} && tar -C ${remote} --no-same-owner -xzf -`,
        archive,
      );
    },
    console: () => readFile(login.consoleFile, 'utf8'),
    close: login.close,
  };
}

function givenGuest(port: string): Login {
  return {
    host: process.env['SKUA_VM_HOST'] ?? '127.0.0.1',
    port,
    key: required('SKUA_VM_KEY'),
    user: process.env['SKUA_VM_USER'] ?? 'root',
    consoleFile: required('SKUA_VM_CONSOLE'),
    close: () => Promise.resolve(),
  };
}

async function startOwn(name: string, options: StartOptions = {}): Promise<Login> {
  const { resetSandbox, sandboxStatus, startSandbox } = await import('../../src/core/sandbox/instance');
  const { loginKeyPath } = await import('../../src/core/sandbox/files');
  const { GUEST_USER } = await import('../../src/core/sandbox/definition');
  const context = quietContext();
  const connection = await startSandbox(name, context, options);
  await connection.dispose();
  const status = await sandboxStatus(name);
  if (status.sshPort === undefined) throw new Error('the sandbox runs but has no port');
  return {
    host: '127.0.0.1',
    port: String(status.sshPort),
    key: loginKeyPath(),
    user: GUEST_USER,
    consoleFile: status.consoleFile,
    close: () => resetSandbox(name, context),
  };
}

/** For tests: nobody is asked anything, progress goes nowhere. */
export function quietContext(): CoreContext {
  return {
    progress: { report: () => undefined },
    prompter: {
      confirmHostKey: () => Promise.resolve(false),
      password: () => Promise.resolve(undefined),
      confirmPrepare: () => Promise.resolve(true),
    },
    signal: new AbortController().signal,
    log: () => undefined,
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`SKUA_VM_PORT is set, so ${name} must be too`);
  return value;
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export async function runLocal(
  program: string,
  args: readonly string[],
  input?: Uint8Array,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined); // a command that does not read its input is not an error
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    child.stdin.end(input);
  });
}

async function runLocalBytes(program: string, args: readonly string[]): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const out: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(Buffer.concat(out)) : reject(new Error(`${program} exit ${code ?? ''}`)),
    );
  });
}

/** Runs a program here; returns what it printed, and throws with it unless the program exits with 0. */
export async function mustLocal(program: string, args: readonly string[]): Promise<string> {
  const result = await runLocal(program, args);
  if (result.code !== 0) throw new Error(`${program} failed:\n${result.stdout}${result.stderr}`);
  return result.stdout;
}
