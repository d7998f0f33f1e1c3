/**
 * Where "now" is on the trace's time axis while a program runs. Data comes in batches; a view that followed the last end would jerk, so the
 * edge moves with the wall clock, held back by the delay that batches have been seen to need.
 */
export class LiveClock {
  /** Largest seen (trace time − wall time), ns. */
  private offset = -Infinity;
  private shown = -Infinity;

  /** `edge`: last known end in the trace, ns; `nowMs`: wall clock. */
  observe(edge: number, nowMs: number): void {
    const offset = edge - nowMs * 1e6;
    if (offset > this.offset) this.offset = offset;
  }

  /** Trace time to put at the right edge: never moves backwards, -Infinity before the first observation. */
  now(nowMs: number): number {
    this.shown = Math.max(this.shown, this.offset + nowMs * 1e6);
    return this.shown;
  }

  reset(): void {
    this.offset = -Infinity;
    this.shown = -Infinity;
  }
}
