/**
 * What the thread did with a system call's time, as a strip along the top of its bar: a full line while on a CPU, a striped one while
 * runnable, a thin one while blocked. Told apart without their colours, and on a plate of their own whatever the bar's colour.
 */
import { PART } from '../../common/view/columns';
import type { SpanTable } from '../store/span-table';
import type { DrawList } from './draw-list';
import type { TimeScale } from './scale';

const STRIP = 4;
const PLATE = STRIP + 1;
/** On narrower bars the parts could not be told apart. */
const SHOW_FROM = 40;

/** Draws the strip of span `i`, whose bar begins at `x0` and ends at `x1` (cut to the view). Returns its height, 0 when there is none. */
export function drawParts(
  list: DrawList,
  scale: TimeScale,
  table: SpanTable,
  i: number,
  bar: { readonly x0: number; readonly x1: number; readonly y: number },
  alpha: number,
): number {
  const count = table.partCount[i] as number;
  if (count === 0 || bar.x1 - bar.x0 < SHOW_FROM) return 0;
  list.add('fill', 'background', bar.x0, bar.y, bar.x1 - bar.x0, PLATE, undefined, alpha);
  const first = table.partFirst[i] as number;
  let time = table.start[i] as number;
  // Parts narrower than a pixel share it: the first one has it.
  let drawn = bar.x0;
  for (let part = first; part < first + count; part++) {
    const from = Math.max(scale.x(time), drawn);
    time += table.partLength[part] as number;
    const to = Math.min(Math.max(scale.x(time), from + 1), bar.x1);
    if (from >= bar.x1) break;
    if (to <= bar.x0 || scale.x(time) < drawn) continue;
    drawPart(list, table.partState[part] as number, from, bar.y, to - from, alpha);
    drawn = to;
  }
  return PLATE;
}

function drawPart(list: DrawList, state: number, x: number, y: number, w: number, alpha: number): void {
  if (state === PART['on-cpu']) list.add('fill', 'on-cpu', x, y, w, STRIP, undefined, alpha);
  else if (state === PART.runnable) list.add('hatch', 'runnable', x, y, w, STRIP, undefined, alpha);
  else list.add('fill', 'blocked', x, y + 1, w, STRIP - 2, undefined, alpha);
}
