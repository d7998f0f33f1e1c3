import { spawn } from 'node:child_process';
import { SkuaError } from '../../common/base/errors';

export function cancelled(what: string): SkuaError {
  return new SkuaError({ code: 'cancelled', message: `${what} was cancelled.`, remedy: '' });
}

export function throwIfAborted(signal: AbortSignal, what: string): void {
  if (signal.aborted) throw cancelled(what);
}

/** Resolves after `ms`, or rejects with `cancelled` when `signal` aborts first. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(cancelled('Waiting'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** The last `limit` characters of a text that arrives in pieces. */
export class Tail {
  private text = '';

  constructor(private readonly limit: number) {}

  push(piece: string): void {
    this.text = (this.text + piece).slice(-this.limit);
  }

  toString(): string {
    return this.text;
  }
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  /** Last 8,000 characters of stdout and stderr together, for an error's detail. */
  readonly tail: string;
}

export interface CommandOptions {
  readonly signal: AbortSignal;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Called with each complete line of stderr and, when `linesOfStdout`, of stdout. */
  readonly onLine?: (line: string) => void;
  readonly linesOfStdout?: boolean;
}

/**
 * Runs a local command in a process group of its own to its end and returns its exit code and output. On abort the whole group is
 * ended, first politely, and the promise rejects with `cancelled` once it is gone. Throws the spawn error (ENOENT, …) unchanged.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    throwIfAborted(options.signal, command);
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const tail = new Tail(8000);
    const stdout: Buffer[] = [];
    let hardKill: NodeJS.Timeout | undefined;
    const abort = (): void => {
      killGroup(child.pid, 'SIGTERM');
      hardKill = setTimeout(() => {
        killGroup(child.pid, 'SIGKILL');
      }, 10_000);
    };
    options.signal.addEventListener('abort', abort, { once: true });
    const lines = (): ((data: Buffer) => void) => {
      let rest = '';
      return (data) => {
        const parts = (rest + data.toString('utf8')).split(/\r?\n/);
        rest = parts.pop() ?? '';
        for (const line of parts) options.onLine?.(line);
      };
    };
    const outLines = lines();
    const errLines = lines();
    child.stdout.on('data', (data: Buffer) => {
      stdout.push(data);
      tail.push(data.toString('utf8'));
      if (options.linesOfStdout === true) outLines(data);
    });
    child.stderr.on('data', (data: Buffer) => {
      tail.push(data.toString('utf8'));
      errLines(data);
    });
    // The command may close its input before it has read it all; its exit code tells whether that was wrong.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const settle = (): void => {
      clearTimeout(hardKill);
      options.signal.removeEventListener('abort', abort);
    };
    child.on('error', (error) => {
      settle();
      reject(error);
    });
    child.on('close', (code) => {
      settle();
      if (options.signal.aborted) reject(cancelled(command));
      else resolve({ code, stdout: Buffer.concat(stdout).toString('utf8'), tail: tail.toString() });
    });
  });
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Already gone: that is what was wanted.
  }
}
