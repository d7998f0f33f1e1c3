import { ATTR, type Attributes } from '../../common/model/span';
import { recordedStack, STACK_LOST } from '../symbols/callSites';
import type { KernelSpan } from './kernelSpan';
import type { KernelOutput, Mapping } from './output';

/** What this stage needs of the symbolizer; see remote-agent/symbols. Calls take effect in the order of calling. */
export interface StackResolver {
  mapping(pid: number, mapping: Mapping): void;
  exec(pid: number): void;
  /** Same length and order as the samples, whose bytes are `skua_stack` as recorded: what to add to each span. */
  resolve(
    samples: readonly { readonly pid: number; readonly bytes: Uint8Array }[],
  ): Promise<readonly Attributes[]>;
  /** The same for one sample if that is known already; undefined when it has to be asked for. */
  recall(bytes: Uint8Array): Attributes | undefined;
}

interface Sample {
  readonly id: bigint;
  readonly pid: number;
  readonly bytes: Uint8Array;
}

const BATCH = 512;
/** Samples whose answer or whose span is awaited; beyond, stacks are not asked for. */
const MAX_PENDING = 50_000;

/**
 * Gives syscall spans the source line of their call. The stack is sent to the symbolizer at the syscall's entry, in the order
 * of the events, in batches; the span leaves with its lines when they are there. After `patienceMs` it is shown without them,
 * and comes again with them.
 */
export class SourceLines {
  private batch: Sample[] = [];
  /** Sent to the symbolizer or waiting in the batch, answer not here yet. */
  private readonly asked = new Set<bigint>();
  private readonly known = new Map<bigint, Attributes>();
  private readonly waiting = new Map<
    bigint,
    { readonly span: KernelSpan; readonly since: number; shown: boolean }
  >();
  private recalled = false;
  private inFlight = 0;
  private idle: (() => void)[] = [];
  /** Spans that did not get their stack, because too many answers were pending. */
  skipped = 0;
  /** Spans whose stack was recorded with an earlier call, and lost there. */
  lost = 0;

  constructor(
    private readonly resolver: StackResolver | undefined,
    /** `final`: it will not come again. */
    private readonly emit: (span: KernelSpan, final: boolean) => void,
    private readonly patienceMs = 50,
  ) {}

  accept(output: Exclude<KernelOutput, { kind: 'user-event' }>, nowMs: number): void {
    switch (output.kind) {
      case 'sample':
        this.sample(output);
        return;
      case 'mapping':
        this.flush(); // Samples of before must be seen with the mappings of before.
        this.resolver?.mapping(output.pid, output.mapping);
        return;
      case 'exec':
        this.flush();
        this.resolver?.exec(output.pid);
        return;
      case 'forget':
        this.asked.delete(output.id);
        this.known.delete(output.id);
        return;
      case 'span':
        this.span(output, nowMs);
        return;
    }
  }

  private sample({ id, pid, stack }: KernelOutput & { kind: 'sample' }): void {
    if (this.resolver === undefined) return;
    if (this.asked.size + this.known.size >= MAX_PENDING) {
      this.skipped += 1;
      // Other calls will refer to a definition; it is symbolized, only this span does not wait for it.
      if (recordedStack(stack).kind !== 'definition') return;
    } else {
      // Not past what waits in the batch: it may define anew what this one refers to.
      const known = this.batch.length === 0 ? this.resolver.recall(stack) : undefined;
      if (known !== undefined) {
        this.known.set(id, known);
        this.recalled = true;
        return;
      }
      this.asked.add(id);
    }
    this.batch.push({ id, pid, bytes: stack });
    if (this.batch.length >= BATCH) this.flush();
  }

  private span({ span, final }: KernelOutput & { kind: 'span' }, nowMs: number): void {
    const known = this.known.get(span.id);
    if (known !== undefined) {
      span.add(known);
      if (final) this.known.delete(span.id);
    } else if (final && this.asked.has(span.id)) {
      this.waiting.set(span.id, { span, since: nowMs, shown: false });
      return;
    }
    this.emit(span, final);
  }

  /** Sends what is batched, and shows spans whose lines are late. To be called every some ten milliseconds. */
  tick(nowMs: number): void {
    this.flush();
    for (const entry of this.waiting.values()) {
      if (nowMs - entry.since < this.patienceMs) break; // In order of arrival.
      if (entry.shown) continue;
      entry.shown = true;
      this.emit(entry.span, false);
    }
  }

  /** Resolves when every answer is here and every waiting span has left. */
  async drain(): Promise<void> {
    this.flush();
    if (this.inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.idle.push(resolve);
      });
    }
    for (const [id, entry] of this.waiting) {
      this.waiting.delete(id);
      this.emit(entry.span, true);
    }
  }

  /** Asks for the lines of what is batched. */
  flush(): void {
    const batch = this.batch;
    // Also for nothing when something was recalled: with every question the resolver looks whether the files are still the same.
    if ((batch.length === 0 && !this.recalled) || this.resolver === undefined) return;
    this.batch = [];
    this.recalled = false;
    this.inFlight += 1;
    this.resolver
      .resolve(batch)
      .catch((error: unknown): readonly Attributes[] => {
        // The resolver has told the user already; the spans go on without lines and say why.
        const reason = error instanceof Error ? error.message : String(error);
        return batch.map(() => ({ [ATTR.sourceUnknown]: `symbols-failed: ${reason}` }));
      })
      .then((answers) => {
        for (const [index, sample] of batch.entries()) this.answer(sample.id, answers[index] ?? {});
      })
      .finally(() => {
        this.inFlight -= 1;
        if (this.inFlight === 0) {
          for (const resolve of this.idle) resolve();
          this.idle = [];
        }
      })
      .catch(() => undefined); // answer() does not throw; without this line a bug there would end the agent.
  }

  private answer(id: bigint, attributes: Attributes): void {
    if (!this.asked.delete(id)) return; // Forgotten meanwhile, or not waited for.
    if (attributes[ATTR.sourceUnknown] === STACK_LOST) this.lost += 1;
    const entry = this.waiting.get(id);
    if (entry === undefined) {
      this.known.set(id, attributes);
      return;
    }
    this.waiting.delete(id);
    entry.span.add(attributes);
    this.emit(entry.span, true);
  }
}
