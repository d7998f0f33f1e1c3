/** What each command of common/view/commands.ts does. */
import type { TimelineCommandId } from '../common/view/commands';
import { SPAN_FLAG } from '../common/view/flags';
import type { TimelineApp } from './app';
import { firstChild, inRow, nextSibling, parentOf, previousSibling } from './navigation';
import { panned, zoomed, type TimeWindow } from './view/viewport';

const ZOOM_STEP = 1.35;
const PAN_SHARE = 0.18;

export class CommandRunner {
  private gestureAt = -Infinity;

  constructor(private readonly app: TimelineApp) {}

  /** True when the command did something or explained why it could not: then its key is used up. */
  run(id: TimelineCommandId, event?: KeyboardEvent): boolean {
    const { app } = this;
    const { model, view, parts } = app;
    if (parts.help.open && id !== 'skua.timeline.help') return false;
    switch (id) {
      case 'skua.timeline.zoomIn':
        this.zoom(1 / ZOOM_STEP);
        break;
      case 'skua.timeline.zoomOut':
        this.zoom(ZOOM_STEP);
        break;
      case 'skua.timeline.panLeft':
        this.pan(-1);
        break;
      case 'skua.timeline.panRight':
        this.pan(1);
        break;
      case 'skua.timeline.zoomFit':
        app.leaveFollow();
        app.moveTo(app.fitWindow());
        // An ended trace that is shown whole stays whole when late spans arrive.
        app.autoFit = model.state.kind !== 'running';
        break;
      case 'skua.timeline.focusSelection':
        this.focus();
        break;
      case 'skua.timeline.toggleFollow':
        if (model.state.kind === 'running') app.setFollow(!app.following);
        else app.announce('Nothing is running: there is no live edge to follow.');
        break;
      case 'skua.timeline.viewBack':
        this.history(view.goBack());
        break;
      case 'skua.timeline.viewForward':
        this.history(view.goForward());
        break;
      case 'skua.timeline.scrollUp':
        app.scrollTo(view.targetScrollY - parts.stage.height * 0.8);
        break;
      case 'skua.timeline.scrollDown':
        app.scrollTo(view.targetScrollY + parts.stage.height * 0.8);
        break;
      case 'skua.timeline.nextSibling':
        this.step((i) => nextSibling(model, i), 'No next sibling');
        break;
      case 'skua.timeline.previousSibling':
        this.step((i) => previousSibling(model, i), 'No previous sibling');
        break;
      case 'skua.timeline.parent':
        this.step((i) => parentOf(model, i), 'This is a root span');
        break;
      case 'skua.timeline.firstChild':
        this.step((i) => firstChild(model, i), 'No children');
        break;
      case 'skua.timeline.nextInRow':
        this.step((i) => inRow(model, i, 1), 'Last span of the row');
        break;
      case 'skua.timeline.previousInRow':
        this.step((i) => inRow(model, i, -1), 'First span of the row');
        break;
      case 'skua.timeline.previousWaker':
        this.followWakeup('waker');
        break;
      case 'skua.timeline.nextWakee':
        this.followWakeup('wakee');
        break;
      case 'skua.timeline.selectionToRange':
        this.toRange();
        break;
      case 'skua.timeline.mark':
        this.mark();
        break;
      case 'skua.timeline.clear':
        return this.clear();
      case 'skua.timeline.search':
        parts.toolbar.focusSearch();
        break;
      case 'skua.timeline.nextMatch':
        app.nextMatch(1);
        break;
      case 'skua.timeline.previousMatch':
        app.nextMatch(-1);
        break;
      case 'skua.timeline.toggleFilter':
        app.toggleFilter();
        break;
      case 'skua.timeline.toggleDetails':
        app.togglePanel();
        break;
      case 'skua.timeline.toggleRow':
        this.toggleRow();
        break;
      case 'skua.timeline.collapseAll':
        model.setAllCollapsed(true);
        app.invalidate();
        break;
      case 'skua.timeline.expandAll':
        model.setAllCollapsed(false);
        app.invalidate();
        break;
      case 'skua.timeline.toggleMerge':
        app.setMerged(!model.layout.mergesSimilar);
        break;
      case 'skua.timeline.toggleTable':
        app.togglePanel(true);
        parts.bottom.open('table');
        parts.bottom.tree.element.focus();
        break;
      case 'skua.timeline.help':
        parts.help.toggle();
        break;
      case 'skua.timeline.openSource':
      case 'skua.timeline.openSourceToSide':
        this.openSource(id === 'skua.timeline.openSourceToSide');
        break;
      case 'skua.timeline.copy':
        return this.copy(event);
    }
    return true;
  }

  /** At the mouse when it is over the timeline; at the live edge while following; in the middle otherwise. */
  private zoom(factor: number): void {
    const { app } = this;
    const { from, to } = app.view.target;
    const pointer = app.hoverTime;
    const following = app.following && app.model.state.kind === 'running';
    const anchor = following ? to : (pointer ?? (from + to) / 2);
    app.moveTo(zoomed(app.view.target, factor, anchor), { remember: this.startsGesture() });
  }

  private pan(direction: 1 | -1): void {
    const { app } = this;
    const { from, to } = app.view.target;
    app.leaveFollow();
    app.moveTo(panned(app.view.target, (to - from) * PAN_SHARE * direction), {
      remember: this.startsGesture(),
    });
  }

  /** Repeated keys are one step of the view history. */
  private startsGesture(): boolean {
    const now = performance.now();
    const starts = now - this.gestureAt > 700;
    this.gestureAt = now;
    return starts;
  }

  /** First centre the selection at the present zoom, then (when it is in the centre already) fit it. */
  private focus(): void {
    const { app } = this;
    const { layout, selection } = app.model;
    const window = this.selectedWindow();
    if (!window) {
      app.announce('Nothing is selected.');
      return;
    }
    app.leaveFollow();
    const { from, to } = app.view.target;
    const middle = (window.from + window.to) / 2;
    const width = to - from;
    const centred = Math.abs(middle - (from + to) / 2) < width * 0.02;
    const length = Math.max(window.to - window.from, 100);
    if (centred || length > width) app.moveTo({ from: middle - length * 0.6, to: middle + length * 0.6 });
    else app.moveTo({ from: middle - width / 2, to: middle + width / 2 });
    if (selection.kind === 'span' && layout.rowOfSpan(selection.index)) app.showRow(selection.index);
  }

  private selectedWindow(): TimeWindow | undefined {
    const { app } = this;
    const { layout, selection } = app.model;
    const end = (i: number) => Math.min(layout.end(i), app.model.edge(performance.now()));
    switch (selection.kind) {
      case 'none':
        return undefined;
      case 'range':
        return selection.window;
      case 'span':
        return {
          from: layout.start(selection.index),
          to: Math.max(layout.start(selection.index), end(selection.index)),
        };
      case 'group':
        return {
          from: layout.start(selection.spans[0] as number),
          to: end(selection.spans.at(-1) as number),
        };
    }
  }

  private history(window: TimeWindow | undefined): void {
    if (window) {
      this.app.leaveFollow();
      this.app.moveTo(window, { remember: false });
    } else {
      this.app.announce('No further view in the history.');
    }
  }

  private step(find: (i: number) => number, nothing: string): void {
    const { app } = this;
    const { selection, visible } = app.model;
    if (selection.kind === 'group') {
      app.goTo(selection.spans[0] as number, { zoom: false });
      return;
    }
    if (selection.kind !== 'span') {
      const first = visible.rows[0]?.track.spans[0];
      if (first !== undefined) app.goTo(first, { zoom: false });
      return;
    }
    const found = find(selection.index);
    if (found >= 0) app.goTo(found, { zoom: false });
    else app.announce(nothing);
  }

  /** The model knows; it answers with the span to go to, or says why there is none. */
  private followWakeup(to: 'waker' | 'wakee'): void {
    const { app } = this;
    const { selection } = app.model;
    if (selection.kind === 'span') app.link.post({ type: 'followWakeup', index: selection.index, to });
    else app.announce('Select a span first.');
  }

  private toRange(): void {
    const window = this.selectedWindow();
    if (window) this.app.select({ kind: 'range', window });
    else this.app.announce('Nothing is selected.');
  }

  /** At the selected span's start, or at the mouse; a mark close by is removed instead. */
  private mark(): void {
    const { app } = this;
    const { model } = app;
    const time = app.hoverTime ?? this.selectedWindow()?.from;
    if (time === undefined) {
      app.announce('Point at a time or select a span to mark it.');
      return;
    }
    const near = app.scale.pixel * 6;
    const existing = model.marks.find((mark) => Math.abs(mark - time) < near);
    model.marks =
      existing === undefined ? [...model.marks, time] : model.marks.filter((mark) => mark !== existing);
    app.announce(existing === undefined ? 'Mark set' : 'Mark removed');
    app.save();
    app.invalidate();
  }

  private clear(): boolean {
    const { app } = this;
    if (app.model.selection.kind !== 'none') app.select({ kind: 'none' });
    else if (app.model.query !== '') app.setSearch('');
    else return false;
    return true;
  }

  private toggleRow(): void {
    const { app } = this;
    const { layout, selection } = app.model;
    const row = selection.kind === 'span' ? layout.rowOfSpan(selection.index) : app.hoverRow;
    if (!row) return;
    app.model.toggle(row);
    app.save();
    app.invalidate();
  }

  private openSource(toSide: boolean): void {
    const { app } = this;
    const { selection, table } = app.model;
    if (selection.kind === 'group') {
      this.focus();
      return;
    }
    if (selection.kind !== 'span') {
      app.announce('Select a span first.');
      return;
    }
    if (!table.has(selection.index, SPAN_FLAG.hasSource))
      app.announce('No source line is known for this span.');
    app.openSource(selection.index, { toSide, preserveFocus: false });
  }

  private copy(event: KeyboardEvent | undefined): boolean {
    const { app } = this;
    // A text selection in the details is copied by the browser.
    if (event && (document.getSelection()?.toString() ?? '') !== '') return false;
    const { selection, table } = app.model;
    if (selection.kind !== 'span') return false;
    const detail = table.text(table.detail[selection.index] as number);
    app.copy(app.parts.bottom.currentText ?? `${table.nameOf(selection.index)} ${detail}`.trim(), 'Span');
    return true;
  }
}
