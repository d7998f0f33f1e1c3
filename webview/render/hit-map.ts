/** What was drawn where in the last frame: the answer to "what is under the mouse". */
import type { Row } from '../layout/rows';

export type Hit =
  | { readonly kind: 'label'; readonly row: Row; readonly twisty: boolean }
  | {
      readonly kind: 'span';
      readonly row: Row;
      readonly index: number;
      readonly x0: number;
      readonly x1: number;
      readonly y: number;
      readonly h: number;
    }
  /** Spans too small to be told apart: positions `first…last` of the row. */
  | {
      readonly kind: 'group';
      readonly row: Row;
      readonly first: number;
      readonly last: number;
      readonly x0: number;
      readonly x1: number;
      readonly y: number;
      readonly h: number;
    }
  | { readonly kind: 'row'; readonly row: Row };

interface DrawnRow {
  readonly row: Row;
  readonly top: number;
  readonly bottom: number;
  readonly firstItem: number;
  lastItem: number;
  readonly twistyEnd: number;
}

export class HitMap {
  private readonly rows: DrawnRow[] = [];
  private readonly x0: number[] = [];
  private readonly x1: number[] = [];
  private readonly first: number[] = [];
  private readonly last: number[] = [];
  labelWidth = 0;

  clear(labelWidth: number): void {
    this.labelWidth = labelWidth;
    for (const list of [this.rows, this.x0, this.x1, this.first, this.last]) list.length = 0;
  }

  /** Rows begun later lie on top of earlier ones. `twistyEnd`: x up to which a click folds. */
  beginRow(row: Row, top: number, bottom: number, twistyEnd: number): void {
    this.rows.push({ row, top, bottom, firstItem: this.x0.length, lastItem: this.x0.length, twistyEnd });
  }

  item(x0: number, x1: number, first: number, last: number): void {
    this.x0.push(x0);
    this.x1.push(x1);
    this.first.push(first);
    this.last.push(last);
    const row = this.rows.at(-1);
    if (row) row.lastItem = this.x0.length;
  }

  at(x: number, y: number): Hit | undefined {
    for (let r = this.rows.length - 1; r >= 0; r--) {
      const drawn = this.rows[r] as DrawnRow;
      if (y < drawn.top || y >= drawn.bottom) continue;
      const { row } = drawn;
      if (x < this.labelWidth) return { kind: 'label', row, twisty: x < drawn.twistyEnd };
      return this.itemAt(drawn, x) ?? { kind: 'row', row };
    }
    return undefined;
  }

  /** Everything drawn in the row that covers a span, for tests and the keyboard. */
  private itemAt(drawn: DrawnRow, x: number): Hit | undefined {
    let best = -1;
    let distance = 3;
    for (let at = drawn.firstItem; at < drawn.lastItem; at++) {
      const from = this.x0[at] as number;
      const to = this.x1[at] as number;
      const off = x < from ? from - x : x > to ? x - to : 0;
      // A bar of one pixel is hard to hit: the nearest within two pixels counts.
      if (off < distance) {
        best = at;
        distance = off;
        if (off === 0 && to - from < 3) break;
      }
    }
    if (best < 0) return undefined;
    const first = this.first[best] as number;
    const last = this.last[best] as number;
    const place = {
      row: drawn.row,
      x0: this.x0[best] as number,
      x1: this.x1[best] as number,
      y: drawn.top,
      h: drawn.bottom - drawn.top,
    };
    if (first === last) return { kind: 'span', index: drawn.row.track.spans[first] as number, ...place };
    return { kind: 'group', first, last, ...place };
  }
}
