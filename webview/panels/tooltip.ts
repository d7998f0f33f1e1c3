/** A few lines about what is under the mouse. */
import { SPAN_FLAG } from '../../common/view/flags';
import { formatCount, formatDuration, formatOffset } from '../../common/view/format';
import { aggregate } from '../aggregate';
import type { Model } from '../model';
import { lowerBound } from '../render/bars';
import type { Hit } from '../render/hit-map';
import type { TimeScale } from '../render/scale';
import { el } from './dom';
import { waitingText } from './waiting-view';

export interface Tooltip {
  readonly element: HTMLElement;
  show(x: number, y: number, lines: readonly string[]): void;
  hide(): void;
}

export function createTooltip(): Tooltip {
  const element = el('div', { class: 'tooltip', role: 'tooltip', hidden: true });
  let shown = '';
  return {
    element,
    show(x, y, lines) {
      const key = lines.join('\n');
      if (key !== shown) {
        shown = key;
        element.replaceChildren(
          ...lines.map((line, i) => el('div', { class: i === 0 ? 'first' : '' }, line)),
        );
      }
      element.hidden = lines.length === 0;
      const parent = element.offsetParent;
      const width = parent?.clientWidth ?? window.innerWidth;
      const height = parent?.clientHeight ?? window.innerHeight;
      const { offsetWidth: w, offsetHeight: h } = element;
      element.style.left = `${x + 14 + w > width ? Math.max(2, x - w - 8) : x + 14}px`;
      element.style.top = `${y + 18 + h > height ? Math.max(2, y - h - 10) : y + 18}px`;
    },
    hide() {
      element.hidden = true;
    },
  };
}

/** What the tooltip says about a place. `x` in px picks the event tick, if one is near. */
export function tooltipLines(model: Model, hit: Hit, scale: TimeScale, x: number): readonly string[] {
  const { table } = model;
  if (hit.kind === 'span') return spanLines(model, hit.index, scale, x);
  if (hit.kind === 'group') {
    const spans = hit.row.track.spans.slice(hit.first, hit.last + 1);
    const sums = aggregate(table, spans, table.lastEnd);
    return [
      `${formatCount(spans.length)} spans`,
      ...sums.byName
        .slice(0, 4)
        .map((s) => `${s.name} ×${formatCount(s.count)} · ${formatDuration(s.total)}`),
      sums.byName.length > 4 ? `and ${sums.byName.length - 4} more names` : '',
      sums.errors > 0 ? `✕ ${formatCount(sums.errors)} failed` : '',
      'Double click to zoom in',
    ].filter((line) => line !== '');
  }
  return [];
}

function spanLines(model: Model, i: number, scale: TimeScale, x: number): readonly string[] {
  const { table, layout } = model;
  const detail = table.text(table.detail[i] as number);
  const { tid, process } = table.threadOf(i);
  const source = table.text(table.source[i] as number);
  const flags = table.flags[i] as number;
  const events = table.eventCount[i] as number;
  const duration = table.duration[i] as number;
  return [
    `${table.nameOf(i)}${detail === '' ? '' : ` ${detail}`}`,
    flags & SPAN_FLAG.placeholder
      ? 'The program has not reported this span yet'
      : `${Number.isNaN(duration) ? 'unfinished' : formatDuration(duration)} · at +${formatDuration(layout.start(i) - model.extent.from)}`,
    [
      tid < 0 ? '' : `${process === '' ? 'thread' : process} ${tid}`,
      flags & SPAN_FLAG.kernel ? '' : table.text(table.service[i] as number),
    ]
      .filter((part) => part !== '')
      .join(' · '),
    waitingText(table.timesOf(i)),
    source === '' ? '' : source,
    flags & SPAN_FLAG.error ? '✕ error' : '',
    flags & SPAN_FLAG.lost ? 'Kernel events were lost meanwhile' : '',
    eventLine(model, i, scale, x) ??
      (events > 0 ? `${formatCount(events)} event${events === 1 ? '' : 's'}` : ''),
  ].filter((line) => line !== '');
}

function eventLine(model: Model, i: number, scale: TimeScale, x: number): string | undefined {
  const { table } = model;
  const first = table.eventFirst[i] as number;
  const until = first + (table.eventCount[i] as number);
  const at = lowerBound(table.eventTime, first, until, scale.time(x - 3));
  if (at >= until || (table.eventTime[at] as number) > scale.time(x + 3)) return undefined;
  const last = lowerBound(table.eventTime, at, until, scale.time(x + 3));
  const name = table.text(table.eventName[at] as number);
  const when = formatOffset((table.eventTime[at] as number) - model.extent.from, Math.max(1, scale.pixel));
  return last - at > 1
    ? `▏${name} at +${when}, and ${formatCount(last - at - 1)} more`
    : `▏${name} at +${when}`;
}
