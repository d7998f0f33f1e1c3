/**
 * The visible piece of the timeline: a window of time and a scroll position. The view moves towards a target (the last one wins), so
 * that a wheel or a held key is smooth at any event rate.
 */

export interface TimeWindow {
  /** ns since the epoch. */
  readonly from: number;
  readonly to: number;
}

/** Narrower than this nothing new appears: kernel timestamps are whole nanoseconds. */
export const MIN_WINDOW_NS = 20;
/** Time for an animation to cover about two thirds of its way. */
const EASE_MS = 45;
const HISTORY = 100;

export class Viewport {
  from = 0;
  to = 1e6;
  scrollY = 0;
  private targetFrom = 0;
  private targetTo = 1e6;
  private targetScroll = 0;
  private readonly back: TimeWindow[] = [];
  private readonly forward: TimeWindow[] = [];

  get window(): TimeWindow {
    return { from: this.from, to: this.to };
  }

  get target(): TimeWindow {
    return { from: this.targetFrom, to: this.targetTo };
  }

  get targetScrollY(): number {
    return this.targetScroll;
  }

  get moving(): boolean {
    return this.from !== this.targetFrom || this.to !== this.targetTo || this.scrollY !== this.targetScroll;
  }

  /** Sets where the view goes; `jump` goes there at once. Windows too narrow are widened around their middle. */
  setWindow(window: TimeWindow, jump: boolean): void {
    let { from, to } = window;
    if (!(to - from >= MIN_WINDOW_NS)) {
      const middle = (from + to) / 2;
      from = middle - MIN_WINDOW_NS / 2;
      to = middle + MIN_WINDOW_NS / 2;
    }
    this.targetFrom = from;
    this.targetTo = to;
    if (jump) {
      this.from = from;
      this.to = to;
    }
  }

  setScroll(y: number, jump: boolean): void {
    this.targetScroll = y;
    if (jump) this.scrollY = y;
  }

  /** Remembers where the view is (or goes), to come back to. */
  remember(): void {
    const last = this.back.at(-1);
    if (last && last.from === this.targetFrom && last.to === this.targetTo) return;
    this.back.push(this.target);
    if (this.back.length > HISTORY) this.back.shift();
    this.forward.length = 0;
  }

  /** Window before the last remembered change, undefined at the beginning. */
  goBack(): TimeWindow | undefined {
    return step(this.back, this.forward, this.target);
  }

  goForward(): TimeWindow | undefined {
    return step(this.forward, this.back, this.target);
  }

  /** Moves on by `ms` of animation; true while there is way to go. */
  advance(ms: number): boolean {
    if (!this.moving) return false;
    const part = 1 - Math.exp(-ms / EASE_MS);
    const near = (this.to - this.from) * 1e-4;
    this.from = approach(this.from, this.targetFrom, part, near);
    this.to = approach(this.to, this.targetTo, part, near);
    this.scrollY = approach(this.scrollY, this.targetScroll, part, 0.5);
    return this.moving;
  }
}

function step(source: TimeWindow[], sink: TimeWindow[], current: TimeWindow): TimeWindow | undefined {
  const found = source.pop();
  if (found) sink.push(current);
  return found;
}

function approach(at: number, target: number, part: number, near: number): number {
  const next = at + (target - at) * part;
  return Math.abs(target - next) <= near ? target : next;
}

/** Window scaled by `factor` (below 1 zooms in) so that `anchor` keeps its place on the screen. */
export function zoomed(window: TimeWindow, factor: number, anchor: number): TimeWindow {
  return { from: anchor - (anchor - window.from) * factor, to: anchor + (window.to - anchor) * factor };
}

export function panned(window: TimeWindow, by: number): TimeWindow {
  return { from: window.from + by, to: window.to + by };
}

/**
 * Keeps a window at something worth seeing: no wider than 1.2 times the extent, at least a tenth of it over data.
 */
export function clamped(window: TimeWindow, extent: TimeWindow): TimeWindow {
  const length = Math.max(extent.to - extent.from, MIN_WINDOW_NS);
  const width = Math.min(window.to - window.from, length * 1.2);
  let from = window.to - window.from > width ? (window.from + window.to - width) / 2 : window.from;
  const margin = width * 0.9;
  from = Math.min(Math.max(from, extent.from - margin), extent.to + margin - width);
  return { from, to: from + width };
}
