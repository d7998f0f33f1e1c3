/**
 * What the extension and the command line both build on. Nothing here, nor anything else in src/core, knows the editor.
 */
import type { Disposable } from '../../common/base/disposable';
import type { SkuaError } from '../../common/base/errors';
import type { LossReport, LostStretch } from '../../common/model/loss';
import type { Span } from '../../common/model/span';
import type {
  ExitStatus,
  HostReport,
  LaunchOptions,
  SessionOptions,
  SessionStarted,
  SessionSummary,
} from '../../common/protocol/agent';

/** Where a program is traced. `sandbox` is the virtual machine that Skua builds and boots itself. */
export type TargetSpec =
  | { readonly kind: 'sandbox'; readonly name: string }
  | {
      readonly kind: 'ssh';
      /** Host alias of ~/.ssh/config, or host name. */
      readonly host: string;
      readonly port?: number;
      readonly user?: string;
      readonly identityFile?: string;
    };

/** Where long work reports what it is doing. `fraction` is of the named step, 0 to 1, when known. */
export interface Progress {
  report(step: string, fraction?: number): void;
}

/** Questions that only a person can answer. The command line asks on the terminal, the extension with dialogs. */
export interface Prompter {
  /** A host key seen for the first time. `fingerprint` is `SHA256:…`. */
  confirmHostKey(host: string, keyType: string, fingerprint: string): Promise<boolean>;
  /** Returns undefined when the person cancels. Never stored. */
  password(prompt: string): Promise<string | undefined>;
  /** Leave to change the host (install packages, load modules, join a group), with the steps that will be done. */
  confirmPrepare(report: HostReport): Promise<boolean>;
}

export interface CoreContext {
  readonly progress: Progress;
  readonly prompter: Prompter;
  readonly signal: AbortSignal;
  log(level: 'trace' | 'debug' | 'info' | 'warn' | 'error', message: string): void;
}

export interface RunOptions {
  readonly target: TargetSpec;
  readonly session: Partial<Omit<SessionOptions, 'name'>>;
  /**
   * What to bring to the target first: nothing, one file (the local program), or a folder (kept in sync: only changed files go).
   * `launch.program` and `cwd` are then relative to it, or local paths inside it, and are mapped.
   */
  readonly upload?: {
    readonly kind: 'file' | 'folder';
    readonly localPath: string;
    readonly exclude?: readonly string[];
  };
  /** Shell command run in the synced folder on the target before the launch. */
  readonly build?: string;
  readonly launch: LaunchOptions;
}

/** Pairs of path prefixes, target → local, in the order they are to be tried. */
export type SourceMap = readonly (readonly [string, string])[];

/** Facts about a run that are known once its program runs. */
export interface RunInfo {
  readonly target: TargetSpec;
  readonly host: string;
  readonly kernelRelease: string;
  readonly session: SessionStarted;
  readonly pid: number;
  readonly program: string;
  readonly args: readonly string[];
  /** From the upload: remote folder → local folder. */
  readonly sourceMap: SourceMap;
}

/** Everything a run tells while it goes on. Handlers must not throw. */
export interface RunEvents {
  /** `provisional`: places in `spans` of those that will come again; every other span is final, and comes once as such. */
  spans(spans: readonly Span[], provisional: readonly number[]): void;
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  /** `lost`: where in time events were lost in the kernel's buffers. */
  loss(loss: LossReport, lost: readonly LostStretch[]): void;
  exited(status: ExitStatus): void;
  /** The session ended before the program did; what was recorded stays. */
  failed(error: SkuaError): void;
}

/** A program being traced. Disposing kills it if it still runs, ends the session and closes the connection. */
export interface TraceRun extends Disposable {
  readonly info: RunInfo;
  input(data: Uint8Array): void;
  signal(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Resolves after the program has exited and every span was delivered. Rejects with a SkuaError when the session failed. */
  readonly done: Promise<{ readonly exit: ExitStatus; readonly summary: SessionSummary }>;
}

/** Defaults of a session. 8 × 256 KiB per CPU holds about 0.1 s of a million events a second. */
export const DEFAULT_SESSION: Omit<SessionOptions, 'name'> = {
  tracepoints: [
    'sched_switch',
    'sched_waking',
    'sched_wakeup',
    'sched_process_fork',
    'block_rq_issue',
    'block_rq_complete',
    'net_dev_queue',
    'net_if_receive_skb',
    'x86_exceptions_page_fault_user',
    'x86_exceptions_page_fault_kernel',
    'signal_generate',
    'signal_deliver',
  ],
  syscalls: 'all',
  subbufferBytes: 256 * 1024,
  subbuffers: 8,
  liveTimerUs: 20_000,
  queueBytes: 32 * 1024 * 1024,
};

/**
 * Functions of this room, each in the file named:
 *
 * session/run.ts      startRun(options: RunOptions, events: RunEvents, context: CoreContext): Promise<TraceRun>
 * session/host.ts     doctor(target, context): Promise<HostReport>               checks only
 *                     prepare(target, context): Promise<HostReport>              asks with prompter.confirmPrepare first
 *                     unprepare(target, context): Promise<HostReport>
 *                     removeAgent(target, context): Promise<void>
 * sandbox/instance.ts startSandbox(name, context): Promise<SshConnection>        dispose the connection when done
 *                     stopSandbox(name, context), resetSandbox(name, context): Promise<void>
 *                     sandboxStatus(name): Promise<SandboxStatus>, listSandboxes()
 * session/shell.ts    shellCommand(target): Promise<{ file, args }>              for a terminal
 */
