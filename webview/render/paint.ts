/** Paints a draw list on a 2D canvas. */
import { OPS, type DrawList, type Op } from './draw-list';
import type { Theme } from './theme';

const CODE = Object.fromEntries(OPS.map((op, code) => [op, code])) as Readonly<Record<Op, number>>;

/** Widths of characters in one font, measured once each: cutting texts must not call measureText thousands of times a frame. */
class CharWidths {
  private readonly widths = new Map<string, number>();

  constructor(private readonly context: CanvasRenderingContext2D) {}

  of(char: string): number {
    let width = this.widths.get(char);
    if (width === undefined) {
      width = this.context.measureText(char).width;
      this.widths.set(char, width);
    }
    return width;
  }
}

export class Painter {
  private readonly fonts = new Map<string, CharWidths>();
  private readonly hatches = new Map<string, CanvasPattern | null>();
  private font = '';
  /** Where the last text ended. */
  private textEnd = 0;

  constructor(
    private readonly context: CanvasRenderingContext2D,
    private theme: Theme,
  ) {}

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.fonts.clear();
    this.hatches.clear();
  }

  /** `ratio`: device px per CSS px. */
  paint(list: DrawList, ratio: number): void {
    const c = this.context;
    const { theme } = this;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.textBaseline = 'middle';
    c.lineWidth = 1;
    this.font = '';
    let alpha = -1;
    for (let i = 0; i < list.length; i++) {
      const op = list.op[i] as number;
      const paint = list.paint[i] as number;
      const x = list.box[i * 4] as number;
      const y = list.box[i * 4 + 1] as number;
      const w = list.box[i * 4 + 2] as number;
      const h = list.box[i * 4 + 3] as number;
      if (list.alpha[i] !== alpha) {
        alpha = list.alpha[i] as number;
        c.globalAlpha = alpha / 255;
      }
      const colour = theme.fill[paint] as string;
      switch (op) {
        case CODE.fill:
          c.fillStyle = colour;
          c.fillRect(x, y, w, h);
          if (theme.outline[paint] && w >= 3) {
            c.strokeStyle = theme.outline[paint];
            c.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
          }
          break;
        case CODE.frame:
          c.strokeStyle = colour;
          c.lineWidth = 2;
          c.strokeRect(x + 1, y + 1, Math.max(1, w - 2), h - 2);
          c.lineWidth = 1;
          break;
        case CODE.dashes:
          c.strokeStyle = colour;
          c.setLineDash([4, 3]);
          c.strokeRect(x + 0.5, y + 0.5, Math.max(1, w - 1), h - 1);
          c.setLineDash([]);
          break;
        case CODE.hatch:
          c.fillStyle = this.hatch(colour) ?? colour;
          c.fillRect(x, y, w, h);
          break;
        case CODE.text:
          this.text(this.plain, colour, list.texts.get(i) ?? '', x, y + h / 2, w, false);
          break;
        case CODE.textBold:
          this.text(this.bold, colour, list.texts.get(i) ?? '', x, y + h / 2, w, false);
          break;
        case CODE.textAfter: {
          const from = Math.max(x, this.textEnd + 6);
          if (x + w - from > 24)
            this.text(this.plain, colour, list.texts.get(i) ?? '', from, y + h / 2, x + w - from, false);
          break;
        }
        case CODE.textRight:
          this.text(this.plain, colour, list.texts.get(i) ?? '', x, y + h / 2, w, true);
          break;
        case CODE.textOn:
          this.text(this.plain, theme.on[paint] as string, list.texts.get(i) ?? '', x, y + h / 2, w, false);
          break;
        case CODE.pill:
          this.pill(list.texts.get(i) ?? '', x, y, w, h);
          break;
        case CODE.twistyOpen:
        case CODE.twistyClosed:
          this.twisty(colour, x, y, w, h, op === CODE.twistyOpen);
          break;
        case CODE.errorMark:
          this.errorMark(x, y, h);
          break;
        case CODE.openEnd:
          this.openEnd(theme.on[paint] as string, x, y, w, h);
          break;
        case CODE.flag:
          c.fillStyle = colour;
          c.beginPath();
          c.moveTo(x, y);
          c.lineTo(x + w, y + h / 4);
          c.lineTo(x, y + h / 2);
          c.closePath();
          c.fill();
          c.fillRect(x, y, 1, h);
          break;
        case CODE.clip:
          c.save();
          c.beginPath();
          c.rect(x, y, w, h);
          c.clip();
          this.font = '';
          break;
        case CODE.unclip:
          c.restore();
          c.globalAlpha = 1;
          alpha = 255;
          this.font = '';
          break;
      }
    }
    c.globalAlpha = 1;
  }

  private get plain(): string {
    return `${this.theme.fontSize}px ${this.theme.font}`;
  }

  private get bold(): string {
    return `600 ${this.theme.fontSize}px ${this.theme.font}`;
  }

  private widths(font: string): CharWidths {
    if (font !== this.font) {
      this.context.font = font;
      this.font = font;
    }
    let widths = this.fonts.get(font);
    if (!widths) this.fonts.set(font, (widths = new CharWidths(this.context)));
    return widths;
  }

  private text(
    font: string,
    colour: string,
    text: string,
    x: number,
    middle: number,
    room: number,
    right: boolean,
  ): void {
    const fitted = fit(text, room, this.widths(font));
    if (fitted.text === '') return;
    this.context.fillStyle = colour;
    const start = right ? x + room - fitted.width : x;
    this.context.fillText(fitted.text, start, Math.round(middle) + 0.5);
    this.textEnd = start + fitted.width;
  }

  private pill(text: string, x: number, y: number, w: number, h: number): void {
    const { context: c, theme } = this;
    const fitted = fit(text, w - 14, this.widths(this.plain));
    if (fitted.text === '') return;
    const width = fitted.width + 8;
    const left = x + (w - width) / 2;
    c.fillStyle = theme.fill[0] as string;
    c.globalAlpha = 0.82;
    c.beginPath();
    c.roundRect(left, y + 1, width, h - 2, 3);
    c.fill();
    c.globalAlpha = 1;
    c.fillStyle = theme.fill[4] as string;
    c.fillText(fitted.text, left + 4, Math.round(y + h / 2) + 0.5);
  }

  private twisty(colour: string, x: number, y: number, w: number, h: number, open: boolean): void {
    const { context: c } = this;
    const cx = x + w / 2;
    const cy = y + h / 2;
    c.strokeStyle = colour;
    c.lineWidth = 1.3;
    c.beginPath();
    if (open) {
      c.moveTo(cx - 4, cy - 2);
      c.lineTo(cx, cy + 2.5);
      c.lineTo(cx + 4, cy - 2);
    } else {
      c.moveTo(cx - 2, cy - 4);
      c.lineTo(cx + 2.5, cy);
      c.lineTo(cx - 2, cy + 4);
    }
    c.stroke();
    c.lineWidth = 1;
  }

  /** A cross on a plate: an error is seen without its colour. */
  private errorMark(x: number, y: number, h: number): void {
    const { context: c, theme } = this;
    const size = Math.min(h - 4, 11);
    const top = y + (h - size) / 2;
    c.fillStyle = theme.fill[12] as string;
    c.fillRect(x, top, size, size);
    c.strokeStyle = '#ffffff';
    c.lineWidth = 1.6;
    c.beginPath();
    c.moveTo(x + 3, top + 3);
    c.lineTo(x + size - 3, top + size - 3);
    c.moveTo(x + size - 3, top + 3);
    c.lineTo(x + 3, top + size - 3);
    c.stroke();
    c.lineWidth = 1;
  }

  private openEnd(colour: string, x: number, y: number, w: number, h: number): void {
    const { context: c } = this;
    c.strokeStyle = colour;
    c.lineWidth = 1.5;
    c.beginPath();
    for (let at = x + w - 12; at < x + w - 3; at += 5) {
      c.moveTo(at, y + 4);
      c.lineTo(at + 4, y + h / 2);
      c.lineTo(at, y + h - 4);
    }
    c.stroke();
    c.lineWidth = 1;
  }

  private hatch(colour: string): CanvasPattern | null {
    let pattern = this.hatches.get(colour);
    if (pattern === undefined) {
      const tile = document.createElement('canvas');
      tile.width = tile.height = 8;
      const c = tile.getContext('2d');
      if (c) {
        c.strokeStyle = colour;
        c.lineWidth = 2;
        c.beginPath();
        for (const offset of [-8, 0, 8]) {
          c.moveTo(offset, 8);
          c.lineTo(offset + 8, 0);
        }
        c.stroke();
      }
      pattern = this.context.createPattern(tile, 'repeat');
      this.hatches.set(colour, pattern);
    }
    return pattern;
  }
}

/** Cuts a text to a width, with an ellipsis; '' when not even two characters fit. */
function fit(
  text: string,
  room: number,
  widths: CharWidths,
): { readonly text: string; readonly width: number } {
  let width = 0;
  const ellipsis = widths.of('…');
  let cut = 0;
  let cutWidth = 0;
  let at = 0;
  for (const char of text) {
    width += widths.of(char);
    if (width > room)
      return cut < 2
        ? { text: '', width: 0 }
        : { text: `${text.slice(0, cut)}…`, width: cutWidth + ellipsis };
    at += char.length;
    if (width + ellipsis <= room) {
      cut = at;
      cutWidth = width;
    }
  }
  return { text, width };
}
