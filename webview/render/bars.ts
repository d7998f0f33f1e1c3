/** Draws the spans of one row: bars, columns for what is too small, events as ticks. */
import { SPAN_FLAG } from '../../common/view/flags';
import { formatCount, formatDuration } from '../../common/view/format';
import { MIXED, type TrackVisitor } from '../layout/track';
import type { Row } from '../layout/rows';
import { FIRST_CLASS, FIRST_SERVICE, SERVICE_COLOURS, type DrawList } from './draw-list';
import type { HitMap } from './hit-map';
import { drawParts } from './parts';
import type { TimeScale } from './scale';
import type { Scene } from './scene';

/** Narrower bars are merged with their neighbours into columns of whole pixels. */
const SMALL = 2.5;
/** Wider gaps separate groups of small spans. */
const GAP = 1.5;
const LABEL_FROM = 26;
const DIMMED = 0.22;

/** Colour of a span: by class for system calls, by service for user spans. */
export function paintOf(scene: Pick<Scene, 'table'>, i: number): number {
  const { table } = scene;
  if (table.has(i, SPAN_FLAG.kernel)) return FIRST_CLASS + (table.category[i] as number);
  return FIRST_SERVICE + (serviceRank(table.service[i] as number) % SERVICE_COLOURS);
}

/** Services get colours in the order in which their names were first sent. */
const ranks = new Map<number, number>();
function serviceRank(service: number): number {
  let rank = ranks.get(service);
  if (rank === undefined) ranks.set(service, (rank = ranks.size));
  return rank;
}

export function forgetServices(): void {
  ranks.clear();
}

export class BarDrawer implements TrackVisitor {
  private top = 0;
  private height = 0;
  // The group of small neighbours being gathered; groupCount 0: none.
  private groupX0 = 0;
  private groupX1 = 0;
  private groupFirst = 0;
  private groupLast = 0;
  private groupCount = 0;
  private groupName = MIXED;
  // Its last column of pixels.
  private columnX = 0;
  private columnW = 0;
  private columnLongest = -1;
  private columnFlags = 0;
  // Columns of one colour side by side, not yet drawn.
  private runX = 0;
  private runW = 0;
  private runPaint = -1;
  private runFlags = 0;
  private runAlpha = 1;

  constructor(
    private readonly scene: Scene,
    private readonly scale: TimeScale,
    private readonly list: DrawList,
    private readonly hits: HitMap,
  ) {}

  /** Draws a row whose bars fill `top…top+height`. */
  draw(row: Row, top: number, height: number): void {
    this.top = top;
    this.height = height;
    const { window } = this.scene;
    const { pixel } = this.scale;
    row.track.visit(window.from - pixel * 2, window.to + pixel * 2, pixel, this);
    this.endGroup();
  }

  span(position: number, i: number, start: number, end: number): void {
    const open = end === Infinity;
    const x0 = this.scale.x(start);
    const x1 = this.scale.x(open ? Math.max(this.scene.edge, start) : end);
    if (x1 - x0 < SMALL && !open) {
      this.small(
        position,
        position,
        x0,
        x1,
        i,
        this.scene.table.flags[i] as number,
        this.scene.table.name[i] as number,
      );
      return;
    }
    this.endGroup();
    this.bar(position, i, x0, x1, open);
  }

  block(
    first: number,
    last: number,
    start: number,
    end: number,
    longest: number,
    flags: number,
    name: number,
  ): void {
    this.small(first, last, this.scale.x(start), this.scale.x(end), longest, flags, name);
  }

  private alphaOf(i: number): number {
    return this.scene.highlight && !this.scene.highlight(i) ? DIMMED : 1;
  }

  private bar(position: number, i: number, fullX0: number, fullX1: number, open: boolean): void {
    const { table } = this.scene;
    const { list, top: y, height: h } = this;
    const left = this.scale.left;
    const right = left + this.scale.width;
    const x0 = Math.max(fullX0, left - 4);
    const x1 = Math.min(Math.max(fullX1, fullX0 + 3), right + 4);
    const w = x1 - x0;
    if (w <= 0) return;
    const alpha = this.alphaOf(i);
    this.hits.item(Math.max(x0, left), Math.min(x1, right), position, position);
    const flags = table.flags[i] as number;
    const paint = paintOf(this.scene, i);
    if (flags & SPAN_FLAG.placeholder) list.add('dashes', 'placeholder', x0, y, w, h, undefined, alpha);
    else list.add('fill', paint, x0, y, Math.max(1, w - (w > 6 ? 0.6 : 0)), h, undefined, alpha);
    if (flags & SPAN_FLAG.lost) list.add('hatch', 'lost', x0, y, w, h, undefined, 0.55 * alpha);
    const strip = drawParts(list, this.scale, table, i, { x0, x1, y }, alpha);
    let textX = Math.max(x0, left) + 5;
    if (flags & SPAN_FLAG.error) {
      list.add('fill', 'error', x0, y, Math.min(3, w), h, undefined, alpha);
      if (w >= 20) {
        list.add('errorMark', 'error', textX, y, h, h, undefined, alpha);
        textX += Math.min(h - 4, 11) + 4;
      }
    }
    if (open && w >= 14 && fullX1 <= right + 4) list.add('openEnd', paint, x0, y, w, h, undefined, alpha);
    const room = Math.min(x1, right) - textX - (open ? 16 : 4);
    if (room >= LABEL_FROM - 9) {
      const placeholder = (flags & SPAN_FLAG.placeholder) !== 0;
      list.add(
        placeholder ? 'text' : 'textOn',
        placeholder ? 'dim' : paint,
        textX,
        y + strip / 2,
        room,
        h - strip / 2,
        this.barText(i, room),
        alpha,
      );
    }
    if (w >= 6) this.ticks(i, x0, x1, alpha);
  }

  /** Name, what it works on, and the duration where there is plenty of room. */
  private barText(i: number, room: number): string {
    const { table } = this.scene;
    const name = table.nameOf(i);
    const detail = table.text(table.detail[i] as number);
    const text = detail === '' ? name : `${name} ${detail}`;
    const duration = table.duration[i] as number;
    return room > text.length * 7 + 70 && !Number.isNaN(duration)
      ? `${text}  ${formatDuration(duration)}`
      : text;
  }

  /** One tick a pixel at most. Events are in order of time, so a pixel's rest is skipped by bisection. */
  private ticks(i: number, x0: number, x1: number, alpha: number): void {
    const { table, window } = this.scene;
    const count = table.eventCount[i] as number;
    if (count === 0) return;
    const first = table.eventFirst[i] as number;
    const times = table.eventTime;
    const until = first + count;
    const tall = Math.max(4, Math.round(this.height * 0.36));
    let at = lowerBound(times, first, until, window.from);
    while (at < until) {
      const x = Math.floor(this.scale.x(times[at] as number));
      if (x > this.scale.left + this.scale.width) break;
      if (x >= x0 - 1 && x <= x1 + 1) {
        this.list.add('fill', 'event', x, this.top + this.height - tall, 1, tall, undefined, 0.8 * alpha);
      }
      at = lowerBound(times, at + 1, until, this.scale.time(x + 1.5));
    }
  }

  private small(
    first: number,
    last: number,
    x0: number,
    x1: number,
    longest: number,
    flags: number,
    name: number,
  ): void {
    if (x1 < this.scale.left - 1) return;
    if (this.groupCount > 0 && x0 - this.groupX1 > GAP) this.endGroup();
    const x = Math.floor(x0);
    if (this.groupCount === 0) {
      this.groupX0 = x;
      this.groupX1 = x1;
      this.groupFirst = first;
      this.groupName = name;
    } else if (this.groupName !== name) {
      this.groupName = MIXED;
    }
    this.groupLast = last;
    this.groupCount += last - first + 1;
    this.groupX1 = Math.max(this.groupX1, x1, x + 1);
    const w = Math.max(1, Math.ceil(x1) - x);
    if (this.columnLongest >= 0 && x < this.columnX + this.columnW) {
      const { table } = this.scene;
      // The longest span gives a pixel its colour: what matters is not hidden by what is many.
      if ((table.duration[longest] as number) > (table.duration[this.columnLongest] as number))
        this.columnLongest = longest;
      this.columnW = Math.max(this.columnW, x + w - this.columnX);
      this.columnFlags |= flags;
      return;
    }
    this.endColumn();
    this.columnX = x;
    this.columnW = w;
    this.columnLongest = longest;
    this.columnFlags = flags;
  }

  private endColumn(): void {
    if (this.columnLongest < 0) return;
    const paint = paintOf(this.scene, this.columnLongest);
    const flags = this.columnFlags & (SPAN_FLAG.error | SPAN_FLAG.lost);
    const alpha = this.alphaOf(this.columnLongest);
    if (
      this.runPaint === paint &&
      this.runFlags === flags &&
      this.runAlpha === alpha &&
      this.columnX <= this.runX + this.runW
    ) {
      this.runW = this.columnX + this.columnW - this.runX;
    } else {
      this.endRun();
      this.runX = this.columnX;
      this.runW = this.columnW;
      this.runPaint = paint;
      this.runFlags = flags;
      this.runAlpha = alpha;
    }
    this.columnLongest = -1;
  }

  private endRun(): void {
    if (this.runPaint < 0) return;
    const { list, top, height, runX: x, runW: w, runAlpha: alpha } = this;
    // Half a pixel of air keeps a dense row from looking like one solid span.
    list.add('fill', this.runPaint, x, top, w, height, undefined, alpha * 0.92);
    if (this.runFlags & SPAN_FLAG.lost) list.add('hatch', 'lost', x, top, w, height, undefined, 0.55 * alpha);
    if (this.runFlags & SPAN_FLAG.error)
      list.add('fill', 'error', x, top, Math.max(2, w), 4, undefined, alpha);
    this.runPaint = -1;
  }

  private endGroup(): void {
    this.endColumn();
    this.endRun();
    if (this.groupCount === 0) return;
    const x0 = Math.max(this.groupX0, this.scale.left);
    const x1 = Math.min(this.groupX1, this.scale.left + this.scale.width);
    this.hits.item(x0, x1, this.groupFirst, this.groupLast);
    if (this.groupCount > 1 && x1 - x0 >= 64) {
      const name = this.groupName === MIXED ? '' : this.scene.table.text(this.groupName);
      this.list.add(
        'pill',
        'plate',
        x0,
        this.top,
        x1 - x0,
        this.height,
        `${name} ×${formatCount(this.groupCount)}`.trim(),
      );
    }
    this.groupCount = 0;
  }
}

/** First position in [low, high) of an ascending array whose value is at or after `value`. */
export function lowerBound(values: ArrayLike<number>, low: number, high: number, value: number): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
