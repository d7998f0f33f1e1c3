/**
 * What a frame draws, as numbers: built by pure code, painted on a canvas (paint.ts) or written out as text (`drawLog`) so that tests
 * can look at frames without pixels.
 */
import { CATEGORY_NAMES } from '../../common/view/flags';

/** Kinds of drawing. x, y, w, h are CSS px. */
export const OPS = [
  'fill', // rectangle
  'frame', // rectangle's outline, inside
  'dashes', // dashed outline
  'hatch', // diagonal stripes
  'text', // at x, baseline in the middle of y…y+h, cut to w
  'textRight', // ending at x+w
  'textBold',
  'textAfter', // behind the text drawn before it, as far as x+w
  'textOn', // text on a bar of this paint
  'pill', // text on a small plate in the middle of the rectangle
  'twistyOpen',
  'twistyClosed',
  'errorMark', // glyph in a square at x, y
  'openEnd', // arrow heads at the right end of a bar
  'flag', // mark in the ruler
  'clip', // start of a clipped region
  'unclip',
] as const;
export type Op = (typeof OPS)[number];
const OP_CODE = Object.fromEntries(OPS.map((op, code) => [op, code])) as Readonly<Record<Op, number>>;

export const SERVICE_COLOURS = 8;

/** Colour roles; `theme.ts` gives each a colour. */
export const PAINTS = [
  'background',
  'ruler',
  'headRow',
  'labels',
  'text',
  'dim',
  'grid',
  'border',
  'hoverRow',
  'selectedRow',
  'selection',
  'range',
  'error',
  'warning',
  'lost',
  'event',
  'mark',
  'placeholder',
  'plate',
  'match',
  'live',
  'on-cpu',
  'runnable',
  'blocked',
  ...CATEGORY_NAMES.map((name) => `class-${name}` as const),
  ...Array.from({ length: SERVICE_COLOURS }, (_, i) => `service-${i}`),
] as const;
export type Paint = (typeof PAINTS)[number];
export const PAINT_CODE = Object.fromEntries(PAINTS.map((p, code) => [p, code])) as Readonly<
  Record<string, number>
>;
export const FIRST_CLASS = PAINT_CODE['class-user'] as number;
export const FIRST_SERVICE = PAINT_CODE['service-0'] as number;

const paintCode = (paint: Paint): number => PAINT_CODE[paint] as number;

export class DrawList {
  length = 0;
  op = new Uint8Array(4096);
  paint = new Uint16Array(4096);
  alpha = new Uint8Array(4096);
  box = new Float32Array(4096 * 4);
  readonly texts = new Map<number, string>();

  clear(): void {
    this.length = 0;
    this.texts.clear();
  }

  /** `alpha` 0…1. */
  add(
    op: Op,
    paint: Paint | number,
    x: number,
    y: number,
    w: number,
    h: number,
    text?: string,
    alpha = 1,
  ): void {
    if (this.length === this.op.length) this.grow();
    const at = this.length++;
    this.op[at] = OP_CODE[op];
    this.paint[at] = typeof paint === 'number' ? paint : paintCode(paint);
    this.alpha[at] = Math.round(alpha * 255);
    this.box[at * 4] = x;
    this.box[at * 4 + 1] = y;
    this.box[at * 4 + 2] = w;
    this.box[at * 4 + 3] = h;
    if (text !== undefined) this.texts.set(at, text);
  }

  private grow(): void {
    const capacity = this.op.length * 2;
    this.op = resized(this.op, capacity);
    this.paint = resized(this.paint, capacity);
    this.alpha = resized(this.alpha, capacity);
    this.box = resized(this.box, capacity * 4);
  }
}

function resized<T extends Uint8Array | Uint16Array | Float32Array>(array: T, length: number): T {
  const copy = new (array.constructor as new (n: number) => T)(length);
  copy.set(array);
  return copy;
}

/** One line per drawing: `fill class-file 120,24 30×14 "openat"`, in the order of painting. */
export function drawLog(list: DrawList): readonly string[] {
  const lines: string[] = [];
  const number = (at: number) => String(Math.round((list.box[at] as number) * 10) / 10);
  for (let i = 0; i < list.length; i++) {
    const op = OPS[list.op[i] as number] as Op;
    const paint = PAINTS[list.paint[i] as number] as Paint;
    const alpha = list.alpha[i] === 255 ? '' : ` α${((list.alpha[i] as number) / 255).toFixed(2)}`;
    const text = list.texts.get(i);
    lines.push(
      `${op} ${paint} ${number(i * 4)},${number(i * 4 + 1)} ${number(i * 4 + 2)}×${number(i * 4 + 3)}${alpha}` +
        (text === undefined ? '' : ` ${JSON.stringify(text)}`),
    );
  }
  return lines;
}
