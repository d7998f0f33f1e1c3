/**
 * The protocol between the client (extension or command line) and the remote agent, over the agent's stdin and stdout.
 * Framing and encoding: see frame.ts. Version changes are listed in docs/protocol.md.
 */
import type { SkuaErrorData } from '../base/errors';
import type { LossReport, LostStretch } from '../model/loss';

export const AGENT_PROTOCOL_VERSION = 4;

/** One idempotent step of preparing a host, as shown by `skua doctor`. */
export interface StepReport {
  /** Stable id: `kernel`, `sudo`, `lttng-tools`, `tracing-group`, `headers`, `build`, `secure-boot`, `modules`, `sessiond`, `relayd`, `context-device`. */
  readonly id: string;
  readonly title: string;
  readonly state: 'ok' | 'fixable' | 'failed' | 'skipped';
  /** What was found, in one line. */
  readonly found: string;
  /** For `fixable`: what `prepare` will do. For `failed`: what the user can do. */
  readonly remedy?: string;
  readonly error?: SkuaErrorData;
  /** Only in the answer to `unprepare`: what this step had done could not be undone, for the reason in `error`. */
  readonly undone?: false;
}

export interface HostReport {
  readonly hostname: string;
  readonly kernelRelease: string;
  readonly arch: string;
  readonly distribution: string;
  readonly steps: readonly StepReport[];
}

export interface SessionOptions {
  /** Must match /^skua-[a-z0-9-]+$/. Unique on the host. */
  readonly name: string;
  /** Kernel tracepoints beside the syscalls, exact names as in `lttng enable-event --kernel`. */
  readonly tracepoints: readonly string[];
  /** `all`, or names of syscalls. */
  readonly syscalls: 'all' | readonly string[];
  /** Per CPU: `subbuffers` of `subbufferBytes` each (powers of two). */
  readonly subbufferBytes: number;
  readonly subbuffers: number;
  /** Longest wait of an event in the kernel's buffer before it is flushed, microseconds. */
  readonly liveTimerUs: number;
  /** Most bytes of spans, estimated, that wait in the agent for a client that is slower than the session; and most that are under way to it. */
  readonly queueBytes: number;
  /** Keep a CTF copy of what was read, in this folder on the target. */
  readonly keepCtf?: string;
  /** OTLP/HTTP endpoint (`http://127.0.0.1:4318`) to which merged spans are exported as well. */
  readonly otlpEndpoint?: string;
  /** File on the target to which merged spans are appended as well, one line of OTLP JSON a batch. Absolute for the agent. */
  readonly otlpFile?: string;
}

export interface SessionStarted {
  readonly name: string;
  /** Loopback UDP port: Jaeger thrift, compact and binary told apart by their first byte. */
  readonly jaegerUdpPort: number;
  /** Loopback TCP port: OTLP/HTTP, protobuf and JSON, `/v1/traces`. */
  readonly otlpHttpPort: number;
  /** Environment that points tracing clients at these ports; `launch` sets it. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface LaunchOptions {
  /** Absolute path on the target, or a name looked up in PATH. */
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Hide the vDSO from the program, so that gettimeofday and clock_gettime are real system calls. */
  readonly vdsoSyscalls: boolean;
}

/** Shell command run on the target before the launch (a build), its output streamed as `output`. */
export interface ShellOptions {
  readonly command: string;
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface SessionSummary {
  readonly loss: LossReport;
  readonly syscallSpans: number;
  readonly userSpans: number;
  readonly traces: number;
  /** Syscalls that were Skua's own (context records written by the client), not shown as spans. */
  readonly controlSyscalls: number;
  /** Library calls that never entered the kernel, as far as the agent can tell, with the reason (vDSO). */
  readonly notes: readonly string[];
  /** Upper bound of |kernel − user clock| over the session, ns. */
  readonly clockErrorNs: number;
}

/** Which modules the client wants in the kernel. */
export interface ModuleInputs {
  /** Hash of their sources, as /proc/skua/abi tells it. Absent: any that this agent can work with. */
  readonly modulesHash?: string;
  /** Folder on the target for modules of this kernel and hash. What is in it is a candidate, verified by vermagic. */
  readonly modulesDir?: string;
}

/** Requests of the client: name → [parameters, result]. */
export interface AgentRequests {
  readonly hello: [{ readonly protocol: number; readonly clientVersion: string }, AgentHello];
  /** Checks only; changes nothing. */
  readonly doctor: [ModuleInputs, HostReport];
  /**
   * Does every fixable step. `sourceDir`: folder on the target with `lttng-modules.deb` (the package that kernel/UPSTREAM names) and
   * Skua's `kernel/`, from which modules are built into `modulesDir` when that has none. `sudoPassword` is given to sudo when it asks,
   * and forgotten with this request. `needsReconnect` is true when a new login is needed before `startSession`, because group
   * membership changed.
   */
  readonly prepare: [
    ModuleInputs & { readonly sourceDir?: string; readonly sudoPassword?: string },
    { readonly report: HostReport; readonly needsReconnect: boolean },
  ];
  /** Undoes what `prepare` did, in reverse order. */
  readonly unprepare: [{ readonly sudoPassword?: string }, HostReport];
  readonly startSession: [SessionOptions, SessionStarted];
  readonly shell: [ShellOptions, ExitStatus];
  /** Resolves when the program has been started. Its end is the event `exited`. */
  readonly launch: [LaunchOptions, { readonly pid: number }];
  readonly signal: [{ readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL' }, Record<string, never>];
  /** Flushes, drains every span, ends the LTTng session. All spans have been sent when it resolves. */
  readonly stopSession: [Record<string, never>, SessionSummary];
}
export type AgentMethod = keyof AgentRequests;

export interface AgentHello {
  readonly protocol: number;
  readonly agentVersion: string;
  readonly hostname: string;
  readonly kernelRelease: string;
  readonly nodeVersion: string;
}

export type ClientMessage =
  | { readonly t: 'request'; readonly id: number; readonly method: AgentMethod; readonly params: unknown }
  | { readonly t: 'cancel'; readonly id: number }
  /** Input for the program; an empty array closes its stdin. */
  | { readonly t: 'input'; readonly data: Uint8Array }
  /** Credit: the client has consumed this many bytes of span frames since its last credit. */
  | { readonly t: 'credit'; readonly bytes: number };

export type AgentMessage =
  | { readonly t: 'result'; readonly id: number; readonly value: unknown }
  | { readonly t: 'error'; readonly id: number; readonly error: SkuaErrorData }
  | { readonly t: 'progress'; readonly id: number; readonly step: string; readonly fraction?: number }
  | { readonly t: 'output'; readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }
  | { readonly t: 'exited'; readonly status: ExitStatus }
  /**
   * `spans` as spanCodec.ts has them; `provisional`: places of those that will come again. Every other span is final: it is counted
   * once.
   */
  | { readonly t: 'spans'; readonly spans: Uint8Array; readonly provisional: readonly number[] }
  /** `lost`: where in time events were lost in the kernel's buffers, in order. */
  | { readonly t: 'loss'; readonly loss: LossReport; readonly lost: readonly LostStretch[] }
  /** The session ended by itself (relayd died, live stream truncated, …); spans so far remain valid. */
  | { readonly t: 'sessionFailed'; readonly error: SkuaErrorData }
  | {
      readonly t: 'log';
      readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
    };

/** Span bytes, of some seven thousand spans, that may be on their way without credit; beyond it the agent queues, then drops and counts. */
export const INITIAL_CREDIT_BYTES = 1024 * 1024;
/** Consumed bytes are credited in portions of this size: few messages. The agent must let as many be under way, or it would wait forever. */
export const CREDIT_PORTION_BYTES = 65_536;
