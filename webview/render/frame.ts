/** Builds the draw list of a frame: rows, labels, ruler. Pure: the same scene always gives the same list. */
import { formatOffset, tickStep } from '../../common/view/format';
import { rowAt, rowHeight, type Row } from '../layout/rows';
import { BarDrawer } from './bars';
import type { DrawList } from './draw-list';
import type { HitMap } from './hit-map';
import { rowLabel } from './row-label';
import { TimeScale } from './scale';
import type { Scene } from './scene';

export const RULER_HEIGHT = 24;
const INDENT = 12;
/** Ancestors kept in view at most: a deep tree must leave room for its leaves. */
const MAX_STICKY = 4;
const TICK_DISTANCE = 96;

export function scaleOf(scene: Scene): TimeScale {
  return new TimeScale(scene.window, scene.labelWidth, Math.max(1, scene.width - scene.labelWidth));
}

/** Fills `list` and `hits` (both cleared first). */
export function buildFrame(scene: Scene, list: DrawList, hits: HitMap): void {
  list.clear();
  hits.clear(scene.labelWidth);
  const scale = scaleOf(scene);
  list.add('fill', 'background', 0, 0, scene.width, scene.height);
  list.add('clip', 'background', 0, RULER_HEIGHT, scene.width, scene.height - RULER_HEIGHT);
  grid(scene, scale, list);
  const placed = placedRows(scene);
  for (const { row, y } of placed) rowBackground(scene, list, row, y);
  list.add('clip', 'background', scene.labelWidth, RULER_HEIGHT, scale.width, scene.height);
  const bars = new BarDrawer(scene, scale, list, hits);
  for (const { row, y } of placed) rowBars(scene, scale, list, hits, bars, row, y);
  bands(scene, scale, list);
  list.add('unclip', 'background', 0, 0, 0, 0);
  list.add('fill', 'labels', 0, RULER_HEIGHT, scene.labelWidth, scene.height);
  for (const { row, y } of placed) label(scene, list, row, y);
  const sticky = stickyRows(scene);
  if (sticky.length > 0) drawSticky(scene, scale, list, hits, bars, sticky);
  list.add('fill', 'border', scene.labelWidth - 1, RULER_HEIGHT, 1, scene.height);
  list.add('unclip', 'background', 0, 0, 0, 0);
  ruler(scene, scale, list);
}

interface Placed {
  readonly row: Row;
  readonly y: number;
}

function placedRows(scene: Scene): Placed[] {
  const { visible } = scene;
  const placed: Placed[] = [];
  for (let r = Math.max(0, rowAt(visible, scene.scrollY)); r < visible.rows.length; r++) {
    const y = RULER_HEIGHT + (visible.tops[r] as number) - scene.scrollY;
    if (y >= scene.height) break;
    placed.push({ row: visible.rows[r] as Row, y });
  }
  return placed;
}

/** Ancestors of the topmost rows that have scrolled out, outermost first. */
export function stickyRows(scene: Pick<Scene, 'visible' | 'scrollY'>): Placed[] {
  const { visible, scrollY } = scene;
  const sticky: Placed[] = [];
  let height = 0;
  while (sticky.length < MAX_STICKY) {
    const at = visible.rows[rowAt(visible, scrollY + height + 1)];
    if (!at) break;
    const chain: Row[] = [];
    for (let row = at.parent; row; row = row.parent) chain.unshift(row);
    const next = chain[sticky.length];
    if (!next || (visible.tops[visible.indexOf.get(next) ?? 0] as number) >= scrollY + height) break;
    sticky.push({ row: next, y: RULER_HEIGHT + height });
    height += rowHeight(next);
  }
  return sticky;
}

function drawSticky(
  scene: Scene,
  scale: TimeScale,
  list: DrawList,
  hits: HitMap,
  bars: BarDrawer,
  sticky: readonly Placed[],
): void {
  const last = sticky.at(-1) as Placed;
  const bottom = last.y + rowHeight(last.row);
  list.add('fill', 'background', 0, RULER_HEIGHT, scene.width, bottom - RULER_HEIGHT);
  list.add('fill', 'labels', 0, RULER_HEIGHT, scene.labelWidth, bottom - RULER_HEIGHT);
  for (const { row, y } of sticky) rowBackground(scene, list, row, y);
  list.add('clip', 'background', scene.labelWidth, RULER_HEIGHT, scale.width, bottom - RULER_HEIGHT);
  for (const { row, y } of sticky) rowBars(scene, scale, list, hits, bars, row, y);
  list.add('unclip', 'background', 0, 0, 0, 0);
  for (const { row, y } of sticky) label(scene, list, row, y);
  list.add('fill', 'border', 0, bottom - 1, scene.width, 1);
}

function rowBackground(scene: Scene, list: DrawList, row: Row, y: number): void {
  const h = rowHeight(row);
  if (row.isHead) {
    list.add('fill', 'headRow', 0, y, scene.width, h);
    list.add('fill', 'border', 0, y - 1, scene.width, 1);
  }
  if (row === scene.focusRow) list.add('fill', 'selectedRow', 0, y, scene.width, h);
  else if (row === scene.hoverRow) list.add('fill', 'hoverRow', 0, y, scene.width, h);
}

function rowBars(
  scene: Scene,
  scale: TimeScale,
  list: DrawList,
  hits: HitMap,
  bars: BarDrawer,
  row: Row,
  y: number,
): void {
  const h = rowHeight(row);
  hits.beginRow(row, y, y + h, row.children.length > 0 || row.isHead ? twistyX(row) + 16 : 0);
  const inset = row.isHead ? 3 : 2;
  bars.draw(row, y + inset, h - inset * 2);
  const { selection } = scene;
  if (selection.kind === 'span' && scene.layout.rowOfSpan(selection.index) === row) {
    const x0 = scale.x(scene.layout.start(selection.index));
    const x1 = scale.x(Math.min(scene.layout.end(selection.index), Math.max(scene.edge, scene.window.to)));
    const from = Math.max(x0, scale.left - 3);
    const to = Math.min(x1, scale.left + scale.width + 3);
    if (to >= from) list.add('frame', 'selection', from - 1, y + 1, Math.max(4, to - from + 2), h - 2);
  } else if (selection.kind === 'group' && scene.layout.rowOfSpan(selection.spans[0] ?? -1) === row) {
    const x0 = Math.max(scale.left, scale.x(scene.layout.start(selection.spans[0] as number)));
    const x1 = scale.x(scene.layout.end(selection.spans.at(-1) as number));
    if (x1 >= scale.left) list.add('frame', 'selection', x0 - 1, y + 1, Math.max(4, x1 - x0 + 2), h - 2);
  }
}

/** Labels narrower than this show names only. */
const VALUE_LABELS = 180;

const twistyX = (row: Row): number => 4 + row.depth * INDENT;

function label(scene: Scene, list: DrawList, row: Row, y: number): void {
  const h = rowHeight(row);
  const x = twistyX(row);
  const { name, context, value } = rowLabel(row, scene.table);
  if (row.children.length > 0) {
    list.add(scene.isCollapsed(row) ? 'twistyClosed' : 'twistyOpen', 'text', x, y, 14, h);
  }
  // Where there is little room, the name needs all of it; the value is on the bar, too.
  const valueWidth =
    value === '' || scene.labelWidth < VALUE_LABELS ? 0 : Math.min(72, scene.labelWidth * 0.3);
  const room = scene.labelWidth - x - 18 - valueWidth - 8;
  const op = row.isHead ? 'textBold' : 'text';
  if (room > 20) {
    list.add(op, row.kind === 'kernel' ? 'dim' : 'text', x + 18, y, room, h, name);
    // The context gets what the name leaves.
    if (context !== '') list.add('textAfter', 'dim', x + 18, y, room, h, context);
  }
  if (valueWidth > 0) {
    list.add('textRight', 'dim', scene.labelWidth - valueWidth - 8, y, valueWidth, h, value);
  }
}

/** Times of the ruler's ticks and their distance. */
function ticks(scene: Scene, scale: TimeScale): { readonly step: number; readonly times: readonly number[] } {
  const step = tickStep(TICK_DISTANCE * scale.pixel);
  const times: number[] = [];
  const first = Math.ceil((scene.window.from - scene.origin) / step);
  const last = Math.floor((scene.window.to - scene.origin) / step);
  for (let k = first; k <= last && times.length < 200; k++) times.push(scene.origin + k * step);
  return { step, times };
}

function grid(scene: Scene, scale: TimeScale, list: DrawList): void {
  for (const time of ticks(scene, scale).times) {
    list.add('fill', 'grid', Math.round(scale.x(time)), RULER_HEIGHT, 1, scene.height - RULER_HEIGHT);
  }
}

function bands(scene: Scene, scale: TimeScale, list: DrawList): void {
  const h = scene.height - RULER_HEIGHT;
  const right = scale.left + scale.width;
  for (const lost of scene.lossWindows) {
    const x0 = Math.max(scale.left, scale.x(lost.start));
    const x1 = Math.min(right, Math.max(scale.x(lost.end), x0 + 3));
    if (x1 > x0) list.add('hatch', 'lost', x0, RULER_HEIGHT, x1 - x0, h, undefined, 0.25);
  }
  if (scene.range) {
    const x0 = Math.max(scale.left, scale.x(scene.range.from));
    const x1 = Math.min(right, scale.x(scene.range.to));
    if (x1 > x0) {
      list.add('fill', 'range', x0, RULER_HEIGHT, x1 - x0, h, undefined, 0.16);
      list.add('fill', 'range', x0, RULER_HEIGHT, 1, h);
      list.add('fill', 'range', x1 - 1, RULER_HEIGHT, 1, h);
    }
  }
  for (const mark of scene.marks) {
    const x = Math.round(scale.x(mark));
    if (x >= scale.left && x <= right) list.add('fill', 'mark', x, RULER_HEIGHT, 1, h);
  }
  if (scene.running && Number.isFinite(scene.edge)) {
    const x = Math.round(scale.x(scene.edge));
    if (x >= scale.left && x <= right) list.add('fill', 'live', x, RULER_HEIGHT, 1, h, undefined, 0.8);
  }
}

function ruler(scene: Scene, scale: TimeScale, list: DrawList): void {
  list.add('fill', 'ruler', 0, 0, scene.width, RULER_HEIGHT);
  list.add('clip', 'background', scale.left, 0, scale.width, RULER_HEIGHT);
  const { step, times } = ticks(scene, scale);
  for (const time of times) {
    const x = Math.round(scale.x(time));
    list.add('fill', 'border', x, RULER_HEIGHT - 6, 1, 6);
    list.add(
      'text',
      'dim',
      x + 4,
      0,
      TICK_DISTANCE - 6,
      RULER_HEIGHT - 2,
      formatOffset(time - scene.origin, step),
    );
  }
  for (const lost of scene.lossWindows) {
    const x0 = Math.max(scale.left, scale.x(lost.start));
    const x1 = Math.max(scale.x(lost.end), x0 + 3);
    if (x1 > scale.left && x0 < scene.width) list.add('fill', 'lost', x0, RULER_HEIGHT - 4, x1 - x0, 4);
  }
  if (scene.range) {
    const x0 = scale.x(scene.range.from);
    const x1 = scale.x(scene.range.to);
    list.add('fill', 'range', x0, 0, x1 - x0, RULER_HEIGHT - 1, undefined, 0.3);
  }
  for (const mark of scene.marks) list.add('flag', 'mark', Math.round(scale.x(mark)), 3, 9, RULER_HEIGHT - 3);
  list.add('unclip', 'background', 0, 0, 0, 0);
  list.add('fill', 'labels', 0, 0, scene.labelWidth, RULER_HEIGHT);
  list.add('text', 'dim', 8, 0, scene.labelWidth - 16, RULER_HEIGHT - 1, 'Trace · span');
  list.add('fill', 'border', scene.labelWidth - 1, 0, 1, RULER_HEIGHT);
  list.add('fill', 'border', 0, RULER_HEIGHT - 1, scene.width, 1);
}
