/**
 * How long after an event something happened to it, as a histogram: eight buckets for each doubling, so that a quantile is at most a
 * tenth too high, however many values there were.
 */
export class Lag {
  private readonly buckets = new Uint32Array(8 * 24);
  private count = 0;

  /** `atNs`: the event's time, since the epoch; `nowMs`: the same clock now. */
  record(atNs: bigint, nowMs: number): void {
    const ms = nowMs - Number(atNs / 1000n) / 1000;
    const bucket = ms <= 1 ? 0 : Math.min(this.buckets.length - 1, Math.ceil(8 * Math.log2(ms)));
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.count += 1;
  }

  /** Upper edge, in milliseconds, of the bucket below which the fraction `p` of the values lies. 0 without values. */
  quantile(p: number): number {
    let below = 0;
    for (const [bucket, n] of this.buckets.entries()) {
      below += n;
      if (n > 0 && below >= p * this.count) return 2 ** (bucket / 8);
    }
    return 0;
  }

  toString(): string {
    const [p50, p99] = [this.quantile(0.5), this.quantile(0.99)].map((ms) => ms.toFixed(0));
    return `p50 ${p50 ?? ''} ms, p99 ${p99 ?? ''} ms`;
  }
}
