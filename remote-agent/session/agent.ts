import { dirname, join } from 'node:path';
import { SkuaError } from '../../common/base/errors';
import type { Disposable } from '../../common/base/disposable';
import {
  AGENT_PROTOCOL_VERSION,
  CREDIT_PORTION_BYTES,
  type SessionOptions,
} from '../../common/protocol/agent';
import { Host } from '../host/host';
import { stateFolder } from '../host/state';
import { openLive } from '../live/live';
import { LttngControl } from '../lttng/control';
import { SessionRecords } from '../lttng/stale';
import { Registrar } from '../registration/registrar';
import type { Connection, Handlers } from './connection';
import { Program, runShell, type OutputSink } from './program';
import { SpanSender } from './spanSender';
import { stackResolver } from './stackResolver';
import { TraceSession } from './traceSession';

/** Output of the program waits when the client has this much still to take. */
const OUTPUT_BACKLOG_BYTES = 4 * 1024 * 1024;

/** One client's agent: at most one session and one program at a time. Disposing ends both and leaves nothing behind. */
export class Agent implements Disposable {
  private readonly host = new Host();
  private readonly control = new LttngControl();
  private readonly records = new SessionRecords(stateFolder());
  private readonly sender: SpanSender;
  private session: TraceSession | undefined;
  private program: Program | undefined;
  private registrar: Registrar | undefined;
  private busy = false;
  private readonly sink: OutputSink;

  constructor(
    private readonly connection: Connection,
    private readonly version: string,
  ) {
    this.sender = new SpanSender((frame) => {
      connection.writeFrame(frame);
    });
    this.sink = {
      output: (stream, data) => {
        connection.send({ t: 'output', stream, data });
      },
      whenReady: () => (connection.backlogBytes > OUTPUT_BACKLOG_BYTES ? connection.drained() : undefined),
    };
  }

  input(data: Uint8Array): void {
    this.program?.input(data);
  }

  credit(bytes: number): void {
    this.sender.credit(bytes);
  }

  readonly handlers: Handlers = {
    hello: ({ protocol }) => {
      if (protocol !== AGENT_PROTOCOL_VERSION) {
        throw new SkuaError({
          code: 'agent-version',
          message: `The agent speaks protocol ${AGENT_PROTOCOL_VERSION}, the client ${protocol}.`,
          remedy: 'Remove the agent from the target ("Skua: Remove Agent from Target") and run again.',
        });
      }
      return Promise.resolve({
        protocol: AGENT_PROTOCOL_VERSION,
        agentVersion: this.version,
        hostname: this.host.facts.hostname,
        kernelRelease: this.host.facts.kernelRelease,
        nodeVersion: process.version,
      });
    },
    doctor: (inputs) => this.host.doctor(inputs),
    prepare: async (inputs, context) =>
      await this.exclusive(async () => {
        // What a killed agent left must not count as a session that uses the modules.
        await this.records.cleanStale(this.control, this.connection.log);
        try {
          return await this.host.prepare(inputs, context);
        } finally {
          this.control.daemonMayHaveChanged();
        }
      }),
    unprepare: async (inputs, context) =>
      await this.exclusive(async () => {
        await this.records.cleanStale(this.control, this.connection.log);
        return await this.host.unprepare(inputs, context);
      }),
    startSession: async (options, context) =>
      await this.exclusive(async () => {
        if (this.session !== undefined) throw wrongState('A session is already running.');
        this.sender.queueBytes = checkOptions(options).queueBytes;
        this.session = await TraceSession.start(options, {
          control: this.control,
          records: this.records,
          sender: this.sender,
          openLive,
          resolver: stackResolver(join(nativeFolder(), 'skua-symbols'), this.connection.log),
          native: nativeFolder(),
          send: (message) => {
            this.connection.send(message);
          },
          log: this.connection.log,
          context,
        });
        return this.session.started;
      }),
    shell: async (options, context) => await runShell(options, this.sink, context.signal),
    launch: async (options) => {
      if (this.program !== undefined) throw wrongState('A program is already running.');
      const environment = this.session?.started.environment ?? {};
      const launcher = join(nativeFolder(), 'skua-launch');
      const program = await Program.launch(options, environment, launcher, this.sink);
      this.program = program;
      const registrar = new Registrar(launcher, program.pid, this.connection.log);
      this.registrar = registrar;
      this.session?.programStarted(program.pid, options);
      void program.exited.then((status) => {
        registrar.dispose();
        this.program = undefined;
        this.session?.programExited(program.pid);
        this.connection.send({ t: 'exited', status });
      });
      return { pid: program.pid };
    },
    signal: ({ signal }) => {
      // Checked although typed: it comes from outside.
      if (!['SIGINT', 'SIGTERM', 'SIGKILL'].includes(signal)) throw wrongState('No such signal.');
      this.program?.signal(signal);
      return Promise.resolve({});
    },
    stopSession: async () => {
      const session = this.session;
      if (session === undefined) throw wrongState('No session is running.');
      this.session = undefined;
      return await session.stop();
    },
  };

  /** Preparing and starting must not overlap: both change the host's tracing. */
  private async exclusive<T>(action: () => Promise<T>): Promise<T> {
    if (this.busy) throw wrongState('Another preparation is under way.');
    this.busy = true;
    try {
      return await action();
    } finally {
      this.busy = false;
    }
  }

  async dispose(): Promise<void> {
    const program = this.program;
    const session = this.session;
    this.program = undefined;
    this.session = undefined;
    this.registrar?.dispose();
    await program?.dispose();
    await session?.abandon(this.sender.close());
  }
}

function nativeFolder(): string {
  return join(dirname(__filename), 'native');
}

function wrongState(message: string): SkuaError {
  return new SkuaError({ code: 'agent-protocol', message, remedy: 'Stop the running session first.' });
}

/** The client is trusted, but a wrong value would reach `lttng`'s command line: names and numbers are checked. */
function checkOptions(options: SessionOptions): SessionOptions {
  const powerOfTwo = (n: number): boolean => Number.isInteger(n) && n > 0 && (n & (n - 1)) === 0;
  const name = /^[A-Za-z0-9_]{1,100}$/;
  const problem = !/^skua-[a-z0-9-]{1,80}$/.test(options.name)
    ? `session name "${options.name}"`
    : !powerOfTwo(options.subbufferBytes) || options.subbufferBytes < 4096
      ? `sub-buffer size ${options.subbufferBytes} (a power of two from 4096 on)`
      : !powerOfTwo(options.subbuffers) || options.subbuffers < 2
        ? `number of sub-buffers ${options.subbuffers} (a power of two from 2 on)`
        : !Number.isInteger(options.liveTimerUs) || options.liveTimerUs < 1000
          ? `live timer ${options.liveTimerUs} µs (1000 or more)`
          : !Number.isSafeInteger(options.queueBytes) || options.queueBytes < CREDIT_PORTION_BYTES
            ? `queue of ${options.queueBytes} bytes (${CREDIT_PORTION_BYTES} or more)`
            : (options.tracepoints.find((t) => !name.test(t)) ??
              (options.syscalls === 'all' ? undefined : options.syscalls.find((s) => !name.test(s))));
  if (problem === undefined) return options;
  throw new SkuaError({
    code: 'config-invalid',
    message: `Not a usable session option: ${problem}.`,
    remedy: 'Correct the launch configuration.',
  });
}
