/**
 * The sandbox that the session tests share, reached through the product's own code. It is started once and stays up between the files of
 * this folder; each file ends by looking through what the guest's kernel has printed since the file began.
 */
import { readFile } from 'node:fs/promises';
import type { SkuaError } from '../../common/base/errors';
import { toSkuaError } from '../../common/base/errors';
import { NO_LOSS, settled, type LossReport, type Received } from '../../common/model/loss';
import type { Span } from '../../common/model/span';
import type { ExitStatus, SessionSummary } from '../../common/protocol/agent';
import type { CoreContext, RunOptions, TargetSpec, TraceRun } from '../../src/core/api';
import { consoleFile, sandboxStatus, startSandbox } from '../../src/core/sandbox/instance';
import { SpanCollector } from '../../src/core/session/collector';
import { startRun } from '../../src/core/session/run';
import type { SshConnection } from '../../src/core/ssh/connection';
import { SESSION_GUEST } from './instance';

export const SANDBOX: TargetSpec = { kind: 'sandbox', name: SESSION_GUEST };

export interface Machine {
  readonly ssh: SshConnection;
  readonly sshPort: number;
  /** Runs a shell script in the guest as the ordinary login; throws with its output unless it exits with 0. */
  must(script: string): Promise<string>;
  /** What the kernel has printed since the machine was opened here. */
  console(): Promise<string>;
  close(): Promise<void>;
}

export function vmContext(
  signal: AbortSignal = new AbortController().signal,
  log: string[] = [],
): CoreContext {
  return {
    signal,
    progress: { report: () => undefined },
    log: (level, message) => log.push(`${level} ${message}`),
    prompter: {
      confirmHostKey: () => Promise.resolve(false),
      password: () => Promise.resolve(undefined),
      confirmPrepare: () => Promise.resolve(true),
    },
  };
}

export async function openMachine(name: string = SESSION_GUEST): Promise<Machine> {
  const context = vmContext();
  const ssh = await startSandbox(name, context);
  const { sshPort } = await sandboxStatus(name);
  if (sshPort === undefined) throw new Error('the sandbox was started and does not run');
  const before = (await readFile(consoleFile(name), 'utf8')).length;
  return {
    ssh,
    sshPort,
    must: async (script) => {
      const result = await ssh.run(script, { signal: context.signal });
      if (result.code !== 0)
        throw new Error(
          `exit ${String(result.code)}: ${script}\n${result.stdout.toString()}${result.stderr}`,
        );
      return result.stdout.toString('utf8');
    },
    console: async () => (await readFile(consoleFile(name), 'utf8')).slice(before),
    close: () => ssh.dispose(),
  };
}

/** Of a loss report: on the way to the client nothing was lost of any system call. */
export const NO_SYSCALL_LOST = {
  ringBuffer: 0,
  stream: 0,
  bothLost: 0,
  entryLost: 0,
  exitLost: 0,
  ssh: 0,
};

export interface Traced {
  readonly spans: readonly Span[];
  readonly stdout: string;
  readonly stderr: string;
  readonly exit?: ExitStatus;
  readonly summary?: SessionSummary;
  /** The last report, settled with what arrived here. */
  readonly loss: LossReport;
  readonly received: Received;
  readonly error?: SkuaError;
}

/** Runs a program under tracing to its end. `during` is called once it runs; a failure of the run is in `error`. */
export async function trace(
  options: Omit<RunOptions, 'target' | 'session'> & Partial<Pick<RunOptions, 'target' | 'session'>>,
  during: (
    run: TraceRun,
    soFar: {
      readonly spans: () => readonly Span[];
      readonly stdout: () => string;
      readonly loss: () => LossReport;
    },
  ) => void | Promise<void> = () => undefined,
  context: CoreContext = vmContext(),
  maxSpans?: number,
): Promise<Traced> {
  const collector = new SpanCollector(maxSpans);
  const out: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  const text = (stream: 'stdout' | 'stderr'): string => Buffer.concat(out[stream]).toString('utf8');
  let loss: LossReport = NO_LOSS;
  const outcome = await (async () => {
    try {
      const run = await startRun(
        { target: SANDBOX, session: {}, ...options },
        {
          spans: (spans, provisional) => {
            collector.add(spans, provisional);
          },
          output: (stream, data) => out[stream].push(Buffer.from(data)),
          loss: (report) => {
            loss = report;
          },
          exited: () => undefined,
          failed: () => undefined,
        },
        context,
      );
      await during(run, { spans: () => collector.spans(), stdout: () => text('stdout'), loss: () => loss });
      return await run.done;
    } catch (error) {
      return { error: toSkuaError(error) };
    }
  })();
  const { received } = collector;
  const printed = { stdout: text('stdout'), stderr: text('stderr') };
  return { spans: collector.spans(), ...printed, loss: settled(loss, received), received, ...outcome };
}

/** A launch of a program that was built here and is uploaded alone. */
export function uploaded(
  localPath: string,
  args: readonly string[] = [],
  vdsoSyscalls = false,
): Pick<RunOptions, 'upload' | 'launch'> {
  const program = localPath.split('/').pop() ?? localPath;
  return { upload: { kind: 'file', localPath }, launch: { program, args, env: {}, vdsoSyscalls } };
}
