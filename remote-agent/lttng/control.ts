import { SkuaError } from '../../common/base/errors';
import type { SessionOptions } from '../../common/protocol/agent';
import { run, type Run } from '../base/run';
import { parseLttngVersion } from '../host/parse';
import { parseMi, type MiReply } from './mi';

const CHANNEL = 'skua';

/** Kernel events that Skua needs whatever the user asks for: its own provider, and the ends of threads. */
const OWN_TRACEPOINTS = ['skua_mapping', 'skua_fd', 'sched_process_exit'] as const;

/** Fields of LTTng's own that every event carries, beside those that Skua's modules add. */
const CONTEXTS = ['pid', 'tid', 'procname'] as const;

/** A daemon that is well answers each command within a few seconds, on a slow and busy host too. */
const ANSWER_MS = 60_000;

export interface LttngPorts {
  readonly control: number;
  readonly data: number;
}

export interface ConfiguredSession {
  /** What was asked for but does not exist on this host, one sentence each. */
  readonly notes: readonly string[];
}

/** Speaks to the root session daemon through the `lttng` program. It never starts a daemon by itself. */
export class LttngControl {
  /** Set when the daemon has once not answered: it will not answer the next command either, and each would take as long. */
  private hang: SkuaError | undefined;

  constructor(private readonly exec: Run = run) {}

  /** The daemon may be another one now, and is asked again although it has hung. */
  daemonMayHaveChanged(): void {
    this.hang = undefined;
  }

  /**
   * Creates a live session with one channel, its contexts and events, all before the first start, and not started yet.
   * Throws SkuaError `lttng-failed`; what had been created is destroyed then.
   */
  async configure(
    options: SessionOptions,
    ports: LttngPorts,
    signal: AbortSignal,
  ): Promise<ConfiguredSession> {
    const notes: string[] = [];
    const version = parseLttngVersion((await this.exec('lttng', ['--version'], { signal })).stdout);
    const ctf2 = version !== undefined && (version[0] > 2 || (version[0] === 2 && version[1] >= 15));
    await this.command(
      [
        'create',
        options.name,
        `--live=${options.liveTimerUs}`,
        '-U',
        `net://127.0.0.1:${ports.control}:${ports.data}`,
        ...(ctf2 ? ['--trace-format=ctf-1.8'] : []),
      ],
      signal,
    );
    try {
      const session = ['-s', options.name];
      await this.command(
        [
          'enable-channel',
          '--kernel',
          ...session,
          CHANNEL,
          '--discard',
          `--subbuf-size=${options.subbufferBytes}`,
          `--num-subbuf=${options.subbuffers}`,
          `--read-timer=${Math.max(1000, Math.min(200_000, options.liveTimerUs))}`,
        ],
        signal,
      );
      const contexts = CONTEXTS.flatMap((name) => ['-t', name]);
      await this.command(['add-context', '--kernel', ...session, '-c', CHANNEL, ...contexts], signal);
      await this.enableSyscalls(options, session, notes, signal);
      await this.enableTracepoints(options, session, notes, signal);
    } catch (error) {
      await this.destroy(options.name).catch(() => undefined); // The first failure is the one to report.
      throw error;
    }
    return { notes };
  }

  private async enableSyscalls(
    options: SessionOptions,
    session: readonly string[],
    notes: string[],
    signal: AbortSignal,
  ): Promise<void> {
    const enable = ['enable-event', '--kernel', ...session, '-c', CHANNEL, '--syscall'];
    if (options.syscalls === 'all') {
      await this.command([...enable, '--all'], signal);
      return;
    }
    // lttng says "enabled" for names that do not exist, so they are looked up first.
    const known = new Set(
      (await this.command(['list', '--kernel', '--syscall'], signal)).events.map((e) => e.name),
    );
    const wanted = options.syscalls.filter((name) => known.has(name));
    const unknown = options.syscalls.filter((name) => !known.has(name));
    if (unknown.length > 0)
      notes.push(`These system calls do not exist on this host and are not recorded: ${unknown.join(', ')}.`);
    if (wanted.length > 0) await this.command([...enable, wanted.join(',')], signal);
  }

  private async enableTracepoints(
    options: SessionOptions,
    session: readonly string[],
    notes: string[],
    signal: AbortSignal,
  ): Promise<void> {
    const known = new Set((await this.command(['list', '--kernel'], signal)).events.map((e) => e.name));
    const wanted = [...new Set([...OWN_TRACEPOINTS, ...options.tracepoints])];
    const unknown = wanted.filter((name) => !known.has(name));
    if (unknown.length > 0)
      notes.push(`These tracepoints do not exist on this host and are not recorded: ${unknown.join(', ')}.`);
    const names = wanted.filter((name) => known.has(name));
    if (names.length > 0) {
      await this.command(['enable-event', '--kernel', ...session, '-c', CHANNEL, names.join(',')], signal);
    }
  }

  async start(name: string, signal?: AbortSignal): Promise<void> {
    await this.command(['start', name], signal);
  }

  /** Stops recording. LTTng's own wait for the data is not needed: the end of the live stream tells that all has arrived. */
  async stop(name: string): Promise<void> {
    await this.command(['stop', '--no-wait', name]);
  }

  /** Destroys the session; what is still in its buffers goes to the relay daemon before the live streams end. */
  async destroy(name: string): Promise<void> {
    await this.command(['destroy', '--no-wait', name]);
  }

  async sessions(): Promise<MiReply['sessions']> {
    return (await this.command(['list'])).sessions;
  }

  private async command(args: readonly string[], signal?: AbortSignal): Promise<MiReply> {
    if (this.hang !== undefined) throw this.hang;
    // --no-sessiond: a daemon of the user's own would have no kernel tracer and hide the real problem.
    const result = await this.exec('lttng', ['--no-sessiond', '--mi', 'xml', ...args], {
      timeoutMs: ANSWER_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    if (result.signal === 'SIGKILL') {
      this.hang = daemonHangs(args);
      throw this.hang;
    }
    const reply = parseMi(result.stdout);
    if (result.code === 0 && reply?.success === true) return reply;
    throw explainLttng(
      args,
      `${result.stderr}${reply === undefined ? result.stdout : ''}`.trim(),
      result.code,
    );
  }
}

function daemonHangs(args: readonly string[]): SkuaError {
  return new SkuaError({
    code: 'lttng-failed',
    message: `The LTTng session daemon did not answer within ${ANSWER_MS / 1000} s.`,
    remedy:
      'Prepare the host again ("Skua: Run Doctor", or `skua doctor --fix`), which restarts the daemon, or run `sudo systemctl restart lttng-sessiond` there. Either ends all of its sessions.',
    detail: `lttng ${args.join(' ')}`,
  });
}

/** Turns a failed `lttng` command into an error that says what to do. */
export function explainLttng(args: readonly string[], output: string, code: number | null): SkuaError {
  const command = `lttng ${args.join(' ')}`;
  if (code === 127) {
    return new SkuaError({
      code: 'lttng-missing',
      message: 'The program lttng is not installed on the target.',
      remedy: 'Prepare the host ("Skua: Run Doctor", or `skua doctor --fix`).',
      detail: output,
    });
  }
  const [message, remedy] = /No session daemon|Unable to connect to|not available to the user/i.test(output)
    ? [
        'The LTTng session daemon does not answer this user.',
        'Prepare the host; when it is prepared, connect again, so that the new group membership counts.',
      ]
    : /Kernel tracer not available|kernel tracer/i.test(output)
      ? [
          'The LTTng session daemon has no kernel tracer.',
          "Prepare the host again: Skua's modules are not loaded, or the daemon was started before them.",
        ]
      : [
          `LTTng refused: ${command}.`,
          "The detail has LTTng's own words. `journalctl -u lttng-sessiond` on the host may say more.",
        ];
  return new SkuaError({
    code: 'lttng-failed',
    message,
    remedy,
    detail: `${command}\nexit status ${code ?? 'none'}\n${output}`,
  });
}
