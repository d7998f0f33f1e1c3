import type { CtfItem } from '../../common/ctf/types';
import { ATTR, type Span } from '../../common/model/span';
import { KernelSpans, type UnfinishedReason } from './kernelSpans';
import type { KernelOutput } from './output';
import { Services, type Delivery } from './services';
import { SourceLines, type StackResolver } from './sourceLines';
import { UserSpans } from './userSpans';

const SHOW_OPEN_AFTER_NS = 100_000_000n;
/** Span ids that may come again: enough to tell a repeated report from a new span. */
const CLOCKED_PROCESSES = 1000;

/**
 * From kernel events and reported user spans to one merged trace.
 *
 *   CTF items ─► KernelSpans ─┬─► SourceLines ─► Services ─┐
 *                             └─► UserSpans ───────────────┼─► deliver
 *   reported user spans ─────────► UserSpans ──────────────┘
 */
export class SpanPipeline {
  readonly kernel: KernelSpans;
  readonly user: UserSpans;
  readonly lines: SourceLines;
  private readonly services: Services;
  private nowMs = 0;
  private lastEventNs = 0n;
  private readonly clocked = new Set<string>();

  constructor(
    deliver: (delivery: Delivery) => void,
    resolver: StackResolver | undefined,
    /** Upper bound of |kernel − user clock|, ns; shown on the first user span of each process. */
    private readonly clockErrorNs: () => number,
    /** Whether the session records SCHEDULING_TRACEPOINTS. */
    scheduling: boolean,
  ) {
    this.services = new Services(deliver);
    this.lines = new SourceLines(resolver, (span, final) => {
      this.services.kernel(span, final, this.nowMs);
    });
    this.user = new UserSpans(({ span, final, pid, reported }) => {
      if (reported && pid !== undefined) this.services.learn(pid, span.service);
      deliver({ span: reported && final ? this.withClockError(span, pid) : span, final });
    });
    this.kernel = new KernelSpans((output) => {
      this.route(output);
    }, scheduling);
  }

  /** Events and stacks that were left out because of a limit. */
  get leftOut(): { readonly spanEvents: number; readonly stacks: number } {
    return {
      spanEvents: this.kernel.counts.spanEvents + this.user.eventsDropped,
      stacks: this.lines.skipped,
    };
  }

  items(items: readonly CtfItem[], nowMs: number): void {
    this.nowMs = nowMs;
    for (const item of items) {
      if (item.kind === 'event' && item.timestampNs > this.lastEventNs) this.lastEventNs = item.timestampNs;
      this.kernel.item(item);
    }
    // Not at the next tick: that would be up to 40 ms later.
    this.lines.flush();
  }

  reported(spans: readonly Span[], nowMs: number): void {
    this.nowMs = nowMs;
    for (const span of spans) this.user.report(span, nowMs);
  }

  /** `kernelNowNs`: the kernel clock's time now, since the epoch; undefined while nothing was recorded. */
  tick(nowMs: number, kernelNowNs: bigint): void {
    this.nowMs = nowMs;
    this.kernel.showOpen(kernelNowNs, SHOW_OPEN_AFTER_NS);
    this.lines.tick(nowMs);
    this.user.tick(nowMs);
    this.services.tick(nowMs);
  }

  /** Delivers everything that is left. */
  async finish(reason: UnfinishedReason): Promise<void> {
    this.kernel.finish(reason);
    await this.lines.drain();
    this.user.finish('not-reported');
    this.services.finish();
  }

  private route(output: KernelOutput): void {
    if (output.kind === 'user-event') this.user.kernel(output.event, this.nowMs);
    else this.lines.accept(output, this.nowMs);
  }

  private withClockError(span: Span, pid: number | undefined): Span {
    const process = pid === undefined ? span.service : String(pid);
    if (this.clocked.has(process) || this.clocked.size >= CLOCKED_PROCESSES) return span;
    this.clocked.add(process);
    return { ...span, attributes: { ...span.attributes, [ATTR.clockErrorNs]: this.clockErrorNs() } };
  }
}
