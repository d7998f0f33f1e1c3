import { run, type Run } from '../base/run';
import { parseClock } from '../symbols/clock';

/**
 * How far LTTng's idea of the epoch may be from the user's clock. LTTng timestamps are CLOCK_MONOTONIC plus an offset that is
 * measured once, when the session is created; user spans carry CLOCK_REALTIME. The helper measures the true offset with a bound.
 *
 *   error ≤ |offset of the trace − measured offset| + bound of the measurement
 *
 * Timestamps are never shifted: the error is shown instead (docs/clocks.md).
 */
export class ClockCheck {
  private traceOffsetNs: bigint | undefined;
  /** Largest error seen, ns; 0 while nothing could be measured. */
  errorNs = 0;

  constructor(
    private readonly helper: string,
    private readonly exec: Run = run,
  ) {}

  /** From the trace's metadata: offset of its clock from the epoch. */
  setTraceOffset(offsetNs: bigint): boolean {
    const first = this.traceOffsetNs === undefined;
    this.traceOffsetNs = offsetNs;
    return first;
  }

  /** Measures once more; the error only grows (the clock may have been adjusted meanwhile). */
  async measure(): Promise<void> {
    if (this.traceOffsetNs === undefined) return;
    const result = await this.exec(this.helper, ['--clock'], { timeoutMs: 10_000 });
    const measured = result.code === 0 ? parseClock(result.stdout.trim()) : undefined;
    if (measured === undefined) return;
    const residual = this.traceOffsetNs - measured.offsetNs;
    const error = Number(residual < 0n ? -residual : residual) + measured.boundNs;
    if (error > this.errorNs) this.errorNs = Math.ceil(error);
  }
}
