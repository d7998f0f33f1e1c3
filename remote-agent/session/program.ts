import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { SkuaError } from '../../common/base/errors';
import type { Disposable } from '../../common/base/disposable';
import type { ExitStatus, LaunchOptions, ShellOptions } from '../../common/protocol/agent';
import { programLocation } from '../registration/inspect';
import type { Location } from '../registration/location';
import { locationArgs } from '../registration/registrar';

/** Where a program's output goes. `whenReady` lets a fast writer wait for a slow client, as a terminal would. */
export interface OutputSink {
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  whenReady(): Promise<void> | undefined;
}

const STATUS_FD = 3;
const TERM_PATIENCE_MS = 1500;
/** After the program's end, its descendants may keep its output open; they get this long to finish writing. */
const OUTPUT_PATIENCE_MS = 500;

/** A running program in a process group of its own. Disposing ends the whole group. */
export class Program implements Disposable {
  readonly pid: number;
  /** Resolves after the program has ended and its output was handed over. */
  readonly exited: Promise<ExitStatus>;
  private over = false;

  private constructor(
    private readonly child: ChildProcess,
    sink: OutputSink,
  ) {
    this.pid = child.pid ?? 0;
    pipe(child.stdout, 'stdout', sink);
    pipe(child.stderr, 'stderr', sink);
    child.stdin?.on('error', () => {
      // The program closed its input; what the user still types has no reader.
    });
    this.exited = new Promise((resolve) => {
      let status: ExitStatus = { code: null, signal: null };
      const finish = (): void => {
        this.over = true;
        resolve(status);
      };
      child.once('exit', (code, signal) => {
        status = { code, signal };
        setTimeout(finish, OUTPUT_PATIENCE_MS).unref();
      });
      child.once('close', finish);
    });
  }

  /**
   * Starts `options.program` through Skua's launcher, which becomes the program. Throws `program-not-found`,
   * `program-not-executable` or `config-invalid` (working folder).
   */
  static async launch(
    options: LaunchOptions,
    environment: Readonly<Record<string, string>>,
    launcher: string,
    sink: OutputSink,
  ): Promise<Program> {
    await checkCwd(options.cwd);
    const hasLauncher = existsSync(launcher);
    if (!hasLauncher && options.vdsoSyscalls) {
      throw new SkuaError({
        code: 'agent-start-failed',
        message: 'Hiding the vDSO needs the helper skua-launch, which is not beside the agent.',
        remedy: 'Redeploy the agent ("Skua: Remove Agent from Target", then run again).',
      });
    }
    const env = { ...process.env, ...environment, ...options.env };
    const location = contextLocation(options, env['PATH']);
    const launcherArgs = [
      ...(options.vdsoSyscalls ? ['--hide-vdso'] : []),
      ...(location === undefined ? [] : locationArgs(location)),
      '--status-fd',
      String(STATUS_FD),
      '--',
    ];
    const child = spawn(
      hasLauncher ? launcher : options.program,
      hasLauncher ? [...launcherArgs, options.program, ...options.args] : [...options.args],
      {
        detached: true,
        // Nobody but the launcher would close the last: a program on its own has no use for it, and keeps it open to its end.
        stdio: ['pipe', 'pipe', 'pipe', ...(hasLauncher ? (['pipe'] as const) : [])],
        env,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      },
    );
    // Listeners first: a short program has ended, and said what it had to, before the launcher's report is read.
    const program = new Program(child, sink);
    const failure = await startFailure(child, child.stdio[STATUS_FD] as Readable | undefined);
    if (failure !== undefined) throw explainStart(options.program, failure);
    return program;
  }

  input(data: Uint8Array): void {
    if (data.length === 0) this.child.stdin?.end();
    else this.child.stdin?.write(data);
  }

  signal(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group is gone already.
    }
  }

  async dispose(): Promise<void> {
    if (!this.over) {
      this.signal('SIGTERM');
      const patience = setTimeout(() => {
        this.signal('SIGKILL');
      }, TERM_PATIENCE_MS);
      await this.exited;
      clearTimeout(patience);
    }
    // Descendants that outlived the program: nothing may stay behind.
    this.signal('SIGKILL');
  }
}

/** Runs a shell command, output streamed. Aborting ends its whole process group. */
export async function runShell(
  options: ShellOptions,
  sink: OutputSink,
  signal: AbortSignal,
): Promise<ExitStatus> {
  await checkCwd(options.cwd);
  signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', options.command], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  pipe(child.stdout, 'stdout', sink);
  pipe(child.stderr, 'stderr', sink);
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It ended just now.
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    return await new Promise<ExitStatus>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, ended) => {
        if (signal.aborted)
          reject(new SkuaError({ code: 'cancelled', message: 'The command was cancelled.', remedy: '' }));
        else resolve({ code, signal: ended });
      });
    });
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

function pipe(stream: Readable | null, name: 'stdout' | 'stderr', sink: OutputSink): void {
  stream?.on('data', (data: Buffer) => {
    sink.output(name, data);
    const ready = sink.whenReady();
    if (ready !== undefined) {
      stream.pause();
      void ready.then(() => stream.resume());
    }
  });
}

interface StartFailure {
  readonly error: string;
  readonly message: string;
}

/** The launcher writes a line when it cannot become the program, and its status pipe just closes when it can. */
async function startFailure(
  child: ChildProcess,
  status: Readable | undefined,
): Promise<StartFailure | undefined> {
  return await new Promise((resolve) => {
    let text = '';
    child.once('error', (error) => {
      const code = (error as NodeJS.ErrnoException).code;
      resolve({ error: code === 'ENOENT' ? 'not-found' : 'not-executable', message: error.message });
    });
    if (status === undefined) {
      child.once('spawn', () => {
        resolve(undefined);
      });
      return;
    }
    status.on('data', (data: Buffer) => {
      text += data.toString('utf8');
    });
    status.on('error', () => {
      resolve(undefined);
    });
    status.once('close', () => {
      if (text.trim() === '') {
        // A failed spawn also closes the pipe; its own error event, which says more, comes first or right after.
        setImmediate(() => {
          resolve(undefined);
        });
        return;
      }
      try {
        resolve(JSON.parse(text) as StartFailure);
      } catch {
        resolve({ error: 'not-executable', message: text.trim() });
      }
    });
  });
}

function explainStart(program: string, failure: StartFailure): SkuaError {
  if (failure.error === 'not-found') {
    return new SkuaError({
      code: 'program-not-found',
      message: `There is no program "${program}" on the target.`,
      remedy:
        'Check "program" in the launch configuration: a path on the target, a name in its PATH, or a local file that is uploaded.',
      detail: failure.message,
    });
  }
  if (failure.error === 'vdso') {
    return new SkuaError({
      code: 'program-not-executable',
      message: `The vDSO could not be hidden from "${program}".`,
      remedy: 'Run without the option "vdsoSyscalls" (--vdso-syscalls).',
      detail: failure.message,
    });
  }
  return new SkuaError({
    code: 'program-not-executable',
    message: `"${program}" cannot be executed on the target.`,
    remedy:
      "Check that it is built for the target's architecture and that its execute permission is set (chmod +x).",
    detail: failure.message,
  });
}

/**
 * Where the program keeps its thread context, when it exports that and is looked up as execvp does: the launcher registers it, so that
 * nothing of a short program is missed. What libraries export is found when they are loaded.
 */
function contextLocation(options: LaunchOptions, path: string | undefined): Location | undefined {
  const { program, cwd = process.cwd() } = options;
  if (program.includes('/')) return programLocation(resolve(cwd, program));
  const folder = (path ?? '').split(':').find((each) => existsSync(resolve(cwd, each, program)));
  return folder === undefined ? undefined : programLocation(resolve(cwd, folder, program));
}

async function checkCwd(cwd: string | undefined): Promise<void> {
  if (cwd === undefined) return;
  const found = await stat(cwd).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new SkuaError({
    code: 'config-invalid',
    message: `The working folder "${cwd}" does not exist on the target.`,
    remedy: 'Correct "cwd" in the launch configuration.',
  });
}
