import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkuaError, toSkuaError } from '../../common/base/errors';
import { libraryCallNote, libraryCallOf, type LibraryCall } from '../../common/model/libraryCalls';
import { NO_LOSS, type LossReport } from '../../common/model/loss';
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
import { armHelper, preflightId, preflightSilent, type PreflightId } from '../lttng/preflight';
import { startRelayd, type Relayd } from '../lttng/relayd';
import { processId, type SessionRecords } from '../lttng/stale';
import { startJaegerUdp, type Receiver } from '../receivers/jaegerUdp';
import { startOtlpHttp } from '../receivers/otlpHttp';
import { SpanPipeline } from '../spans/pipeline';
import type { StackResolver } from '../spans/sourceLines';
import { ClockCheck } from './clock';
import type { RequestContext } from './connection';
import { Lag } from './lag';
import type { OpenLive } from './liveSource';
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
const POLL_MS = 10;
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
  private preflight: { readonly id: PreflightId; readonly seen: () => void } | undefined;
  private preflightEvents = 0;
  private lastBatchMs = Date.now();
  private lastEventNs = 0n;
  private failure: SkuaError | undefined;
  private stopping = false;
  private received = 0;
  private exportLostBase = 0;
  private unreadableBase = 0;
  private unreadable = 0;
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
    private readonly jaeger: Receiver,
    private readonly otlp: Receiver,
    sinkHolder: { target: TraceSession | undefined },
  ) {
    sinkHolder.target = this;
    this.clock = new ClockCheck(join(deps.native, 'skua-launch'));
    this.pipeline = new SpanPipeline(
      (delivery) => {
        deps.sender.push([delivery]);
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
        if (holder.target !== undefined) holder.target.received += count;
        log('warn', reason);
      },
    };
    const receivers: Receiver[] = [];
    let session: TraceSession | undefined;
    try {
      const jaeger = await startJaegerUdp(sink);
      receivers.push(jaeger);
      const otlp = await startOtlpHttp(sink);
      receivers.push(otlp);
      session = new TraceSession(options, deps, relayd, jaeger, otlp, holder);
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
    this.unreadableBase = await unreadableCount();
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
      void this.refreshLoss();
    });
    context.progress('Checking that events arrive');
    await this.check(context.signal);
  }

  /** A silent failure (an unknown context field, modules that record nothing) becomes an error here. */
  private async check(signal: AbortSignal): Promise<void> {
    const id = preflightId(randomBytes(8).readBigUInt64BE());
    const seen = new Promise<true>((resolve) => {
      this.preflight = {
        id,
        seen: () => {
          resolve(true);
        },
      };
    });
    await armHelper(id);
    const aborted = new Promise<false>((resolve) => {
      signal.addEventListener(
        'abort',
        () => {
          resolve(false);
        },
        { once: true },
      );
    });
    const outcome = await Promise.race([
      seen,
      aborted,
      this.reading.then(() => false as const),
      sleep(PREFLIGHT_MS, 'late' as const),
    ]);
    if (outcome === true) return;
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
      await control.stop(this.options.name).catch((error: unknown) => {
        log('warn', `lttng stop: ${toSkuaError(error).message}`);
      });
      await control.destroy(this.options.name).catch((error: unknown) => {
        log('warn', `lttng destroy: ${toSkuaError(error).message}`);
      });
      await this.readToEnd(DRAIN_IDLE_MS);
    }
    await this.clock.measure();
    await this.pipeline.finish('session-stopped');
    await this.deps.sender.drained(60_000);
    for (const exporter of this.exporters) await exporter.close();
    await this.refreshLoss();
    const summary = await this.summary();
    await this.close();
    return summary;
  }

  /** The client is gone: what is recorded goes to the export file, if there is one, and everything ends. */
  async abandon(unsent: readonly Span[]): Promise<void> {
    this.stopping = true;
    if (unsent.length > 0) this.deps.log('warn', `${unsent.length} spans could not be sent.`);
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
        this.pipeline.items(
          this.preflight === undefined ? batch.items : this.withoutPreflight(batch.items),
          this.lastBatchMs,
        );
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

  private withoutPreflight(
    items: Parameters<SpanPipeline['items']>[0],
  ): Parameters<SpanPipeline['items']>[0] {
    const id = this.preflight?.id;
    if (id === undefined) return items;
    return items.filter((item) => {
      if (item.kind !== 'event') return true;
      if (item.context['skua_trace_hi'] !== id.hi || item.context['skua_trace_lo'] !== id.lo) return true;
      this.preflightEvents += 1;
      // A write's exit shows that the context works; a syscall's entry, that recording does.
      if (item.name.startsWith('syscall_entry_')) this.preflight?.seen();
      return false;
    });
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
        this.notes.push('The end of the recording was not reached in time: the last events may be missing.');
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

  private async refreshLoss(): Promise<void> {
    this.unreadable = (await unreadableCount()) - this.unreadableBase;
    const loss = this.loss();
    const text = JSON.stringify(loss);
    if (text === this.lastLoss) return;
    this.lastLoss = text;
    this.deps.send({ t: 'loss', loss });
  }

  private loss(): LossReport {
    const counts = this.pipeline.kernel.counts;
    return {
      ...NO_LOSS,
      eventsDecoded: counts.events,
      ringBuffer: counts.ringBuffer,
      packetsMissing: counts.packetsMissing,
      ssh: this.deps.sender.dropped,
      export: this.exportLostBase + this.exporters.reduce((sum, exporter) => sum + exporter.lost, 0),
      receiver: this.received,
      kernelUnreadable: Math.max(0, this.unreadable),
      unpaired: counts.unpaired,
    };
  }

  private async summary(): Promise<SessionSummary> {
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
      loss: this.loss(),
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

/** Clock sources that user space can read by itself (Linux's arch/x86 vdso clock modes). */
const VDSO_CLOCK_SOURCES: ReadonlySet<string> = new Set(['tsc', 'kvm-clock', 'hyperv_clocksource_tsc_page']);

/** Which library calls never enter the kernel on a host with this clock source. */
export function vdsoNote(clockSource: string): string {
  const remedy = 'Launch with "vdsoSyscalls" (--vdso-syscalls) to make them real ones.';
  return VDSO_CLOCK_SOURCES.has(clockSource)
    ? `gettimeofday, clock_gettime, time and getcpu are answered by the vDSO in user space and never enter the kernel, so they are not system calls here. ${remedy}`
    : `time, getcpu and clock_gettime of coarse clocks are answered by the vDSO in user space and never enter the kernel, so they are not system calls here. gettimeofday and clock_gettime of other clocks are: the clock source of this host (${clockSource || 'unknown'}) cannot be read from user space. ${remedy}`;
}

async function clockSource(): Promise<string> {
  const file = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
  return (await readFile(file, 'utf8').catch(() => '')).trim();
}

/** Points tracing clients at the receivers. What the user has set for sampling stays. */
export function clientEnvironment(
  jaegerPort: number,
  otlpPort: number,
  user: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const defaults: Record<string, string> = {
    JAEGER_SAMPLER_TYPE: 'const',
    JAEGER_SAMPLER_PARAM: '1',
    OTEL_BSP_SCHEDULE_DELAY: '200',
  };
  if (user['JAEGER_SAMPLER_TYPE'] !== undefined) {
    delete defaults['JAEGER_SAMPLER_TYPE'];
    delete defaults['JAEGER_SAMPLER_PARAM'];
  }
  if (user['OTEL_BSP_SCHEDULE_DELAY'] !== undefined) delete defaults['OTEL_BSP_SCHEDULE_DELAY'];
  return {
    ...defaults,
    JAEGER_AGENT_HOST: '127.0.0.1',
    JAEGER_AGENT_PORT: String(jaegerPort),
    SKUA_JAEGER_AGENT: `127.0.0.1:${jaegerPort}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${otlpPort}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${otlpPort}/v1/traces`,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
    OTEL_TRACES_EXPORTER: 'otlp',
  };
}

/** Counters of the kernel module about what it could not read, summed. */
async function unreadableCount(): Promise<number> {
  const text = await readFile('/proc/skua/stats', 'utf8').catch(() => '');
  return sumUnreadable(text);
}

export function sumUnreadable(stats: string): number {
  let sum = 0;
  for (const line of stats.split('\n')) {
    const [name, value] = line.trim().split(/\s+/);
    if (name !== undefined && /unreadable|faulted/.test(name)) sum += Number(value ?? 0);
  }
  return sum;
}

function relaydDied(said: string): SkuaError {
  return new SkuaError({
    code: 'relayd-failed',
    message: 'The LTTng relay daemon ended in the middle of the session.',
    remedy:
      'What was recorded until then is shown. Check free disk space and memory on the target, then run again.',
    detail: said,
  });
}

function streamEnded(): SkuaError {
  return new SkuaError({
    code: 'live-stream-truncated',
    message: 'The live stream of kernel events ended before the session did.',
    remedy:
      'Somebody destroyed the LTTng session, or its daemon ended. What was recorded until then is shown; run again.',
  });
}
