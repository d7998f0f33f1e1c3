import type { LostStretch } from '../../common/model/loss';

const MAX_STRETCHES = 256;

/**
 * Where in time events were lost. Stretches that touch are one; when there are too many, the two that are nearest to each other
 * become one, with the gap between them: the picture gets coarser, the sum stays exact.
 */
export class LostStretches {
  /** In order of time, none touching another. */
  private stretches: LostStretch[] = [];

  constructor(private readonly limit = MAX_STRETCHES) {}

  get list(): readonly LostStretch[] {
    return this.stretches;
  }

  /** `events` is 0 when their number is not known. */
  add(startNs: bigint, endNs: bigint, events: number): void {
    // New ones nearly always belong to the end: looked for from there.
    let at = this.stretches.length;
    while (at > 0 && (this.stretches[at - 1] as LostStretch).endNs >= startNs) at -= 1;
    let after = at;
    let joined: LostStretch = { startNs, endNs, events };
    for (; after < this.stretches.length; after += 1) {
      const next = this.stretches[after] as LostStretch;
      if (next.startNs > joined.endNs) break;
      joined = join(joined, next);
    }
    this.stretches.splice(at, after - at, joined);
    if (this.stretches.length > this.limit) this.coarsen();
  }

  private coarsen(): void {
    let nearest = 1;
    for (let i = 2; i < this.stretches.length; i += 1) if (this.gap(i) < this.gap(nearest)) nearest = i;
    const [before, after] = this.stretches.slice(nearest - 1, nearest + 1) as [LostStretch, LostStretch];
    this.stretches.splice(nearest - 1, 2, join(before, after));
  }

  /** Between the stretch at `i` and the one before it. */
  private gap(i: number): bigint {
    return (this.stretches[i] as LostStretch).startNs - (this.stretches[i - 1] as LostStretch).endNs;
  }
}

function join(a: LostStretch, b: LostStretch): LostStretch {
  return {
    startNs: a.startNs < b.startNs ? a.startNs : b.startNs,
    endNs: a.endNs > b.endNs ? a.endNs : b.endNs,
    events: a.events + b.events,
  };
}
