import { ATTR, type Attributes, type Span } from '../../common/model/span';
import { recordedStack, STACK_LOST } from '../symbols/callSites';
import { AttributeList, AttributeShapes } from './attributes';
import type { KernelOutput, Mapping } from './output';

/** What this stage needs of the symbolizer; see remote-agent/symbols. Calls take effect in the order of calling. */
export interface StackResolver {
  mapping(pid: number, mapping: Mapping): void;
  exec(pid: number): void;
  /** Same length and order as the samples, whose bytes are `skua_stack` as recorded: what to add to each span. */
  resolve(
    samples: readonly { readonly pid: number; readonly bytes: Uint8Array }[],
  ): Promise<readonly Attributes[]>;
}

export interface SpanOfProcess {
  readonly span: Span;
  readonly pid: number;
  readonly final: boolean;
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
    { readonly item: SpanOfProcess; readonly since: number; shown: boolean }
  >();
  private readonly shapes = new AttributeShapes();
  private inFlight = 0;
  private idle: (() => void)[] = [];
  /** Spans that did not get their stack, because too many answers were pending. */
  skipped = 0;
  /** Spans whose stack was recorded with an earlier call, and lost there. */
  lost = 0;

  constructor(
    private readonly resolver: StackResolver | undefined,
    private readonly emit: (item: SpanOfProcess) => void,
    private readonly patienceMs = 50,
  ) {}

  accept(output: Exclude<KernelOutput, { kind: 'user-event' }>, nowMs: number): void {
    switch (output.kind) {
      case 'sample':
        if (this.resolver === undefined) return;
        if (this.asked.size + this.known.size >= MAX_PENDING) {
          this.skipped += 1;
          // Other calls will refer to a definition; it is symbolized, only this span does not wait for it.
          if (recordedStack(output.stack).kind !== 'definition') return;
        } else {
          this.asked.add(output.id);
        }
        this.batch.push({ id: output.id, pid: output.pid, bytes: output.stack });
        if (this.batch.length >= BATCH) this.flush();
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

  private span(output: KernelOutput & { kind: 'span' }, nowMs: number): void {
    const known = this.known.get(output.id);
    if (known !== undefined || !this.asked.has(output.id)) {
      if (output.final) this.known.delete(output.id);
      this.emit({ span: this.withAttributes(output.span, known), pid: output.pid, final: output.final });
    } else if (output.final) {
      this.waiting.set(output.id, { item: output, since: nowMs, shown: false });
    } else {
      this.emit(output);
    }
  }

  /** Sends what is batched, and shows spans whose lines are late. To be called every some ten milliseconds. */
  tick(nowMs: number): void {
    this.flush();
    for (const entry of this.waiting.values()) {
      if (nowMs - entry.since < this.patienceMs) break; // In order of arrival.
      if (entry.shown) continue;
      entry.shown = true;
      this.emit({ ...entry.item, final: false });
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
      this.emit(entry.item);
    }
  }

  /** Asks for the lines of what is batched. */
  flush(): void {
    const batch = this.batch;
    if (batch.length === 0 || this.resolver === undefined) return;
    this.batch = [];
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
    this.emit({ ...entry.item, span: this.withAttributes(entry.item.span, attributes), final: true });
  }

  private withAttributes(span: Span, attributes: Attributes | undefined): Span {
    if (attributes === undefined) return span;
    const all = new AttributeList();
    all.addAll(span.attributes);
    all.addAll(attributes);
    return { ...span, attributes: this.shapes.build(span.name, all) };
  }
}
