/** What the mouse does on the stage: selecting, hovering, drawing ranges, panning, the menu. */
import { SPAN_FLAG } from '../../common/view/flags';
import { formatDuration, formatOffset } from '../../common/view/format';
import type { TimelineApp } from '../app';
import type { Row } from '../layout/rows';
import type { MenuItem } from '../panels/menu';
import { tooltipLines } from '../panels/tooltip';
import { RULER_HEIGHT } from '../render/frame';
import type { Hit } from '../render/hit-map';
import { rowLabel } from '../render/row-label';
import type { Scene } from '../render/scene';
import { panned, zoomed, type TimeWindow } from '../view/viewport';
import type { PointerActions } from './pointer';

export class StagePointer implements PointerActions {
  private at: { readonly x: number; readonly y: number } | undefined;
  private drag: TimeWindow | undefined;

  constructor(private readonly app: TimelineApp) {}

  click(x: number, y: number, { double, alt }: { readonly double: boolean; readonly alt: boolean }): void {
    const { app } = this;
    if (y < RULER_HEIGHT) return;
    const hit = app.parts.stage.hits.at(x, y);
    if (!hit) {
      app.select({ kind: 'none' });
      return;
    }
    switch (hit.kind) {
      case 'label':
        if (hit.twisty || double) this.toggle(hit.row);
        else this.selectRow(hit.row);
        break;
      case 'row':
        app.select({ kind: 'none' });
        break;
      case 'group':
        if (double) this.zoomTo(hit);
        else app.select({ kind: 'group', spans: hit.row.track.spans.slice(hit.first, hit.last + 1) });
        break;
      case 'span':
        this.clickSpan(hit.index, double, alt);
        break;
    }
  }

  hover(x: number, y: number): void {
    const { app } = this;
    this.at = { x, y };
    const hit = app.parts.stage.hits.at(x, y);
    const row = hit?.row;
    const changed = row !== app.hoverRow;
    app.hoverRow = row;
    app.hoverTime = x >= app.labelWidth ? app.timeAt(x) : undefined;
    app.parts.stage.element.classList.toggle('over-span', hit?.kind === 'span' || hit?.kind === 'group');
    const lines = this.lines(hit, x, y);
    if (lines.length > 0) app.parts.tooltip.show(x, y, lines);
    else app.parts.tooltip.hide();
    if (changed) app.invalidate();
    else this.drawLayer(app.scene());
  }

  leave(): void {
    const { app } = this;
    this.at = undefined;
    app.hoverTime = undefined;
    app.hoverRow = undefined;
    app.parts.tooltip.hide();
    app.invalidate();
  }

  range(x0: number, x1: number, done: boolean): void {
    const { app } = this;
    const left = (x: number) => app.timeAt(Math.min(Math.max(x, app.labelWidth), app.parts.stage.width));
    const window = { from: Math.min(left(x0), left(x1)), to: Math.max(left(x0), left(x1)) };
    app.leaveFollow();
    if (done) {
      this.drag = undefined;
      app.parts.tooltip.hide();
      app.select({ kind: 'range', window });
      return;
    }
    this.drag = window;
    app.parts.tooltip.show(x1, this.at?.y ?? 40, [formatDuration(window.to - window.from)]);
    this.drawLayer(app.scene());
  }

  pan(dx: number, dy: number): void {
    const { app } = this;
    app.leaveFollow();
    if (dx !== 0) app.moveTo(panned(app.view.target, dx * app.scale.pixel), { remember: false, jump: true });
    if (dy !== 0) app.scrollTo(app.view.targetScrollY + dy, true);
  }

  gestureStarts(): void {
    this.app.view.remember();
  }

  zoom(x: number, factor: number): void {
    const { app } = this;
    const following = app.following && app.model.state.kind === 'running';
    const { from, to } = app.view.target;
    const share = Math.min(
      1,
      Math.max(0, (x - app.labelWidth) / Math.max(1, app.parts.stage.width - app.labelWidth)),
    );
    app.moveTo(zoomed(app.view.target, factor, following ? to : from + (to - from) * share), {
      remember: false,
    });
  }

  scroll(dy: number): void {
    this.app.scrollTo(this.app.view.targetScrollY + dy);
  }

  resizeLabels(x: number): void {
    this.app.resizeLabels(x);
  }

  menu(x: number, y: number): void {
    const { app } = this;
    const hit = app.parts.stage.hits.at(x, y);
    const box = app.parts.stage.element.getBoundingClientRect();
    const items: (MenuItem | 'line')[] = [];
    const add = (label: string, run: () => void) => items.push({ label, run });
    if (hit?.kind === 'span') this.spanItems(hit.index, add, items);
    else if (hit?.kind === 'group') {
      app.select({ kind: 'group', spans: hit.row.track.spans.slice(hit.first, hit.last + 1) });
      add('Zoom to Group', () => {
        this.zoomTo(hit);
      });
    } else if (hit?.kind === 'label') {
      const { row } = hit;
      if (row.children.length > 0) {
        add(app.model.isCollapsed(row) ? 'Expand' : 'Collapse', () => {
          this.toggle(row);
        });
      }
      add('Select All Spans of the Row', () => {
        this.selectRow(row);
      });
      items.push('line');
    }
    const time = app.timeAt(x);
    if (x > app.labelWidth) {
      add('Set or Remove Mark Here', () => {
        app.hoverTime = time;
        app.run('skua.timeline.mark');
      });
    }
    add('Show Whole Trace', () => {
      app.run('skua.timeline.zoomFit');
    });
    add('Collapse All Traces', () => {
      app.run('skua.timeline.collapseAll');
    });
    add('Expand All Traces', () => {
      app.run('skua.timeline.expandAll');
    });
    app.parts.tooltip.hide();
    app.parts.menu.show(box.left + x, box.top + y, items);
  }

  drawLayer(scene: Scene): void {
    const { at, drag, app } = this;
    const pointer = at && {
      ...at,
      time: formatOffset(app.timeAt(at.x) - app.model.extent.from, Math.max(1, app.scale.pixel)),
    };
    app.parts.stage.drawLayer(scene, pointer, drag);
  }

  private lines(hit: Hit | undefined, x: number, y: number): readonly string[] {
    const { app } = this;
    if (y < RULER_HEIGHT) {
      const time = app.timeAt(x);
      const lost = app.model.lossWindows.find((w) => w.start <= time && time <= w.end);
      return lost && x > app.labelWidth ? [lost.text] : [];
    }
    if (!hit) return [];
    if (hit.kind === 'label') {
      const { name, context, value } = rowLabel(hit.row, app.model.table);
      return [name, context, value].filter((line) => line !== '');
    }
    return tooltipLines(app.model, hit, app.scale, x);
  }

  private clickSpan(index: number, double: boolean, alt: boolean): void {
    const { app } = this;
    const { table } = app.model;
    const kernel = table.has(index, SPAN_FLAG.kernel);
    const source = table.has(index, SPAN_FLAG.hasSource);
    const already = app.model.selection.kind === 'span' && app.model.selection.index === index;
    if (!double || !already) app.select({ kind: 'span', index });
    if (double && (kernel || source)) app.openSource(index, { toSide: alt, preserveFocus: false });
    else if (double) app.run('skua.timeline.focusSelection');
    else if (kernel && source && app.settings.openSourceOnClick) {
      app.openSource(index, { toSide: alt, preserveFocus: true });
    }
  }

  private selectRow(row: Row): void {
    const { spans } = row.track;
    const only = spans.length === 1 ? spans[0] : undefined;
    if (only !== undefined) this.app.select({ kind: 'span', index: only });
    else this.app.select({ kind: 'group', spans: [...spans] });
  }

  private toggle(row: Row): void {
    this.app.model.toggle(row);
    this.app.save();
    this.app.invalidate();
  }

  private zoomTo(hit: Extract<Hit, { kind: 'group' }>): void {
    const { app } = this;
    const { spans } = hit.row.track;
    const from = app.model.layout.start(spans[hit.first] as number);
    const to = Math.min(app.model.layout.end(spans[hit.last] as number), app.model.edge(performance.now()));
    const air = Math.max(to - from, 100) * 0.05;
    app.leaveFollow();
    app.moveTo({ from: from - air, to: to + air });
  }

  private spanItems(
    index: number,
    add: (label: string, run: () => void) => void,
    items: (MenuItem | 'line')[],
  ): void {
    const { app } = this;
    const { table } = app.model;
    app.select({ kind: 'span', index });
    const name = table.nameOf(index);
    const detail = table.text(table.detail[index] as number);
    if (table.has(index, SPAN_FLAG.hasSource)) {
      add('Open Source', () => {
        app.openSource(index, { toSide: false, preserveFocus: false });
      });
      add('Open Source to the Side', () => {
        app.openSource(index, { toSide: true, preserveFocus: false });
      });
      items.push('line');
    }
    add('Zoom to Span', () => {
      const start = app.model.layout.start(index);
      const end = Math.min(app.model.layout.end(index), app.model.edge(performance.now()));
      const air = Math.max(end - start, 100) * 0.1;
      app.leaveFollow();
      app.moveTo({ from: start - air, to: end + air });
    });
    add(`Search name:${name}`, () => {
      app.setSearch(`name:${/\s/.test(name) ? `"${name}"` : name}`);
    });
    if (detail !== '') {
      add(`Search ${detail.length > 40 ? `${detail.slice(0, 39)}…` : detail}`, () => {
        app.setSearch(`"${detail}"`);
      });
    }
    items.push('line');
    add('Copy Name', () => {
      app.copy(name, 'Name');
    });
    add('Copy as Text', () => {
      app.copy(app.parts.bottom.currentText ?? `${name} ${detail}`.trim(), 'Span');
    });
    add('Copy Trace Id', () => {
      app.copy(table.traces[table.trace[index] as number] ?? '', 'Trace id');
    });
    items.push('line');
  }
}
