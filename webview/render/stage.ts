/** The canvases: the frame itself, a layer above it for what follows the mouse, and the overview strip. */
import { el } from '../panels/dom';
import type { Overview } from '../view/overview';
import { OVERVIEW_BINS } from '../view/overview';
import type { TimeWindow } from '../view/viewport';
import { DrawList, OPS, PAINT_CODE } from './draw-list';
import { RULER_HEIGHT, buildFrame, scaleOf } from './frame';
import { HitMap } from './hit-map';
import { Painter } from './paint';
import type { Scene } from './scene';
import { publishColours, readTheme, type Theme } from './theme';

export const OVERVIEW_HEIGHT = 36;

export interface Pointer {
  readonly x: number;
  readonly y: number;
  /** Text at the pointer's place in the ruler. */
  readonly time: string;
}

export class Stage {
  readonly element: HTMLElement;
  readonly overviewElement: HTMLElement;
  readonly scroller: HTMLElement;
  readonly hits = new HitMap();
  readonly list = new DrawList();
  theme: Theme;
  width = 0;
  height = 0;
  private readonly spacer = el('div', { class: 'spacer-y' });
  private readonly canvas = el('canvas', { 'aria-hidden': 'true' }) as HTMLCanvasElement;
  private readonly layer = el('canvas', { 'aria-hidden': 'true' }) as HTMLCanvasElement;
  private readonly strip = el('canvas', { 'aria-hidden': 'true' }) as HTMLCanvasElement;
  private readonly bins = document.createElement('canvas');
  private binsKey = '';
  private readonly painter: Painter;
  private ratio = 1;
  private spacerHeight = -1;

  constructor(describedBy: string) {
    this.element = el('div', {
      class: 'stage',
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'timeline',
      'aria-label': 'Timeline of spans',
      'aria-describedby': describedBy,
    });
    this.element.append(this.canvas, this.layer);
    // Browsers let Tab stop at whatever scrolls; this is only a scroll bar.
    this.scroller = el('div', { class: 'scroller', tabindex: '-1', 'aria-hidden': 'true' }, this.spacer);
    this.overviewElement = el(
      'div',
      { class: 'overview', title: 'Whole trace: click or drag to move the view' },
      this.strip,
    );
    this.theme = currentTheme();
    this.painter = new Painter(context(this.canvas), this.theme);
  }

  readTheme(): void {
    this.theme = currentTheme();
    this.painter.setTheme(this.theme);
    this.binsKey = '';
  }

  /** Takes over the size the layout gives it. True when it changed. */
  measure(): boolean {
    const { clientWidth, clientHeight } = this.element;
    const ratio = window.devicePixelRatio || 1;
    if (clientWidth === this.width && clientHeight === this.height && ratio === this.ratio) return false;
    this.width = clientWidth;
    this.height = clientHeight;
    this.ratio = ratio;
    for (const canvas of [this.canvas, this.layer]) resize(canvas, clientWidth, clientHeight, ratio);
    resize(this.strip, this.overviewElement.clientWidth, OVERVIEW_HEIGHT, ratio);
    return true;
  }

  /** Height of all rows and the scroll position, for the native scroll bar. */
  setScroll(contentHeight: number, scrollY: number): void {
    const height = Math.round(contentHeight + RULER_HEIGHT);
    if (height !== this.spacerHeight) {
      this.spacer.style.height = `${height}px`;
      this.spacerHeight = height;
      this.scroller.classList.toggle('needed', height > this.height + 1);
    }
    if (Math.abs(this.scroller.scrollTop - scrollY) >= 1) this.scroller.scrollTop = scrollY;
  }

  draw(scene: Scene): void {
    buildFrame(scene, this.list, this.hits);
    this.painter.paint(this.list, this.ratio);
    this.noteSelection(scene);
  }

  /** Tells the outside (tests in a real editor, above all) where the selected span has been drawn: `[x, y, width, height]`. */
  private noteSelection(scene: Scene): void {
    const box = scene.selection.kind === 'span' ? selectionBox(this.list) : undefined;
    const text = box && JSON.stringify(box);
    if (text === this.element.dataset['selection']) return;
    if (text === undefined) delete this.element.dataset['selection'];
    else this.element.dataset['selection'] = text;
  }

  /** What follows the mouse: a line with its time, and the range being drawn. */
  drawLayer(scene: Scene, pointer: Pointer | undefined, drag: TimeWindow | undefined): void {
    const c = context(this.layer);
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    const scale = scaleOf(scene);
    if (drag) {
      c.fillStyle = this.colour('range');
      c.globalAlpha = 0.22;
      const x0 = Math.max(scale.left, scale.x(drag.from));
      c.fillRect(x0, 0, scale.x(drag.to) - x0, this.height);
      c.globalAlpha = 1;
    }
    if (!pointer || pointer.x < scene.labelWidth) return;
    c.fillStyle = this.colour('dim');
    c.globalAlpha = 0.5;
    c.fillRect(Math.round(pointer.x), RULER_HEIGHT, 1, this.height);
    c.globalAlpha = 1;
    c.font = `${this.theme.fontSize}px ${this.theme.font}`;
    const width = c.measureText(pointer.time).width + 10;
    const x = Math.min(Math.max(pointer.x - width / 2, scene.labelWidth), this.width - width);
    c.fillStyle = this.colour('text');
    c.beginPath();
    c.roundRect(x, 2, width, RULER_HEIGHT - 5, 3);
    c.fill();
    c.fillStyle = this.colour('background');
    c.textBaseline = 'middle';
    c.fillText(pointer.time, x + 5, RULER_HEIGHT / 2);
  }

  drawOverview(
    overview: Overview,
    extent: TimeWindow,
    view: TimeWindow,
    matchTimes: readonly number[],
  ): void {
    const c = context(this.strip);
    const width = this.strip.width / this.ratio;
    const h = OVERVIEW_HEIGHT;
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.fillStyle = this.colour('background');
    c.fillRect(0, 0, width, h);
    const px = width / (extent.to - extent.from);
    c.drawImage(this.binsImage(overview, extent, width), 0, 0, width, h);
    c.fillStyle = this.colour('mark');
    for (const time of matchTimes) c.fillRect((time - extent.from) * px, 0, 1, 4);
    const x0 = Math.max(0, (view.from - extent.from) * px);
    const x1 = Math.min(width, Math.max((view.to - extent.from) * px, x0 + 3));
    c.fillStyle = this.colour('background');
    c.globalAlpha = 0.6;
    c.fillRect(0, 0, x0, h);
    c.fillRect(x1, 0, width - x1, h);
    c.globalAlpha = 1;
    c.strokeStyle = this.colour('range');
    c.lineWidth = 1.5;
    c.strokeRect(x0 + 0.75, 0.75, Math.max(1.5, x1 - x0 - 1.5), h - 1.5);
    c.fillStyle = this.colour('border');
    c.fillRect(0, h - 1, width, 1);
  }

  /** The histogram, drawn again only when it has changed. */
  private binsImage(overview: Overview, extent: TimeWindow, width: number): HTMLCanvasElement {
    const key = [overview.version, extent.from, extent.to, width, this.ratio, this.theme.kind].join();
    if (key === this.binsKey) return this.bins;
    this.binsKey = key;
    resize(this.bins, width, OVERVIEW_HEIGHT, this.ratio);
    const c = context(this.bins);
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.drawBins(c, overview, extent, width / (extent.to - extent.from), width);
    return this.bins;
  }

  /** Height of a column: logarithm of the number of spans, so that a lone call is seen beside ten thousand. */
  private drawBins(
    c: CanvasRenderingContext2D,
    overview: Overview,
    extent: TimeWindow,
    px: number,
    width: number,
  ): void {
    const { origin, binNs } = overview.range;
    if (binNs === 0) return;
    const columns = Math.ceil(width / 2);
    const totals = [new Float64Array(columns), new Float64Array(columns), new Float64Array(columns)] as const;
    const sources = [overview.user, overview.kernel, overview.errors] as const;
    for (let bin = 0; bin < OVERVIEW_BINS; bin++) {
      const first = Math.floor(((origin + bin * binNs - extent.from) * px) / 2);
      const last = Math.max(first, Math.ceil(((origin + (bin + 1) * binNs - extent.from) * px) / 2) - 1);
      sources.forEach((source, s) => {
        const count = source[bin] as number;
        if (count === 0) return;
        const target = totals[s] as Float64Array;
        const share = count / (last - first + 1);
        for (let column = Math.max(0, first); column <= last && column < columns; column++) {
          target[column] = (target[column] as number) + share;
        }
      });
    }
    let most = 1;
    for (let column = 0; column < columns; column++) {
      most = Math.max(most, (totals[0][column] as number) + (totals[1][column] as number));
    }
    const height = (count: number) =>
      count <= 0 ? 0 : Math.max(2, (Math.log1p(count) / Math.log1p(most)) * (OVERVIEW_HEIGHT - 8));
    const base = OVERVIEW_HEIGHT - 2;
    for (let column = 0; column < columns; column++) {
      const all = height((totals[0][column] as number) + (totals[1][column] as number));
      if (all === 0) continue;
      c.fillStyle = this.colour('class-file');
      c.fillRect(column * 2, base - all, 2, all);
      if ((totals[2][column] as number) > 0) {
        c.fillStyle = this.colour('error');
        c.fillRect(column * 2, base - all, 2, 3);
      }
    }
  }

  private colour(paint: string): string {
    return this.theme.fill[PAINT_CODE[paint] ?? 0] ?? '#888888';
  }
}

/** Place of the frame around the selection; the last one drawn lies on top. */
function selectionBox(list: DrawList): readonly number[] | undefined {
  for (let i = list.length - 1; i >= 0; i--) {
    if (list.op[i] !== OPS.indexOf('frame') || list.paint[i] !== PAINT_CODE['selection']) continue;
    return Array.from(list.box.subarray(i * 4, i * 4 + 4), (n) => Math.round(n));
  }
  return undefined;
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext('2d', { alpha: true });
  if (!found) throw new Error('This editor has no 2D canvas.');
  return found;
}

function resize(canvas: HTMLCanvasElement, width: number, height: number, ratio: number): void {
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

/** The document's theme, its colours published to the style sheet. The body's style is not watched for changes of the theme. */
function currentTheme(): Theme {
  const theme = readTheme(document.documentElement);
  publishColours(theme, document.body);
  return theme;
}
