import type { TimeWindow } from '../view/viewport';

/** Time ↔ horizontal place. */
export class TimeScale {
  readonly pxPerNs: number;

  constructor(
    readonly window: TimeWindow,
    readonly left: number,
    readonly width: number,
  ) {
    this.pxPerNs = width / (window.to - window.from);
  }

  /** ns of one px. */
  get pixel(): number {
    return 1 / this.pxPerNs;
  }

  x(time: number): number {
    return this.left + (time - this.window.from) * this.pxPerNs;
  }

  time(x: number): number {
    return this.window.from + (x - this.left) / this.pxPerNs;
  }
}
