import {
  DebugSession,
  Event as DebugEvent,
  ExitedEvent,
  InitializedEvent,
  OutputEvent,
  TerminatedEvent,
  ThreadEvent,
} from '@vscode/debugadapter';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { toSkuaError, type SkuaError } from '../../common/base/errors';
import { plural } from '../../common/view/format';
import { causesIn, lossCount, missingText } from '../../common/view/loss';
import type { RunInfo } from '../core/api';
import type { LiveRun, RunListener, RunOutcome } from '../runs/liveRun';
import { formatTarget } from '../core/target-spec';

const THREAD_ID = 1;

/** What a debug session needs from the extension; the session itself knows only the protocol. */
export interface SessionHost {
  /** Validates the configuration and registers the run. Throws SkuaError. */
  create(config: Readonly<Record<string, unknown>>): LiveRun;
  /** Prepares the target and starts the program, with progress. */
  start(run: LiveRun, listener: RunListener): Promise<void>;
  /** Waits for the end, saves the trace. */
  finish(run: LiveRun): Promise<RunOutcome>;
  report(error: SkuaError): void;
}

/**
 * The debug adapter, inline: it shows the program's output, takes its input, stops it. There are no breakpoints: the program is traced at
 * full speed, never halted.
 */
export class SkuaDebugSession extends DebugSession {
  private run: LiveRun | undefined;
  private readonly decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  private finished = false;

  constructor(private readonly host: SessionHost) {
    super();
  }

  protected override initializeRequest(response: DebugProtocol.InitializeResponse): void {
    response.body = {
      supportsConfigurationDoneRequest: true,
      supportsTerminateRequest: true,
      supportTerminateDebuggee: true,
    };
    this.sendResponse(response);
    this.sendEvent(new InitializedEvent());
  }

  /** Answers at once, so that Stop works during the preparation; what follows is told by events. */
  protected override launchRequest(
    response: DebugProtocol.LaunchResponse,
    args: DebugProtocol.LaunchRequestArguments,
  ): void {
    this.sendResponse(response);
    void this.execute(args as unknown as Readonly<Record<string, unknown>>);
  }

  private async execute(config: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      const run = this.host.create(config);
      this.run = run;
      this.note(`Tracing ${run.title} on ${formatTarget(run.resolved.options.target)}`);
      await this.host.start(run, this.listener(run));
      this.conclude(run, await this.host.finish(run));
    } catch (thrown) {
      const error = toSkuaError(thrown);
      if (error.code !== 'cancelled') this.note(`${error.message}\n${error.detail ?? ''}`.trim(), 'stderr');
      this.host.report(error);
    } finally {
      this.finished = true;
      this.flush();
      this.sendEvent(new TerminatedEvent());
    }
  }

  private listener(run: LiveRun): RunListener {
    return {
      started: (info) => this.started(run, info),
      output: (stream, data) => this.print(stream, this.decoders[stream].decode(data, { stream: true })),
      exited: (status) => this.sendEvent(new ExitedEvent(status.code ?? (status.signal === null ? 1 : 128))),
    };
  }

  private started(run: LiveRun, info: RunInfo): void {
    this.sendEvent(
      new DebugEvent('process', {
        name: info.program,
        systemProcessId: info.pid,
        isLocalProcess: false,
        startMethod: 'launch',
      } satisfies DebugProtocol.ProcessEvent['body']),
    );
    this.sendEvent(new ThreadEvent('started', THREAD_ID));
    this.note(`${run.title}: process ${info.pid} on ${info.host}, kernel ${info.kernelRelease}`);
  }

  private conclude(run: LiveRun, { exit, summary }: RunOutcome): void {
    this.flush();
    const end = exit.signal === null ? `exited with code ${exit.code ?? '?'}` : `was ended by ${exit.signal}`;
    this.note(
      `${run.title} ${end}. ${plural(summary.traces, 'trace')}, ${plural(summary.userSpans, 'span')}, ${plural(summary.syscallSpans, 'system call')}.`,
    );
    const missing = missingText(run.loss);
    if (missing !== '') this.note(`Lost: ${missing}`, 'stderr');
    for (const cause of causesIn(run.loss))
      this.note(`  ${lossCount(run.loss, cause)} ${cause.text}. ${cause.remedy}`, 'stderr');
    for (const line of summary.notes) this.note(line);
  }

  protected override threadsRequest(response: DebugProtocol.ThreadsResponse): void {
    const run = this.run;
    response.body = { threads: run === undefined || run.over ? [] : [{ id: THREAD_ID, name: run.title }] };
    this.sendResponse(response);
  }

  protected override stackTraceRequest(response: DebugProtocol.StackTraceResponse): void {
    response.body = { stackFrames: [], totalFrames: 0 };
    this.sendResponse(response);
  }

  protected override pauseRequest(response: DebugProtocol.PauseResponse): void {
    this.sendErrorResponse(response, {
      id: 1,
      format: 'Skua traces the program while it runs; it cannot pause it.',
      showUser: true,
    });
  }

  protected override setBreakPointsRequest(
    response: DebugProtocol.SetBreakpointsResponse,
    args: DebugProtocol.SetBreakpointsArguments,
  ): void {
    response.body = {
      breakpoints: (args.breakpoints ?? []).map(({ line }) => ({
        verified: false,
        line,
        message: 'Skua traces the program at full speed and does not stop at breakpoints.',
      })),
    };
    this.sendResponse(response);
  }

  /** What is typed into the Debug Console goes to the program's standard input, a line at a time. */
  protected override evaluateRequest(
    response: DebugProtocol.EvaluateResponse,
    args: DebugProtocol.EvaluateArguments,
  ): void {
    if (args.context !== 'repl' || this.run?.info === undefined || this.finished) {
      this.sendErrorResponse(response, {
        id: 2,
        format: 'No program runs that could read this.',
        showUser: false,
      });
      return;
    }
    this.run.input(new TextEncoder().encode(`${args.expression}\n`));
    response.body = { result: '', variablesReference: 0 };
    this.sendResponse(response);
  }

  protected override terminateRequest(response: DebugProtocol.TerminateResponse): void {
    this.run?.stop();
    this.sendResponse(response);
  }

  /** The second click on Stop, or the end of the editor. */
  protected override disconnectRequest(response: DebugProtocol.DisconnectResponse): void {
    if (!this.finished) {
      this.run?.stop();
      this.run?.stop();
    }
    this.sendResponse(response);
  }

  private print(category: 'stdout' | 'stderr', output: string): void {
    if (output !== '') this.sendEvent(new OutputEvent(output, category));
  }

  private note(line: string, category: 'console' | 'stderr' = 'console'): void {
    this.sendEvent(new OutputEvent(`${line}\n`, category));
  }

  /** Bytes of a character that never became complete. */
  private flush(): void {
    this.print('stdout', this.decoders.stdout.decode());
    this.print('stderr', this.decoders.stderr.decode());
  }
}
