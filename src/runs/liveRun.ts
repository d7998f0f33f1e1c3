import * as vscode from 'vscode';
import { SkuaError, toSkuaError } from '../../common/base/errors';
import { nsFromMicros } from '../../common/base/time';
import type { TraceMeta } from '../../common/file/trace-meta';
import { NO_LOSS, settled, withStore, type LossReport, type LostStretch } from '../../common/model/loss';
import type { ExitStatus, SessionSummary } from '../../common/protocol/agent';
import { plural } from '../../common/view/format';
import { missingText } from '../../common/view/loss';
import type { RunState } from '../../common/view/protocol';
import { SpanStore } from '../../common/view/store';
import type { CoreContext, RunEvents, RunInfo, SourceMap, TraceRun } from '../core/api';
import type { ResolvedRun } from '../debug/configuration';
import { formatTarget } from '../core/target-spec';
import type { TraceChange, TraceModel } from './model';

/** Replaced by the bundler with the version in package.json. */
declare const SKUA_VERSION: string;

export type StartRun = (
  options: ResolvedRun['options'],
  events: RunEvents,
  context: CoreContext,
) => Promise<TraceRun>;

export interface RunOutcome {
  readonly exit: ExitStatus;
  readonly summary: SessionSummary;
}

/** What the debug session wants to hear of a run. */
export interface RunListener {
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  started(info: RunInfo): void;
  exited(status: ExitStatus): void;
}

/**
 * One program being traced, from preparing the target until every span has arrived; afterwards the trace stays for as long as somebody
 * shows it. `execute` is called once.
 */
export class LiveRun implements TraceModel, vscode.Disposable {
  readonly store: SpanStore;
  readonly startedAt = new Date();
  private readonly changes = new vscode.EventEmitter<TraceChange>();
  readonly onDidChange = this.changes.event;
  private readonly abort = new AbortController();
  private run: TraceRun | undefined;
  private reported: LossReport = NO_LOSS;
  private stretches: readonly LostStretch[] = [];
  private current: RunState = { kind: 'preparing', text: 'Starting' };
  private savedAs: vscode.Uri | undefined;
  private killed = false;
  outcome: RunOutcome | undefined;
  exit: ExitStatus | undefined;

  constructor(
    readonly id: string,
    readonly resolved: ResolvedRun,
    maxSpans: number,
    private readonly startRun: StartRun,
  ) {
    this.store = new SpanStore({ limit: maxSpans });
  }

  get title(): string {
    return this.resolved.name;
  }

  get state(): RunState {
    return this.current;
  }

  get info(): RunInfo | undefined {
    return this.run?.info;
  }

  get loss(): LossReport {
    return (this.over ? settled : withStore)(this.reported, this.store.received);
  }

  /** Where in time events were lost. */
  get lost(): readonly LostStretch[] {
    return this.stretches;
  }

  get sourceMap(): SourceMap {
    return [...this.resolved.sourceMap, ...(this.info?.sourceMap ?? [])];
  }

  get meta(): TraceMeta {
    const { info, outcome, exit, resolved } = this;
    const { target, launch } = resolved.options;
    return {
      title: this.title,
      skuaVersion: SKUA_VERSION,
      target: formatTarget(target),
      program: info?.program ?? launch.program,
      args: launch.args,
      environment: Object.keys(launch.env),
      startedNs: nsFromMicros(BigInt(this.startedAt.getTime()) * 1000n),
      loss: this.loss,
      sourceMap: this.sourceMap,
      ...(info === undefined ? {} : { host: info.host, kernelRelease: info.kernelRelease }),
      ...(exit === undefined ? {} : { exit }),
      ...(outcome === undefined ? {} : { summary: outcome.summary }),
    };
  }

  get file(): vscode.Uri | undefined {
    return this.savedAs;
  }

  get over(): boolean {
    return this.current.kind === 'ended' || this.current.kind === 'failed';
  }

  /** Aborts on `stop` before the program runs; tasks of the run listen to it. */
  get signal(): AbortSignal {
    return this.abort.signal;
  }

  preparing(text: string, fraction?: number): void {
    if (!this.over) this.become({ kind: 'preparing', text, ...(fraction === undefined ? {} : { fraction }) });
  }

  savedTo(file: vscode.Uri): void {
    this.savedAs = file;
    this.changes.fire('file');
  }

  /** Starts the program. Resolves when it runs; `finish` waits for its end. Rejects with a SkuaError when it could not start. */
  async start(context: CoreContext, listener: RunListener): Promise<void> {
    try {
      const run = await this.startRun(this.resolved.options, this.events(listener), context);
      if (this.killed) {
        await run.dispose();
        throw new SkuaError({
          code: 'cancelled',
          message: `${this.title} was stopped before it started.`,
          remedy: '',
        });
      }
      this.run = run;
      listener.started(run.info);
      if (!this.over) this.become({ kind: 'running', text: `${run.info.host}, process ${run.info.pid}` });
    } catch (thrown) {
      throw this.fail(thrown);
    }
  }

  /** Resolves after the last span. Rejects with a SkuaError when the session failed; what was recorded stays. */
  async finish(): Promise<RunOutcome> {
    if (this.run === undefined) throw new Error('finish() before start()');
    try {
      this.outcome = await this.run.done;
    } catch (thrown) {
      throw this.fail(thrown);
    }
    this.exit = this.outcome.exit;
    this.reported = this.outcome.summary.loss;
    this.changes.fire('loss');
    this.become({ kind: 'ended', text: this.summaryText() });
    return this.outcome;
  }

  input(data: Uint8Array): void {
    this.run?.input(data);
  }

  /** The first call asks the program to end, the second kills it; before it runs, the preparation is given up. */
  readonly stop = (): void => {
    if (this.over) return;
    if (this.run === undefined) {
      this.killed = true;
      this.abort.abort();
      return;
    }
    const signal = this.killed ? 'SIGKILL' : 'SIGTERM';
    this.killed = true;
    // A program that has ended meanwhile cannot be signalled; its end is reported anyway.
    this.run.signal(signal).catch(() => undefined);
  };

  async dispose(): Promise<void> {
    this.killed = true;
    this.abort.abort();
    await this.run?.dispose();
    this.changes.dispose();
  }

  private events(listener: RunListener): RunEvents {
    return {
      spans: (spans, provisional) => {
        this.store.upsert(spans, provisional);
        this.changes.fire('spans');
      },
      output: (stream, data) => listener.output(stream, data),
      loss: (loss, lost) => {
        this.reported = loss;
        this.stretches = lost;
        this.changes.fire('loss');
      },
      exited: (status) => {
        this.exit = status;
        listener.exited(status);
        if (!this.over) this.become({ kind: 'running', text: 'Program ended, collecting the last spans' });
      },
      failed: (error) => this.fail(error),
    };
  }

  /** The run is over because of this error; an earlier end stays. Returns it as a SkuaError. */
  fail(thrown: unknown): SkuaError {
    const error = toSkuaError(thrown);
    if (!this.over) {
      const text = error.code === 'cancelled' ? 'Stopped before the program ran' : error.message;
      this.become({ kind: 'failed', text, error: error.toData() });
    }
    return error;
  }

  private summaryText(): string {
    const { exit, summary } = this.outcome ?? {};
    if (summary === undefined) return '';
    const end = exit?.signal ? `ended by ${exit.signal}` : `exit code ${exit?.code ?? '?'}`;
    const lost = missingText(settled(this.reported, this.store.received));
    return [
      end,
      plural(summary.traces, 'trace'),
      plural(summary.userSpans, 'span'),
      plural(summary.syscallSpans, 'system call'),
      ...(lost === '' ? [] : [`lost: ${lost}`]),
    ].join(', ');
  }

  private become(state: RunState): void {
    this.current = state;
    this.changes.fire('state');
  }
}
