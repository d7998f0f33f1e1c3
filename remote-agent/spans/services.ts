import type { Span } from '../../common/model/span';
import type { KernelSpan } from './kernelSpan';

/** A span that is not final may change until it is delivered again. */
export interface Delivery {
  readonly span: Span;
  readonly final: boolean;
}

interface Held {
  readonly span: KernelSpan;
  readonly since: number;
}

const MAX_HELD = 20_000;

/**
 * Names the service of kernel spans: that of the program they ran in. It is learnt from the first user span of the process; until
 * then its kernel spans are shown under the process' name, and become final when the name is known, or after a while. A process of
 * which nothing was learnt in that while has a name: later spans of it are final at once, and are not sent twice.
 */
export class Services {
  private readonly byPid = new Map<number, string>();
  /** Processes that were waited for in vain. */
  private readonly nameless = new Set<number>();
  private readonly held = new Map<number, Held[]>();
  private heldCount = 0;

  constructor(
    private readonly emit: (delivery: Delivery) => void,
    private readonly patienceMs = 3000,
  ) {}

  /** `pid` reported a user span under this service name. */
  learn(pid: number, service: string): void {
    if (this.byPid.get(pid) === service) return;
    this.byPid.set(pid, service);
    this.nameless.delete(pid);
    this.release(pid, service);
  }

  /** `final`: it will not come again. */
  kernel(span: KernelSpan, final: boolean, nowMs: number): void {
    const { pid } = span;
    const service = this.byPid.get(pid);
    if (service !== undefined) span.service = service;
    if (service !== undefined || !final || this.nameless.has(pid) || this.heldCount >= MAX_HELD) {
      this.emit({ span, final });
      return;
    }
    this.emit({ span, final: false });
    const list = this.held.get(pid);
    if (list === undefined) this.held.set(pid, [{ span, since: nowMs }]);
    else list.push({ span, since: nowMs });
    this.heldCount += 1;
  }

  /** The name of a process whose spans nobody reports stays its own. */
  tick(nowMs: number): void {
    for (const [pid, list] of this.held) {
      let due = 0;
      while (due < list.length && nowMs - (list[due]?.since ?? nowMs) >= this.patienceMs) due += 1;
      for (const { span } of list.splice(0, due)) this.emit({ span, final: true });
      this.heldCount -= due;
      if (due > 0) this.nameless.add(pid);
      if (list.length === 0) this.held.delete(pid);
    }
  }

  finish(): void {
    for (const pid of [...this.held.keys()]) this.release(pid, undefined);
  }

  private release(pid: number, service: string | undefined): void {
    const list = this.held.get(pid) ?? [];
    this.held.delete(pid);
    this.heldCount -= list.length;
    for (const { span } of list) {
      span.service = service ?? span.service;
      this.emit({ span, final: true });
    }
  }
}
