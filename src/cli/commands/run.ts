import { existsSync, statSync } from 'node:fs';
import { basename, relative, resolve } from 'node:path';
import { SkuaError, toSkuaError } from '../../../common/base/errors';
import type { TraceMeta } from '../../../common/file/trace-meta';
import { writeTrace } from '../../../common/file/skua-file';
import { NO_LOSS, settled, type LossReport } from '../../../common/model/loss';
import type { ExitStatus, SessionSummary } from '../../../common/protocol/agent';
import { ns } from '../../../common/base/time';
import type { CoreContext, RunOptions, SourceMap, TargetSpec, TraceRun } from '../../core/api';
import { productVersion } from '../../core/paths';
import { SpanCollector } from '../../core/session/collector';
import { startRun } from '../../core/session/run';
import { targetName } from '../../core/session/target';
import { EXIT } from '../exit-codes';
import { toJson, traceJson } from '../json';
import { writeWhole } from '../write-whole';
import { renderLoss, renderOutcome, renderTraces } from '../render';
import { localPath } from '../source-path';
import type { ProgressLine, Terminal } from '../terminal';
import { buildTrees } from '../tree';

export interface RunFlags {
  readonly target: TargetSpec;
  readonly upload?: string | false;
  readonly exclude: readonly string[];
  readonly build?: string;
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly vdsoSyscalls: boolean;
  readonly output?: string;
  readonly otlp?: string;
  readonly otlpFile?: string;
  readonly tracepoint?: readonly string[];
  readonly syscall?: readonly string[];
  readonly bufferBytes?: number;
  readonly buffers?: number;
  /** Most spans held. */
  readonly maxSpans?: number;
  readonly fold: boolean;
  readonly events: boolean;
  readonly traces: number;
}

/** `skua run`: returns the exit code. */
export async function runCommandLine(
  program: string,
  args: readonly string[],
  flags: RunFlags,
  terminal: Terminal,
  progress: ProgressLine,
  context: CoreContext,
  interrupts: Interrupts,
): Promise<number> {
  const collector = new SpanCollector(flags.maxSpans);
  const outcome = await trace(
    runOptions(program, args, flags),
    collector,
    terminal,
    progress,
    context,
    interrupts,
  );
  progress.clear();
  // A trace that cannot be written has been recorded all the same: it is printed before that is told.
  const saved = await save(program, args, flags, collector, outcome).catch(toSkuaError);
  const error = outcome.error ?? (saved instanceof SkuaError ? saved : undefined);
  const output = saved instanceof SkuaError ? null : saved;
  if (terminal.json) {
    const { sourceMap, ...rest } = outcome;
    const traces = buildTrees(collector.spans()).map(traceJson);
    terminal.print(
      toJson({ version: 1, ...rest, sourceMap, error: error?.toData() ?? null, output, traces }),
    );
  } else {
    report(outcome, collector, flags, terminal);
    if (output !== null) terminal.note(`Trace written to ${output}`);
  }
  if (error !== undefined) throw new Reported(error);
  const { exit } = outcome;
  return exit?.code === 0 ? EXIT.ok : EXIT.programFailed;
}

/** An error after the results were printed: main must not print a second JSON document. */
export class Reported extends Error {
  constructor(readonly error: SkuaError) {
    super(error.message);
  }
}

/** Ctrl-C: the first stops the program and lets the run end in order, the second gives everything up. */
export interface Interrupts {
  onFirst(action: () => void): void;
}

interface Outcome {
  readonly target: string;
  readonly kernelRelease: string | null;
  readonly exit: ExitStatus | null;
  readonly summary: SessionSummary | null;
  readonly loss: LossReport;
  readonly sourceMap: SourceMap;
  readonly startedNs: bigint;
  readonly error?: SkuaError;
}

/** From when the program is there to be stopped, the first Ctrl-C stops it instead of cancelling everything. */
class Stopper {
  private begun = false;
  private wanted = false;
  private program: TraceRun | undefined;

  constructor(
    private readonly interrupts: Interrupts,
    private readonly terminal: Terminal,
  ) {}

  /** A program that prints has begun, even when the agent's word that it has started is still on its way. */
  begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.interrupts.onFirst(() => {
      this.terminal.note('\nStopping the program; Ctrl-C again gives up.');
      this.wanted = true;
      this.stop();
    });
  }

  started(program: TraceRun): void {
    this.program = program;
    this.begin();
    this.stop();
  }

  private stop(): void {
    if (this.wanted) this.program?.signal('SIGINT').catch(() => undefined);
  }
}

async function trace(
  options: RunOptions,
  collector: SpanCollector,
  terminal: Terminal,
  progress: ProgressLine,
  context: CoreContext,
  interrupts: Interrupts,
): Promise<Outcome> {
  let loss: LossReport = NO_LOSS;
  const startedNs = BigInt(Date.now()) * 1_000_000n;
  const stopper = new Stopper(interrupts, terminal);
  const run = await startRun(
    options,
    {
      spans: (spans, provisional) => {
        collector.add(spans, provisional);
      },
      output: (stream, data) => {
        stopper.begin();
        progress.clear();
        // With --json stdout holds one JSON document and nothing else.
        (stream === 'stdout' && !terminal.json ? process.stdout : process.stderr).write(data);
      },
      loss: (report) => {
        loss = report;
      },
      exited: () => {
        progress.report('Collecting the last spans');
      },
      failed: () => undefined,
    },
    context,
  );
  progress.clear();
  stopper.started(run);
  const forward = forwardInput(run);
  const known = {
    target: targetName(options.target),
    kernelRelease: run.info.kernelRelease,
    sourceMap: run.info.sourceMap,
    startedNs,
  };
  try {
    const { exit, summary } = await run.done;
    return { ...known, exit, summary, loss: settled(summary.loss, collector.received) };
  } catch (error) {
    return {
      ...known,
      exit: null,
      summary: null,
      loss: settled(loss, collector.received),
      error: toSkuaError(error),
    };
  } finally {
    forward.stop();
  }
}

/** The program reads what is typed or piped here. */
function forwardInput(run: TraceRun): { stop(): void } {
  const onData = (data: Buffer): void => {
    run.input(data);
  };
  const onEnd = (): void => {
    run.input(new Uint8Array(0));
  };
  process.stdin.on('data', onData).on('end', onEnd);
  return {
    stop: () => {
      process.stdin.off('data', onData).off('end', onEnd);
      process.stdin.pause();
      // A pipe or terminal that nobody reads any more must not keep the process alive; a file never does.
      if ('unref' in process.stdin) process.stdin.unref();
    },
  };
}

function runOptions(program: string, args: readonly string[], flags: RunFlags): RunOptions {
  const upload = uploadOf(program, flags);
  return {
    target: flags.target,
    session: {
      ...(flags.tracepoint === undefined
        ? {}
        : { tracepoints: flags.tracepoint.filter((name) => name !== 'none') }),
      ...(flags.syscall === undefined ? {} : { syscalls: flags.syscall }),
      ...(flags.bufferBytes === undefined ? {} : { subbufferBytes: flags.bufferBytes }),
      ...(flags.buffers === undefined ? {} : { subbuffers: flags.buffers }),
      ...(flags.otlp === undefined ? {} : { otlpEndpoint: flags.otlp }),
      ...(flags.otlpFile === undefined ? {} : { otlpFile: flags.otlpFile }),
    },
    ...(upload === undefined ? {} : { upload }),
    ...(flags.build === undefined ? {} : { build: flags.build }),
    launch: {
      program: upload?.kind === 'file' && flags.upload === undefined ? basename(program) : program,
      args,
      env: flags.env,
      vdsoSyscalls: flags.vdsoSyscalls,
      ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    },
  };
}

/** --upload names a file or a folder; without it a program that is a file here is brought along. */
function uploadOf(program: string, flags: RunFlags): RunOptions['upload'] {
  if (flags.upload === false) return undefined;
  if (flags.upload !== undefined) {
    const localPath = resolve(flags.upload);
    const kind = existsSync(localPath) && !statSync(localPath).isDirectory() ? 'file' : 'folder';
    return { kind, localPath, exclude: flags.exclude };
  }
  const isLocal = program.includes('/') && existsSync(program) && statSync(program).isFile();
  return isLocal ? { kind: 'file', localPath: resolve(program) } : undefined;
}

async function save(
  program: string,
  args: readonly string[],
  flags: RunFlags,
  collector: SpanCollector,
  outcome: Outcome,
): Promise<string> {
  const stamp = new Date(Number(outcome.startedNs / 1_000_000n))
    .toISOString()
    .slice(0, 19)
    .replaceAll(':', '-');
  const path = resolve(flags.output ?? `${basename(program)}-${stamp}.skua`);
  const meta: TraceMeta = {
    title: basename(program),
    skuaVersion: productVersion(),
    target: outcome.target,
    program,
    args,
    environment: Object.keys(flags.env),
    startedNs: ns(outcome.startedNs),
    loss: outcome.loss,
    sourceMap: outcome.sourceMap,
    ...(outcome.kernelRelease === null ? {} : { kernelRelease: outcome.kernelRelease }),
    ...(outcome.exit === null ? {} : { exit: outcome.exit }),
    ...(outcome.summary === null ? {} : { summary: outcome.summary }),
  };
  await writeWhole(path, writeTrace({ meta, spans: collector.spans() }));
  return relative(process.cwd(), path).startsWith('..') ? path : relative(process.cwd(), path);
}

function report(outcome: Outcome, collector: SpanCollector, flags: RunFlags, terminal: Terminal): void {
  const style = terminal.out;
  const lines = renderTraces(buildTrees(collector.spans()), {
    style,
    fold: flags.fold,
    events: flags.events,
    path: localPath(outcome.sourceMap, process.cwd()),
    maxTraces: flags.traces,
  });
  for (const line of lines) terminal.print(line);
  for (const line of renderOutcome(outcome.exit, outcome.summary, style)) terminal.print(line);
  for (const line of renderLoss(outcome.loss, style)) terminal.print(line);
}
