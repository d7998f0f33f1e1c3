import { spawn } from 'node:child_process';
import { SkuaError } from '../../common/base/errors';

export interface RunResult {
  /** Exit status; 127 when the program could not be found or started. Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds after which the process group is killed; the result then has signal SIGKILL. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly input?: string;
  /** Called with every line of output as it comes (both streams), for progress. */
  readonly onLine?: (line: string) => void;
}

/** More output than this of one stream is cut at the front: the end of a build log is what matters. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** Signature of `run`, so that steps can be tested against recorded outputs. */
export type Run = (file: string, args: readonly string[], options?: RunOptions) => Promise<RunResult>;

/**
 * Runs a program without a shell and collects its output. Never rejects because the program failed: look at `code`.
 * Rejects with SkuaError `cancelled` when the signal aborts; the whole process group is killed then.
 */
export const run: Run = async (file, args, options = {}) => {
  if (options.signal?.aborted === true) throw cancelled(file);
  return await new Promise<RunResult>((resolve, reject) => {
    const child = spawn(file, [...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true, // A process group of its own, so that a timeout also ends its children.
      env: { ...process.env, PATH: searchPath(), LC_ALL: 'C', ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stdout = collect(options.onLine);
    const stderr = collect(options.onLine);
    child.stdout.on('data', stdout.push);
    child.stderr.on('data', stderr.push);
    const killGroup = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Already gone: that is what was wanted.
      }
    };
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(killGroup, options.timeoutMs);
    options.signal?.addEventListener('abort', killGroup, { once: true });
    const finish = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', killGroup);
    };
    child.on('error', (error) => {
      finish();
      resolve({ code: 127, signal: null, stdout: stdout.text(), stderr: error.message });
    });
    child.on('close', (code, signal) => {
      finish();
      if (options.signal?.aborted === true) reject(cancelled(file));
      else resolve({ code, signal, stdout: stdout.text(), stderr: stderr.text() });
    });
    child.stdin.on('error', () => {
      // The program closed its input early; its exit status tells whether that mattered.
    });
    child.stdin.end(options.input ?? '');
  });
};

/** The user's PATH, and the folders of system programs that an ordinary login often lacks. */
function searchPath(): string {
  return [process.env['PATH'] ?? '/usr/bin:/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':');
}

function cancelled(what: string): SkuaError {
  return new SkuaError({ code: 'cancelled', message: `Cancelled: ${what}.`, remedy: '' });
}

function collect(onLine?: (line: string) => void): { push: (chunk: Buffer) => void; text: () => string } {
  let chunks: Buffer[] = [];
  let size = 0;
  let partial = '';
  return {
    push: (chunk) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > 2 * MAX_OUTPUT_BYTES) {
        const kept = Buffer.concat(chunks).subarray(-MAX_OUTPUT_BYTES);
        chunks = [kept];
        size = kept.length;
      }
      if (onLine === undefined) return;
      const lines = (partial + chunk.toString('utf8')).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  };
}
