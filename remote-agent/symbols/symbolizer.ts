import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Disposable } from '../../common/base/disposable';
import { SkuaError } from '../../common/base/errors';
import {
  AnswerReader,
  encodeForget,
  encodeMapping,
  encodeSymbolize,
  HELPER_PROTOCOL_VERSION,
  LocationTable,
  type HelperAnswer,
  type HelperHello,
} from './encoding';
import { failedStack, type ExecutableMapping, type StackSample, type SymbolizedStack } from './types';

export type { ExecutableMapping, StackSample, SymbolizedStack } from './types';

export interface SymbolizerOptions {
  /** Path of the program `skua-symbols`. */
  readonly helper: string;
  readonly log?: (level: 'debug' | 'warn', message: string) => void;
  /** Told of files that are not what was mapped any more: what was answered about code in them holds no longer. */
  readonly changed?: (paths: readonly string[]) => void;
  /** Stack bytes that may wait for the helper; beyond it stacks are answered `queue-full` at once. Default 64 MiB. */
  readonly queueBytes?: number;
  /** A helper that has not answered a batch by then is taken for hung and replaced, milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
}

interface Batch {
  readonly samples: readonly StackSample[];
  readonly bytes: number;
  readonly resolve: (stacks: readonly SymbolizedStack[]) => void;
  readonly reject: (error: SkuaError) => void;
}

/** The helper process with what belongs to that process only. */
interface Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly table: LocationTable;
  readonly batches: Map<number, Batch>;
  greeted: boolean;
  stderr: string;
  timer: NodeJS.Timeout | undefined;
}

/** As many as the helper keeps: processes end without anybody saying so. */
const MAX_PROCESSES = 4096;

const LOOK_EVERY_MS = 1000;

/** Bytes of one `symbolize` request; longer batches are split. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Turns recorded registers and stacks into call stacks with source lines, by the helper program `skua-symbols`. The helper starts with the
 * first request. When it crashes or hangs, its unanswered stacks become `helper-failed`, and the next request starts another one, which is
 * told all mappings again.
 */
export class Symbolizer implements Disposable {
  private running: Running | undefined;
  private nextBatch = 1;
  private queuedBytes = 0;
  private disposed = false;
  private askedMs = 0;
  /** A helper that fails before its greeting will not do better the next time. */
  private broken: SkuaError | undefined;
  /** In order of arrival: what a new helper has to be told. */
  private readonly mappings = new Map<number, ExecutableMapping[]>();

  constructor(private readonly options: SymbolizerOptions) {}

  /** To be called in the order of the kernel's events; a mapping replaces older ones where they overlap. */
  mapping(pid: number, mapping: ExecutableMapping): void {
    const known = this.mappings.get(pid) ?? [];
    // The kernel repeats the whole set when one is new.
    if (known.some((old) => sameMapping(old, mapping))) {
      // Still sent below: the helper looks again whether the file is the mapped one.
    } else {
      this.mappings.set(pid, [...known.filter((old) => !covers(mapping, old)), mapping]);
      const oldest = this.mappings.keys().next();
      if (this.mappings.size > MAX_PROCESSES && oldest.done !== true) this.exec(oldest.value);
    }
    this.running?.child.stdin.write(encodeMapping(pid, mapping));
  }

  /** The process has called execve, or is gone: its mappings no longer hold. */
  exec(pid: number): void {
    if (this.mappings.delete(pid)) this.running?.child.stdin.write(encodeForget(pid));
  }

  /**
   * One stack for each sample, in the same order. What cannot be known is said in the stack. Asked for nothing, it has the helper look
   * at the files, as every question does; at most once a second.
   * Rejects with SkuaError `symbols-failed` when the helper is missing or does not run at all.
   */
  async symbolize(samples: readonly StackSample[]): Promise<readonly SymbolizedStack[]> {
    if (samples.length === 0) {
      if (this.running !== undefined && Date.now() - this.askedMs >= LOOK_EVERY_MS) await this.submit([]);
      return [];
    }
    const parts = split(samples);
    const stacks = await Promise.all(parts.map((part) => this.submit(part)));
    return stacks.flat();
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    const running = this.running;
    if (running === undefined) return;
    this.abandon(running, 'stopped');
    await new Promise<void>((done) => {
      if (running.child.exitCode !== null || running.child.signalCode !== null) done();
      else
        running.child.once('exit', () => {
          done();
        });
    });
  }

  private submit(samples: readonly StackSample[]): Promise<readonly SymbolizedStack[]> {
    const bytes = samples.reduce((sum, sample) => sum + sample.bytes.length, 0);
    if (this.disposed) return Promise.resolve(samples.map(() => failedStack('helper-failed')));
    if (this.queuedBytes + bytes > (this.options.queueBytes ?? 64 * 1024 * 1024)) {
      return Promise.resolve(samples.map(() => failedStack('queue-full')));
    }
    return new Promise((resolve, reject) => {
      const running = this.ensureRunning();
      if (running instanceof SkuaError) {
        reject(running);
        return;
      }
      const id = this.nextBatch;
      this.nextBatch = (this.nextBatch + 1) % 2 ** 32;
      this.queuedBytes += bytes;
      this.askedMs = Date.now();
      running.batches.set(id, { samples, bytes, resolve, reject });
      this.watch(running, false);
      running.child.stdin.write(encodeSymbolize(id, samples));
    });
  }

  private ensureRunning(): Running | SkuaError {
    if (this.broken !== undefined) return this.broken;
    if (this.running !== undefined) return this.running;
    try {
      accessSync(this.options.helper, constants.X_OK);
    } catch (cause) {
      this.broken = failure(this.options.helper, cause instanceof Error ? cause.message : String(cause));
      return this.broken;
    }
    const running = this.start();
    this.running = running;
    for (const [pid, mappings] of this.mappings) {
      for (const mapping of mappings) running.child.stdin.write(encodeMapping(pid, mapping));
    }
    return running;
  }

  private start(): Running {
    const child = spawn(this.options.helper, [], { stdio: ['pipe', 'pipe', 'pipe'] });
    const running: Running = {
      child,
      table: new LocationTable(),
      batches: new Map(),
      greeted: false,
      stderr: '',
      timer: undefined,
    };
    const reader = new AnswerReader();
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        for (const answer of reader.push(chunk)) this.receive(running, answer);
      } catch (error) {
        this.abandon(
          running,
          `sent what is no answer (${error instanceof Error ? error.message : String(error)})`,
        );
      }
    });
    child.stderr.on('data', (chunk: Buffer) => {
      running.stderr = (running.stderr + chunk.toString()).slice(-4096);
    });
    // Writing to a helper that has just died: its exit is handled below.
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => {
      this.abandon(running, error.message);
    });
    child.on('close', (code, signal) => {
      this.abandon(running, `ended with ${signal ?? `status ${String(code)}`}`);
    });
    return running;
  }

  private receive(running: Running, message: unknown): void {
    if (!running.greeted) {
      const hello = message as HelperHello;
      if (hello.protocol !== HELPER_PROTOCOL_VERSION) {
        this.abandon(running, `speaks protocol ${String(hello.protocol)}`);
        return;
      }
      running.greeted = true;
      this.options.log?.('debug', `skua-symbols runs, libdw ${hello.libdw}.`);
      return;
    }
    const answer = message as HelperAnswer;
    if (answer.changed !== undefined) this.options.changed?.(answer.changed);
    const stacks = running.table.resolve(answer);
    const batch = running.batches.get(answer.batch);
    if (batch?.samples.length !== stacks.length) throw new Error('an answer that fits no question');
    running.batches.delete(answer.batch);
    this.queuedBytes -= batch.bytes;
    this.watch(running, true);
    batch.resolve(stacks);
  }

  /** One timer while batches are unanswered, begun anew by each answer but not by each question: those come from a busy program. */
  private watch(running: Running, answered: boolean): void {
    if (running.batches.size === 0 || answered) {
      clearTimeout(running.timer);
      running.timer = undefined;
    }
    if (running.batches.size === 0) return;
    running.timer ??= setTimeout(() => {
      this.abandon(running, 'did not answer in time');
    }, this.options.timeoutMs ?? 60_000);
  }

  /** Gives a helper up, once: its stacks are answered, the process is killed. */
  private abandon(running: Running, why: string): void {
    if (this.running !== running) return;
    this.running = undefined;
    clearTimeout(running.timer);
    running.child.kill('SIGKILL');
    const detail = running.stderr === '' ? why : `${why}: ${running.stderr.trim()}`;
    if (!running.greeted && !this.disposed) this.broken = failure(this.options.helper, detail);
    if (!this.disposed && running.batches.size > 0) this.options.log?.('warn', `skua-symbols ${detail}.`);
    for (const batch of running.batches.values()) {
      this.queuedBytes -= batch.bytes;
      if (this.broken === undefined) batch.resolve(batch.samples.map(() => failedStack('helper-failed')));
      else batch.reject(this.broken);
    }
    running.batches.clear();
  }
}

function failure(helper: string, detail: string): SkuaError {
  return new SkuaError({
    code: 'symbols-failed',
    message: `The program that finds source lines (${helper}) does not run.`,
    remedy:
      'Spans have no source lines in this session. Deploy the agent again ("Skua: Remove Agent from Target", then run); the target must be x86-64 Linux.',
    detail,
  });
}

function sameMapping(a: ExecutableMapping, b: ExecutableMapping): boolean {
  return (
    a.start === b.start && a.end === b.end && a.pgoff === b.pgoff && a.ino === b.ino && a.path === b.path
  );
}

function covers(outer: ExecutableMapping, inner: ExecutableMapping): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

function split(samples: readonly StackSample[]): StackSample[][] {
  const parts: StackSample[][] = [];
  let size = MAX_BATCH_BYTES;
  for (const sample of samples) {
    const bytes = 8 + sample.bytes.length;
    if (size + bytes > MAX_BATCH_BYTES) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)?.push(sample);
    size += bytes;
  }
  return parts;
}
