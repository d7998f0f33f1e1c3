import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkuaError, toSkuaError } from '../../common/base/errors';
import type { KernelAccount } from '../../common/model/kernelAccount';
import { libraryCallNote, libraryCallOf, type LibraryCall } from '../../common/model/libraryCalls';
import type { LossReport } from '../../common/model/loss';
import type { Span } from '../../common/model/span';
import { SCHEDULING_TRACEPOINTS } from '../../common/model/waiting';
import type {
  AgentMessage,
  LaunchOptions,
  SessionOptions,
  SessionStarted,
  SessionSummary,
} from '../../common/protocol/agent';
import type { Log } from '../base/log';
import { Exporter, otlpFileTarget, otlpHttpTarget } from '../export/otlpExporter';
import { stateFolder } from '../host/state';
import type { LttngControl } from '../lttng/control';
import { preflightSilent } from '../lttng/preflight';
import { startRelayd, type Relayd } from '../lttng/relayd';
import { processId, type SessionRecords } from '../lttng/stale';
import { startJaegerUdp, type Receiver } from '../receivers/jaegerUdp';
import { startOtlpHttp } from '../receivers/otlpHttp';
import { SpanPipeline } from '../spans/pipeline';
import type { StackResolver } from '../spans/sourceLines';
import { ClockCheck } from './clock';
import type { RequestContext } from './connection';
import { diskNearlyFull } from './diskGuard';
import { clientEnvironment, clockSource, vdsoNote } from './environment';
import { relaydDied, streamEnded } from './failures';
import { lossReport } from './lossAccount';
import {
  readAccount,
  readFinalAccount,
  readTroubles,
  readUdpDrops,
  type KernelTroubles,
} from './kernelCounters';
import { Lag } from './lag';
import type { OpenLive } from './liveSource';
import { PreflightCheck } from './preflightCheck';
import { SocketTable } from './socketTable';
import type { SpanSender } from './spanSender';

export interface SessionDependencies {
  readonly control: LttngControl;
  readonly records: SessionRecords;
  readonly sender: SpanSender;
  readonly openLive: OpenLive;
  /** Gives stacks their lines; the session disposes it. Undefined when the helper is missing. */
  readonly resolver: (StackResolver & { dispose(): Promise<void> }) | undefined;
  /** Folder of the native helpers. */
  readonly native: string;
  send(message: AgentMessage): void;
  readonly log: Log;
  readonly context: RequestContext;
}

const TICK_MS = 40;
const LOSS_EVERY_MS = 1000;
const PREFLIGHT_MS = 60_000;
/** The live stream's end may take this long after the last event read. */
const DRAIN_IDLE_MS = 30_000;
const ABANDON_MS = 5000;
/** A client that takes nothing for this long has stalled; what is still queued for it is dropped and counted. */
const CLIENT_STALLED_MS = 20_000;
/** LTTng's daemons may need this long to let go of a session whose other parts have ended. */
const ACCOUNT_PATIENCE_MS = 10_000;
const POLL_MS = 10;
/** Reports that were refused are counted all; so many are told of one by one. */
const MAX_REJECTIONS_LOGGED = 20;
/** Events are this late at most, usually; a syscall is "open for long" by a clock that much behind. */
const STREAM_LAG_NS = 250_000_000n;

/**
 * One tracing session: relay daemon, LTTng session, live reader, receivers and span pipeline, and their end in the right order.
 *
 *   starting ─► recording ─► draining ─► ended
 *                  └── failed: what was read stays valid; `stop` still drains and sums up
 */
export class TraceSession {
  readonly started: SessionStarted;
  private readonly pipeline: SpanPipeline;
  private readonly exporters: Exporter[] = [];
  private readonly sockets: SocketTable;
  private readonly clock: ClockCheck;
  private readonly notes: string[] = [];
  private readonly abort = new AbortController();
  private readonly timers: NodeJS.Timeout[] = [];
  private reading: Promise<void> = Promise.resolve();
  private readonly preflight: PreflightCheck;
  private lastBatchMs = Date.now();
  private lastEventNs = 0n;
  private failure: SkuaError | undefined;
  private stopping = false;
  /** Before the session does: what was recorded is still read. */
  private recordingEnded = false;
  private rejected = 0;
  private troublesBase: KernelTroubles = { unreadable: 0, refused: 0, missed: 0 };
  private endTold = false;
  private lastLoss = '';
  private programPid: number | undefined;
  private vdsoVisible = false;
  /** Ages of events when they were read. */
  private readonly readLag = new Lag();

  /** What the C library names otherwise and this program made. */
  private readonly libraryCalls = new Set<LibraryCall>();

  private constructor(
    private readonly options: SessionOptions,
    private readonly deps: SessionDependencies,
    private readonly relayd: Relayd,
    /** The relay daemon's output. */
    private readonly folder: string,
    private readonly jaeger: Receiver,
    private readonly otlp: Receiver,
    sinkHolder: { target: TraceSession | undefined },
  ) {
    sinkHolder.target = this;
    this.preflight = new PreflightCheck(() => readAccount(options.name));
    this.clock = new ClockCheck(join(deps.native, 'skua-launch'));
    this.pipeline = new SpanPipeline(
      (delivery) => {
        deps.sender.push(delivery);
        const libraryCall = libraryCallOf(delivery.span);
        if (libraryCall !== undefined) this.libraryCalls.add(libraryCall);
        if (delivery.final) for (const exporter of this.exporters) exporter.push(delivery.span);
      },
      deps.resolver,
      () => this.clock.errorNs,
      SCHEDULING_TRACEPOINTS.every((name) => options.tracepoints.includes(name)),
    );
    this.sockets = new SocketTable(this.pipeline.kernel.descriptors);
    if (options.otlpEndpoint !== undefined)
      this.exporters.push(new Exporter(otlpHttpTarget(options.otlpEndpoint), deps.log));
    if (options.otlpFile !== undefined)
      this.exporters.push(new Exporter(otlpFileTarget(options.otlpFile), deps.log));
    this.started = {
      name: options.name,
      jaegerUdpPort: jaeger.port,
      otlpHttpPort: otlp.port,
      environment: clientEnvironment(jaeger.port, otlp.port, process.env),
    };
  }

  /** Starts everything, and proves that an event of an armed thread arrives. Leaves nothing behind when it fails. */
  static async start(options: SessionOptions, deps: SessionDependencies): Promise<TraceSession> {
    const { context, control, records, log } = deps;
    for (const name of await records.cleanStale(control, log))
      log('info', `Removed the stale session ${name}.`);
    const folder = join(stateFolder(), 'relayd', `${options.name}-${process.pid}`);
    context.progress('Starting the relay daemon');
    const relayd = await startRelayd(folder, join(deps.native, 'skua-launch'));
    const holder: { target: TraceSession | undefined } = { target: undefined };
    const sink = {
      spans: (spans: readonly Span[]) => {
        holder.target?.pipeline.reported(spans, Date.now());
      },
      rejected: (count: number, reason: string) => {
        const session = holder.target;
        if (session === undefined) return;
        session.rejected += count;
        if (session.rejected - count < MAX_REJECTIONS_LOGGED) log('warn', reason);
      },
    };
    const receivers: Receiver[] = [];
    let session: TraceSession | undefined;
    try {
      const jaeger = await startJaegerUdp(sink);
      receivers.push(jaeger);
      const otlp = await startOtlpHttp(sink);
      receivers.push(otlp);
      session = new TraceSession(options, deps, relayd, folder, jaeger, otlp, holder);
      const [agent, relaydId] = [await processId(process.pid), await processId(relayd.pid)];
      if (agent !== undefined) {
        await records.write({
          session: options.name,
          agent,
          folder,
          ...(relaydId === undefined ? {} : { relayd: relaydId }),
        });
      }
      await session.begin();
      return session;
    } catch (error) {
      if (session === undefined) {
        for (const receiver of receivers) await receiver.dispose();
        await relayd.dispose();
      } else {
        await session.close();
      }
      throw error;
    }
  }

  private async begin(): Promise<void> {
    const { context, control, log } = this.deps;
    const { relayd, options } = this;
    context.progress('Creating the LTTng session');
    const ports = { control: relayd.controlPort, data: relayd.dataPort };
    const { notes } = await control.configure(options, ports, context.signal);
    this.notes.push(...notes);
    for (const note of notes) log('warn', note);
    this.troublesBase = await readTroubles();
    context.progress('Starting to record');
    await control.start(options.name, context.signal);
    this.reading = this.read();
    void relayd.ended.then((said) => {
      if (!this.stopping) this.fail(relaydDied(said));
    });
    this.every(TICK_MS, () => {
      this.tick();
    });
    this.every(LOSS_EVERY_MS, () => {
      void this.tellLoss(false);
      void this.guardDisk();
    });
    context.progress('Checking that events arrive');
    await this.check(context.signal);
  }

  /** A silent failure (an unknown context field, modules that record nothing) becomes an error here. */
  private async check(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<'aborted'>((resolve) => {
      signal.addEventListener(
        'abort',
        () => {
          resolve('aborted');
        },
        { once: true },
      );
    });
    const ended = this.reading.then(() => 'ended' as const);
    const outcome = await this.preflight.make(PREFLIGHT_MS, Promise.race([aborted, ended]));
    if (outcome === 'seen') return;
    if (signal.aborted)
      throw new SkuaError({ code: 'cancelled', message: 'Starting the session was cancelled.', remedy: '' });
    throw this.failure ?? preflightSilent(PREFLIGHT_MS / 1000);
  }

  programStarted(pid: number, options: LaunchOptions): void {
    this.programPid = pid;
    if (!options.vdsoSyscalls) this.vdsoVisible = true;
  }

  programExited(_pid: number): void {
    // Its threads' last events are still on their way: they are paired, or ended as unfinished, when the session stops.
  }

  /** Ends recording, delivers everything that was recorded, and takes everything down. */
  async stop(): Promise<SessionSummary> {
    this.stopping = true;
    const { control, log } = this.deps;
    log('debug', `Events were read ${this.readLag.toString()} after they happened.`);
    if (this.failure === undefined) {
      if (!this.recordingEnded) await this.stopRecording();
      await control.destroy(this.options.name).catch((error: unknown) => {
        log('warn', `lttng destroy: ${toSkuaError(error).message}`);
      });
      await this.readToEnd(DRAIN_IDLE_MS);
    }
    await this.clock.measure();
    await this.pipeline.finish('session-stopped');
    if (!(await this.deps.sender.drained(CLIENT_STALLED_MS))) this.giveUpClient();
    for (const exporter of this.exporters) await exporter.close();
    const summary = await this.summary(await this.tellLoss(true));
    await this.close();
    return summary;
  }

  /** The client is gone: what is recorded goes to the export file, if there is one, and everything ends. */
  async abandon(unsent: number): Promise<void> {
    this.stopping = true;
    if (unsent > 0) this.deps.log('warn', `${unsent} spans could not be sent.`);
    if (this.exporters.length > 0 && this.failure === undefined) {
      await this.deps.control.stop(this.options.name).catch(() => undefined);
      await this.deps.control.destroy(this.options.name).catch(() => undefined);
      await this.readToEnd(ABANDON_MS);
      await this.pipeline.finish('session-stopped');
      for (const exporter of this.exporters) await exporter.close();
    }
    await this.close();
  }

  private async read(): Promise<void> {
    try {
      const batches = this.deps.openLive({
        port: this.relayd.livePort,
        sessionName: this.options.name,
        signal: this.abort.signal,
        pollMs: POLL_MS,
        sessionWaitMs: PREFLIGHT_MS,
        ...(this.options.keepCtf === undefined ? {} : { copyTo: this.options.keepCtf }),
      });
      for await (const batch of batches) {
        this.lastBatchMs = Date.now();
        if (batch.clockOffsetNs !== undefined && this.clock.setTraceOffset(batch.clockOffsetNs))
          void this.clock.measure();
        this.pipeline.items(this.preflight.filter(batch.items), this.lastBatchMs);
        const last = batch.items.at(-1);
        if (last?.kind === 'event') {
          this.lastEventNs = last.timestampNs;
          this.readLag.record(last.timestampNs, this.lastBatchMs);
        }
      }
      if (!this.stopping) this.fail(streamEnded());
    } catch (error) {
      if (!this.abort.signal.aborted) this.fail(toSkuaError(error));
    }
  }

  /** Waits for the end of the live stream, as long as events keep coming. */
  private async readToEnd(idleMs: number): Promise<void> {
    this.lastBatchMs = Date.now();
    let ended = false;
    const over = (): boolean => ended;
    const end = this.reading.then(() => {
      ended = true;
    });
    for (;;) {
      await Promise.race([end, sleep(200)]);
      if (over()) return;
      if (Date.now() - this.lastBatchMs > idleMs) {
        this.deps.log('warn', 'The live stream did not end in time; what was not read by then is missing.');
        this.notes.push(
          'The end of the recording was not reached in time; the loss report has what is missing.',
        );
        this.abort.abort();
        return;
      }
    }
  }

  private tick(): void {
    const now = Date.now();
    const late = BigInt(now) * 1_000_000n - STREAM_LAG_NS;
    this.pipeline.tick(now, late > this.lastEventNs ? late : this.lastEventNs);
    void this.sockets.tick(this.programPid, now);
  }

  /** Ends the recording before it fills the disk. The program goes on, and all that was recorded is still delivered. */
  private async guardDisk(): Promise<void> {
    const over = (): boolean => this.recordingEnded || this.stopping;
    if (over()) return;
    const free = await diskNearlyFull(this.folder);
    // Asked again: other calls may have come this far meanwhile.
    if (free === undefined || over()) return;
    this.recordingEnded = true;
    const note = `Recording ended early: only ${Math.floor(free / 1024 / 1024)} MB are free below ${this.folder}. Free some, or trace fewer system calls; calls made since are in no count.`;
    this.notes.push(note);
    this.deps.log('warn', note);
    await this.stopRecording();
  }

  private async stopRecording(): Promise<void> {
    await this.deps.control.stop(this.options.name).catch((error: unknown) => {
      this.deps.log('warn', `lttng stop: ${toSkuaError(error).message}`);
    });
  }

  private giveUpClient(): void {
    const finals = this.deps.sender.discard();
    this.notes.push(
      `The client took nothing for ${CLIENT_STALLED_MS / 1000} s: ${finals} spans that waited for it were dropped.`,
    );
  }

  /** Tells the client what is lost so far, if that has changed. `ended`: everything that can arrive has arrived. */
  private async tellLoss(ended: boolean): Promise<LossReport> {
    const { name } = this.options;
    this.endTold ||= ended;
    const [account, troubles, receiverFull] = await Promise.all([
      ended ? readFinalAccount(name, ACCOUNT_PATIENCE_MS) : readAccount(name),
      readTroubles(),
      readUdpDrops(this.jaeger.port),
    ]);
    const { kernel, leftOut } = this.pipeline;
    const loss = lossReport({
      account,
      troubles: {
        unreadable: troubles.unreadable - this.troublesBase.unreadable,
        refused: troubles.refused - this.troublesBase.refused,
        missed: troubles.missed - this.troublesBase.missed,
      },
      counts: kernel.counts,
      leftOut,
      own: this.preflight,
      dropped: this.deps.sender.dropped,
      exported: this.exporters.reduce((sum, exporter) => sum + exporter.lost, 0),
      rejected: this.rejected,
      receiverFull,
      ended,
    });
    if (ended) this.notes.push(...accountNotes(account));
    // One that was begun before the end and took its time knows less than the last.
    if (this.endTold && !ended) return loss;
    const text = JSON.stringify(loss);
    if (text !== this.lastLoss) this.deps.send({ t: 'loss', loss, lost: kernel.lostStretches.list });
    this.lastLoss = text;
    return loss;
  }

  private async summary(loss: LossReport): Promise<SessionSummary> {
    const counts = this.pipeline.kernel.counts;
    const notes = [...this.notes];
    if (this.vdsoVisible) notes.push(vdsoNote(await clockSource()));
    const libraryCalls = libraryCallNote(this.libraryCalls);
    if (libraryCalls !== undefined) notes.push(libraryCalls);
    if (counts.foreign > 0)
      notes.push(
        `${counts.foreign} events carried no context: the session ran on modules that are not Skua's.`,
      );
    const { lost, skipped } = this.pipeline.lines;
    if (lost > 0)
      notes.push(
        `${lost} system calls have no source line: their stack was recorded with an earlier call that was lost. Larger buffers ("subbufferBytes") keep it.`,
      );
    if (skipped > 0)
      notes.push(`${skipped} system calls have no source line: too many were waiting for one.`);
    if (this.deps.resolver === undefined)
      notes.push('The helper skua-symbols is missing on the target: no source lines.');
    return {
      loss,
      syscallSpans: counts.spans,
      userSpans: this.pipeline.user.reported,
      traces: this.pipeline.user.traceCount,
      controlSyscalls: counts.control,
      notes,
      clockErrorNs: this.clock.errorNs,
    };
  }

  private fail(error: SkuaError): void {
    if (this.failure !== undefined || this.stopping) return;
    this.failure = error;
    this.deps.send({ t: 'sessionFailed', error: error.toData() });
    this.abort.abort();
    void this.deps.control.destroy(this.options.name).catch(() => undefined); // Already reported; the session may be gone.
  }

  private every(ms: number, action: () => void): void {
    this.timers.push(setInterval(action, ms));
  }

  /** Takes everything down; safe at any point of the session's life. */
  private async close(): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers) clearInterval(timer);
    this.abort.abort();
    await this.deps.control.destroy(this.options.name).catch(() => undefined); // Usually destroyed already.
    await this.reading;
    await Promise.all([this.jaeger.dispose(), this.otlp.dispose(), this.deps.resolver?.dispose()]);
    await this.relayd.dispose();
    await this.deps.records.remove(this.options.name);
  }
}

/** What cannot be known because the kernel's account of the session is missing, or was still open. */
function accountNotes(account: KernelAccount | undefined): readonly string[] {
  if (account === undefined)
    return [
      'The kernel module keeps no account of this session: loss is counted only as far as LTTng tells.',
    ];
  return account.running ? ['The kernel had not ended the recording: calls made since are in no count.'] : [];
}
