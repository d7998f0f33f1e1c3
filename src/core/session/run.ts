import { randomBytes } from 'node:crypto';
import { basename, posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkuaError, toSkuaError } from '../../../common/base/errors';
import { SKUA } from '../../../common/model/abi';
import { parseAccount } from '../../../common/model/kernelAccount';
import { NO_LOSS, withAccount, type LossReport, type LostStretch } from '../../../common/model/loss';
import type {
  ExitStatus,
  LaunchOptions,
  SessionOptions,
  SessionSummary,
} from '../../../common/protocol/agent';
import type { AgentEvents } from '../agent/connection';
import {
  DEFAULT_SESSION,
  type CoreContext,
  type RunEvents,
  type RunInfo,
  type RunOptions,
  type TraceRun,
} from '../api';
import { cancelled, throwIfAborted } from '../process';
import type { SshConnection } from '../ssh/connection';
import { mapToRemote, syncUpload, type Uploaded } from './sync';
import { openPrepared, targetName, type OpenTarget } from './target';

/** How long a session may take to flush and hand over its last spans when a run is disposed. */
const STOP_LIMIT_MS = 30_000;

/** How long the kernel's account may take to be read. */
const ACCOUNT_LIMIT_MS = 5000;

/**
 * Runs a program under tracing: connect → deploy → check and prepare → upload → build → session → launch. Resolves when the program
 * runs; spans and output arrive through `events` from then on (build output before). When a step fails or `context.signal` aborts,
 * everything opened so far is closed and the step's SkuaError is thrown. Aborting later is the same as disposing the run.
 */
export async function startRun(
  options: RunOptions,
  events: RunEvents,
  context: CoreContext,
): Promise<TraceRun> {
  const { relay, progress } = relayEvents(events);
  const open = await openPrepared(options.target, relay, context);
  try {
    const uploaded =
      options.upload === undefined
        ? undefined
        : await syncUpload(open.ssh, open.facts.base, options.upload, context);
    const launch = mapLaunch(options, uploaded, open);
    if (options.build !== undefined) await build(open, options.build, launch, context);
    throwIfAborted(context.signal, 'The run');

    context.progress.report('Starting the tracing session');
    const session = await open.agent.request(
      'startSession',
      await sessionOptions(options, launch, open.ssh),
      {
        signal: context.signal,
      },
    );
    progress.session = true;
    context.progress.report(`Starting ${basename(launch.program)}`);
    const { pid } = await open.agent.request('launch', launch, { signal: context.signal });
    throwIfAborted(context.signal, 'The run');
    const info: RunInfo = {
      target: options.target,
      host: targetName(options.target),
      kernelRelease: open.report.kernelRelease,
      session,
      pid,
      program: launch.program,
      args: launch.args,
      sourceMap: uploaded?.sourceMap ?? [],
    };
    return new Run(info, open, progress, context);
  } catch (error) {
    await open.dispose();
    throw error;
  }
}

/** What the relay has seen so far, and who wants to know of it. */
interface RunProgress {
  session: boolean;
  /** The last report. */
  loss: readonly [LossReport, readonly LostStretch[]];
  /** A report that is not the agent's. */
  tellLoss(loss: LossReport): void;
  readonly exited: Promise<ExitStatus>;
  readonly failed: Promise<SkuaError>;
  fail(error: SkuaError): void;
}

/** Passes events on and remembers the two that decide a run's end: the program's exit and the session's failure. */
function relayEvents(events: RunEvents): { readonly relay: AgentEvents; readonly progress: RunProgress } {
  let exit: (status: ExitStatus) => void = () => undefined;
  let fail: (error: SkuaError) => void = () => undefined;
  const exited = new Promise<ExitStatus>((resolve) => (exit = resolve));
  const failed = new Promise<SkuaError>((resolve) => (fail = resolve));
  let told = false;
  const progress: RunProgress = {
    session: false,
    loss: [NO_LOSS, []],
    tellLoss: (loss) => {
      events.loss(loss, progress.loss[1]);
    },
    exited,
    failed,
    fail: (error) => {
      if (told) return;
      told = true;
      events.failed(error);
      fail(error);
    },
  };
  const relay: AgentEvents = {
    spans: (spans, provisional) => {
      events.spans(spans, provisional);
    },
    output: (stream, data) => {
      events.output(stream, data);
    },
    loss: (loss, lost) => {
      progress.loss = [loss, lost];
      events.loss(loss, lost);
    },
    exited: (status) => {
      events.exited(status);
      exit(status);
    },
    failed: (error) => {
      progress.fail(error);
    },
  };
  return { relay, progress };
}

class Run implements TraceRun {
  readonly done: TraceRun['done'];
  private stopping: Promise<SessionSummary> | undefined;
  private disposed: Promise<void> | undefined;

  constructor(
    readonly info: RunInfo,
    private readonly open: OpenTarget,
    private readonly progress: RunProgress,
    context: CoreContext,
  ) {
    const abort = (): void => {
      void this.dispose();
    };
    context.signal.addEventListener('abort', abort, { once: true });
    // A connection that ends by itself fails the run; one that `dispose` closes cancels what still waits for it.
    const closed = open.agent.closed.then((reason): SkuaError => {
      if (reason !== undefined && this.disposed === undefined) progress.fail(reason);
      return reason ?? cancelled('The run');
    });
    this.done = this.finish(closed).finally(() => {
      context.signal.removeEventListener('abort', abort);
    });
    // Whoever does not wait for `done` learns of a failure from events.failed.
    this.done.catch(() => undefined);
  }

  input(data: Uint8Array): void {
    this.open.agent.input(data);
  }

  async signal(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.open.agent.request('signal', { signal });
  }

  dispose(): Promise<void> {
    this.disposed ??= this.shutDown();
    return this.disposed;
  }

  private async finish(
    closed: Promise<SkuaError>,
  ): Promise<{ readonly exit: ExitStatus; readonly summary: SessionSummary }> {
    const { exited, failed } = this.progress;
    try {
      const exit = await Promise.race([exited, failed, closed]);
      if (exit instanceof SkuaError) throw exit;
      const summary = await Promise.race([this.stopSession(), failed, closed]);
      if (summary instanceof SkuaError) throw summary;
      return { exit, summary };
    } catch (error) {
      // A session that failed still has what it recorded until then.
      if (this.disposed === undefined)
        await (this.open.agent.gone ? this.accountWithoutAgent() : this.handOver());
      throw toSkuaError(error);
    } finally {
      await this.dispose();
    }
  }

  /**
   * An agent that was killed cannot say what it had not delivered. The kernel still can, as long as there is a connection; without
   * one, the last report stands.
   */
  private async accountWithoutAgent(): Promise<void> {
    const { ssh } = this.open;
    const [last] = this.progress.loss;
    try {
      const signal = AbortSignal.timeout(ACCOUNT_LIMIT_MS);
      const { stdout } = await ssh.run(`cat ${SKUA.PROC_SESSIONS}`, { signal });
      const account = parseAccount(stdout.toString('utf8'), this.info.session.name);
      if (account !== undefined) this.progress.tellLoss(withAccount(last, account));
    } catch {
      // The connection is gone too, or the module. Nothing more can be learnt.
    }
  }

  private stopSession(): Promise<SessionSummary> {
    this.stopping ??= this.open.agent.request('stopSession', {});
    return this.stopping;
  }

  /** Ends the program if it still runs, and takes what the session has, unless that takes too long. */
  private async handOver(): Promise<void> {
    const ignore = (): void => undefined;
    // Rejects when the program has exited already.
    if (this.stopping === undefined)
      await this.open.agent.request('signal', { signal: 'SIGKILL' }).catch(ignore);
    await Promise.race([
      this.stopSession().catch(ignore), // The failure that is reported is the one that led here.
      sleep(STOP_LIMIT_MS, undefined, { ref: false }),
    ]);
  }

  /** The agent kills the program and ends the session by itself when its stdin closes; asking first delivers the last spans. */
  private async shutDown(): Promise<void> {
    try {
      if (this.stopping === undefined) await this.handOver();
    } finally {
      await this.open.dispose();
    }
  }
}

async function build(
  open: OpenTarget,
  command: string,
  launch: LaunchOptions,
  context: CoreContext,
): Promise<void> {
  context.progress.report(`Building on ${open.ssh.alias}`);
  const status = await open.agent.request(
    'shell',
    { command, env: launch.env, ...(launch.cwd === undefined ? {} : { cwd: launch.cwd }) },
    { signal: context.signal },
  );
  if (status.code === 0) return;
  const how =
    status.code === null ? `was ended by ${String(status.signal)}` : `ended with code ${String(status.code)}`;
  throw new SkuaError({
    code: 'build-command-failed',
    message: `The build command "${command}" ${how} on ${open.ssh.alias}.`,
    remedy: 'Its output is above. Correct the sources or the command, then run again.',
  });
}

function mapLaunch(options: RunOptions, uploaded: Uploaded | undefined, open: OpenTarget): LaunchOptions {
  const { launch, upload } = options;
  if (uploaded === undefined || upload === undefined)
    return { ...launch, cwd: launch.cwd ?? open.facts.home };
  const isUpload = upload.kind === 'file' && launch.program === basename(upload.localPath);
  return {
    ...launch,
    program: mapToRemote(launch.program, uploaded, isUpload),
    cwd: mapToRemote(launch.cwd ?? '.', uploaded, true),
  };
}

async function sessionOptions(
  options: RunOptions,
  launch: LaunchOptions,
  ssh: SshConnection,
): Promise<SessionOptions> {
  const { otlpEndpoint, otlpFile, ...rest } = options.session;
  return {
    ...DEFAULT_SESSION,
    // An emulated processor spends much of its time on flushing buffers that often; a tenth of a second is live enough there.
    ...(options.target.kind === 'sandbox' ? { liveTimerUs: 100_000 } : {}),
    ...rest,
    name: `skua-${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`,
    ...(otlpEndpoint === undefined ? {} : { otlpEndpoint: await reachable(otlpEndpoint, ssh) }),
    ...(otlpFile === undefined ? {} : { otlpFile: posix.resolve(launch.cwd ?? '/', otlpFile) }),
  };
}

/** A loopback endpoint means this machine's, not the target's: it is made reachable from there through the SSH connection. */
async function reachable(endpoint: string, ssh: SshConnection): Promise<string> {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new SkuaError({
      code: 'config-invalid',
      message: `"${endpoint}" is not an OTLP/HTTP endpoint.`,
      remedy: 'Give a URL such as http://127.0.0.1:4318.',
    });
  }
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)) return endpoint;
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  url.port = String(await ssh.exposeLocalPort(port));
  url.hostname = '127.0.0.1';
  return url.toString();
}
