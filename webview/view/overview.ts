/**
 * How many spans start where, for the overview strip: a histogram with a fixed number of bins that doubles its range when the trace
 * outgrows it, so that adding a span never costs more than a few operations.
 */
export const OVERVIEW_BINS = 2048;

export class Overview {
  private origin = 0;
  private binNs = 0;
  readonly user = new Uint32Array(OVERVIEW_BINS);
  readonly kernel = new Uint32Array(OVERVIEW_BINS);
  readonly errors = new Uint32Array(OVERVIEW_BINS);
  /** Changes whenever the counts do. */
  version = 0;

  /** Start of bin 0 and width of a bin, ns; width 0 while empty. */
  get range(): { readonly origin: number; readonly binNs: number } {
    return { origin: this.origin, binNs: this.binNs };
  }

  add(start: number, kernel: boolean, error: boolean): void {
    if (!Number.isFinite(start)) return;
    this.version += 1;
    if (this.binNs === 0) {
      this.origin = start;
      this.binNs = 1000;
    }
    while (start >= this.origin + this.binNs * OVERVIEW_BINS) this.widen(false);
    while (start < this.origin) this.widen(true);
    const bin = Math.min(OVERVIEW_BINS - 1, Math.floor((start - this.origin) / this.binNs));
    const counts = kernel ? this.kernel : this.user;
    counts[bin] = (counts[bin] as number) + 1;
    if (error) this.errors[bin] = (this.errors[bin] as number) + 1;
  }

  clear(): void {
    this.version += 1;
    this.binNs = 0;
    for (const counts of [this.user, this.kernel, this.errors]) counts.fill(0);
  }

  /** Doubles the range, to the left or to the right: two bins become one. */
  private widen(left: boolean): void {
    const half = OVERVIEW_BINS / 2;
    for (const counts of [this.user, this.kernel, this.errors]) {
      const merged = new Uint32Array(OVERVIEW_BINS);
      const offset = left ? half : 0;
      for (let bin = 0; bin < half; bin++) {
        merged[offset + bin] = (counts[bin * 2] as number) + (counts[bin * 2 + 1] as number);
      }
      counts.set(merged);
    }
    if (left) this.origin -= this.binNs * OVERVIEW_BINS;
    this.binNs *= 2;
  }
}
