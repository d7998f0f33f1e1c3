/** Puts the timeline together: messages in, frames out, wishes of mouse and keyboard in between. */
import { formatCount, formatDuration, formatOffset, plural } from '../common/view/format';
import { SPAN_FLAG } from '../common/view/flags';
import { parseQuery } from '../common/view/query';
import {
  DEFAULT_SETTINGS,
  VIEW_PROTOCOL_VERSION,
  type HostToWebview,
  type RunState,
  type TimelineSettings,
} from '../common/view/protocol';
import { CommandRunner } from './commands';
import { createDocument, type Parts } from './document';
import type { HostLink } from './host-link';
import { listenToKeys } from './input/keyboard';
import { listenToPointer } from './input/pointer';
import { StagePointer } from './input/stage-pointer';
import type { Row } from './layout/rows';
import { Model } from './model';
import { nextMatch } from './navigation';
import { stateName } from './panels/states';
import { waitingText } from './panels/waiting-view';
import { RULER_HEIGHT } from './render/frame';
import { TimeScale } from './render/scale';
import type { Scene, Selection } from './render/scene';
import { readViewState, type ViewState } from './view-state';
import { FrameLoop } from './view/loop';
import { Viewport, clamped, type TimeWindow } from './view/viewport';

/** Time given to placing new spans in each frame. */
const LAYOUT_BUDGET_MS = 7;
/** The live edge moves this often while nothing else does: many editors draw without a graphics card, on the CPUs that are traced. */
const LIVE_FRAME_MS = 50;
/** While following, at most this much of the past stays in view unless the user zooms. */
const FOLLOW_WINDOW_NS = 5e9;
const SEARCH_DELAY_MS = 120;
const SAVE_DELAY_MS = 300;
const MIN_LABELS = 64;
/** Share of the width the labels may take, so that a narrow panel still has a timeline. */
const MOST_LABELS = 0.4;

export class TimelineApp {
  readonly model = new Model();
  readonly view = new Viewport();
  readonly parts: Parts;
  settings: TimelineSettings = DEFAULT_SETTINGS;
  following = true;
  /** The whole trace stays in view until the user chooses something else. */
  autoFit = true;
  /** Width of the labels the user has chosen, px; 0: not chosen. */
  private chosenLabels = 0;
  panelHeight = 0;
  hoverRow: Row | undefined;
  /** Time under the mouse while it is over the timeline. */
  hoverTime: number | undefined;
  private readonly loop = new FrameLoop((now, elapsed) => this.frame(now, elapsed));
  private readonly commands: CommandRunner;
  private readonly pointer: StagePointer;
  private readonly pending: Extract<HostToWebview, { type: 'columns' }>[] = [];
  private restore: ViewState | undefined;
  private persist: unknown = null;
  private dirty = true;
  private searchId = 0;
  private searchTimer: ReturnType<typeof setTimeout> | undefined;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private searching: { examined: number; total: number } | undefined;
  private revealWhenPlaced = -1;
  private treeTimer: ReturnType<typeof setTimeout> | undefined;
  private matchTimesFor = -1;
  private matchTimes: number[] = [];

  constructor(
    root: HTMLElement,
    readonly link: HostLink,
  ) {
    this.restore = readViewState(link.savedState());
    this.parts = createDocument(root, this);
    this.commands = new CommandRunner(this);
    this.pointer = new StagePointer(this);
    listenToPointer(this.parts.stage.element, () => this.labelWidth, this.pointer);
    listenToKeys(root, this.parts.stage.element, (id, event) => this.commands.run(id, event));
    this.applyLooks();
    link.onMessage((message) => {
      this.receive(message);
    });
    link.post({ type: 'ready', version: VIEW_PROTOCOL_VERSION, restored: this.restore !== undefined });
    this.invalidate();
  }

  /** Something visible has changed: draw a frame. */
  invalidate(): void {
    this.dirty = true;
    this.loop.request();
  }

  get scale(): TimeScale {
    return new TimeScale(
      this.view.window,
      this.labelWidth,
      Math.max(1, this.parts.stage.width - this.labelWidth),
    );
  }

  /** Width of the label column, px. */
  get labelWidth(): number {
    const { width } = this.parts.stage;
    const wanted = this.chosenLabels === 0 ? Math.min(240, Math.max(150, width * 0.24)) : this.chosenLabels;
    return Math.round(Math.min(wanted, Math.max(MIN_LABELS, width * MOST_LABELS)));
  }

  /** Time under an x of the stage. */
  timeAt(x: number): number {
    return this.scale.time(x);
  }

  run(id: Parameters<CommandRunner['run']>[0]): void {
    this.commands.run(id);
  }

  select(
    selection: Selection,
    how: { readonly announce?: boolean; readonly openPanel?: boolean } = {},
  ): void {
    this.model.selection = selection;
    const { bottom } = this.parts;
    bottom.showSelection(selection);
    if (bottom.tabs.active === 'table' && selection.kind === 'span') bottom.tree.reveal(selection.index);
    this.link.post({ type: 'selection', index: selection.kind === 'span' ? selection.index : null });
    if (how.announce !== false) this.announce(this.describe(selection));
    this.save();
    this.invalidate();
  }

  /**
   * Selects a span and brings its row and time into view, moving as little as possible. `zoom`: when it would be too small to be seen, also
   * come closer (a found span is to be looked at; walking with the arrow keys must not change the scale).
   */
  goTo(span: number, how: { readonly zoom: boolean } = { zoom: true }): void {
    if (this.model.layout.rowOfSpan(span) === undefined) {
      this.revealWhenPlaced = span;
      this.invalidate();
      return;
    }
    this.model.uncover(span);
    this.select({ kind: 'span', index: span });
    this.showRow(span);
    const start = this.model.layout.start(span);
    const end = Math.min(this.model.layout.end(span), Math.max(this.model.edge(performance.now()), start));
    const { from, to } = this.view.target;
    const small = how.zoom && (end - start) / (to - from) < 0.006;
    const inside = start < to && end > from && (start >= from || end - start > (to - from) / 2);
    if (inside && !small) return;
    this.leaveFollow();
    const width = small ? Math.max((end - start) * 12, 1000) : to - from;
    // A span longer than the window is shown from its start.
    const middle = end - start > width ? start + width * 0.4 : (start + end) / 2;
    this.moveTo({ from: middle - width / 2, to: middle + width / 2 });
  }

  /** Scrolls so that a span's row is visible below its sticky ancestors. */
  showRow(span: number): void {
    const row = this.model.layout.rowOfSpan(span);
    const at = row === undefined ? undefined : this.model.visible.indexOf.get(row);
    if (row === undefined || at === undefined) return;
    const top = this.model.visible.tops[at] as number;
    const room = this.parts.stage.height - RULER_HEIGHT;
    const above = Math.min(4, row.depth) * 24;
    const { targetScrollY: y } = this.view;
    if (top < y + above) this.scrollTo(top - above);
    else if (top + 24 > y + room) this.scrollTo(top + 24 - room + 8);
  }

  moveTo(window: TimeWindow, options: { readonly remember?: boolean; readonly jump?: boolean } = {}): void {
    if (options.remember !== false) this.view.remember();
    this.autoFit = false;
    this.view.setWindow(clamped(window, this.model.extent), options.jump === true || this.reducedMotion);
    this.save();
    this.invalidate();
  }

  /** Whole trace with a little air. */
  fitWindow(): TimeWindow {
    const { from, to } = this.model.extent;
    const air = (to - from) * 0.015;
    return { from: from - air, to: to + air };
  }

  scrollTo(y: number, jump = false): void {
    const content = this.model.visible.tops.at(-1) ?? 0;
    const most = Math.max(0, content + 40 - (this.parts.stage.height - RULER_HEIGHT));
    this.view.setScroll(Math.min(Math.max(0, y), most), jump || this.reducedMotion);
    this.save();
    this.invalidate();
  }

  leaveFollow(): void {
    this.autoFit = false;
    if (!this.following) return;
    this.following = false;
    this.parts.toolbar.setFollow(false);
  }

  setFollow(on: boolean): void {
    this.following = on;
    this.parts.toolbar.setFollow(on && this.model.state.kind === 'running');
    this.announce(on ? 'Following the live edge' : 'Not following');
    this.invalidate();
  }

  /** Starts a search a moment after the last change of its text. */
  search(query: string, now = false): void {
    clearTimeout(this.searchTimer);
    const parsed = parseQuery(query);
    if (!parsed.ok) {
      this.parts.toolbar.setMatches({ text: '', problem: parsed.problem });
      return;
    }
    const start = () => {
      this.searchId += 1;
      this.searching = query.trim() === '' ? undefined : { examined: 0, total: this.model.table.size };
      this.model.setQuery(query.trim());
      this.matchTimesFor = -1;
      this.link.post({ type: 'search', search: this.searchId, query });
      this.showMatches();
      this.save();
      this.invalidate();
    };
    if (now) start();
    else this.searchTimer = setTimeout(start, SEARCH_DELAY_MS);
  }

  setSearch(query: string): void {
    this.parts.toolbar.setSearch(query);
    this.search(query, true);
  }

  toggleFilter(): void {
    this.model.setHideOthers(!this.model.hideOthers);
    this.parts.toolbar.setFilter(this.model.hideOthers);
    this.announce(this.model.hideOthers ? 'Only matching spans are shown' : 'All spans are shown');
    this.save();
    this.invalidate();
  }

  setMerged(merged: boolean): void {
    this.model.layout.setMerged(merged);
    this.model.mergeChosen = true;
    this.parts.toolbar.setMerged(merged);
    this.scrollTo(0, true);
    this.announce(merged ? 'Similar traces share their rows' : 'Each trace has its own rows');
    this.save();
    this.invalidate();
  }

  nextMatch(step: 1 | -1): void {
    const { selection, matchList } = this.model;
    const from = selection.kind === 'span' ? selection.index : -1;
    const found = nextMatch(this.model, matchList, from, step);
    if (found >= 0) this.goTo(found);
    else this.announce(this.model.query === '' ? 'There is no search.' : 'No match.');
  }

  openSource(span: number, how: { readonly toSide: boolean; readonly preserveFocus: boolean }): void {
    this.link.post({ type: 'openSource', index: span, ...how });
  }

  copy(text: string, what: string): void {
    this.link.post({ type: 'copy', text, what });
    this.announce(`${what} copied`);
  }

  announce(text: string): void {
    const { live } = this.parts;
    // The same text twice would not be spoken again.
    live.textContent = live.textContent === text ? `${text}\u00a0` : text;
  }

  togglePanel(open = this.parts.frame.classList.contains('no-panel')): void {
    this.parts.frame.classList.toggle('no-panel', !open);
    this.parts.toolbar.setPanel(open);
    this.save();
    this.invalidate();
  }

  resizeLabels(x: number): void {
    this.chosenLabels = Math.round(Math.min(Math.max(x, MIN_LABELS), this.parts.stage.width * MOST_LABELS));
    this.save();
    this.invalidate();
  }

  resizePanel(height: number): void {
    this.panelHeight = Math.round(Math.min(Math.max(height, 60), window.innerHeight * 0.75));
    this.parts.bottomHost.style.height = `${this.panelHeight}px`;
    this.save();
    this.invalidate();
  }

  themeChanged(): void {
    this.parts.stage.readTheme();
    this.invalidate();
  }

  save(): void {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => {
      this.link.save(this.viewState(), this.persist);
    }, SAVE_DELAY_MS);
  }

  get reducedMotion(): boolean {
    return matchMedia('(prefers-reduced-motion: reduce)').matches;
  }

  /** What is drawn next, for the frame and for those who ask where something is. */
  scene(now = performance.now()): Scene {
    const { model } = this;
    const { selection } = model;
    const focus = selection.kind === 'span' ? model.layout.rowOfSpan(selection.index) : undefined;
    return {
      table: model.table,
      layout: model.layout,
      visible: model.visible,
      isCollapsed: model.isCollapsed,
      window: this.view.window,
      scrollY: this.view.scrollY,
      width: this.parts.stage.width,
      height: this.parts.stage.height,
      labelWidth: this.labelWidth,
      edge: model.edge(now),
      running: model.state.kind === 'running',
      selection,
      hoverRow: this.hoverRow,
      focusRow: focus,
      highlight: model.query !== '' && !model.hideOthers ? (i) => model.matches.has(i) : undefined,
      range: selection.kind === 'range' ? selection.window : undefined,
      marks: model.marks,
      lossWindows: model.lossWindows,
      origin: model.extent.from,
    };
  }

  private receive(message: HostToWebview): void {
    const { model, parts } = this;
    switch (message.type) {
      case 'init':
        this.init(message);
        break;
      case 'settings':
        this.settings = message.settings;
        break;
      case 'columns':
        this.pending.push(message);
        break;
      case 'reset':
        this.pending.length = 0;
        model.reset();
        parts.bottom.showSelection(model.selection);
        break;
      case 'loss':
        model.setLoss(message.loss, message.windows);
        parts.toolbar.setLoss(message.loss);
        parts.bottom.setLoss();
        break;
      case 'state':
        this.setState(message.state);
        break;
      case 'details':
        parts.bottom.setDetails(message.details);
        break;
      case 'events':
        parts.bottom.setEvents(message.request, message.events, message.total);
        break;
      case 'searchResult':
        if (message.search !== this.searchId) break;
        model.applyMatches(new Uint32Array(message.matches), new Uint32Array(message.unmatched));
        this.searching = { examined: message.examined, total: message.total };
        this.matchTimesFor = -1;
        this.showMatches();
        break;
      case 'reveal':
        this.goTo(message.index);
        break;
      case 'notice':
        this.announce(message.text);
        parts.footer.notice(message.text);
        break;
      case 'command':
        this.commands.run(message.id);
        break;
      case 'theme':
        this.themeChanged();
        break;
    }
    this.invalidate();
  }

  private init(message: Extract<HostToWebview, { type: 'init' }>): void {
    this.pending.length = 0;
    this.model.reset();
    this.settings = message.settings;
    this.model.epochNs = message.epochNs;
    this.model.expectedSpans = message.expectedSpans;
    this.persist = message.persist;
    document.title = message.title;
    const saved = this.restore;
    // Once: a later init (a new run in the same panel) must not come back to an old place.
    this.restore = undefined;
    if (saved && (saved.epochNs === message.epochNs || saved.epochNs === '')) this.restoreView(saved);
    this.link.save(this.viewState(), this.persist);
  }

  private restoreView(saved: ViewState): void {
    const { model } = this;
    if (saved.window) {
      this.autoFit = false;
      this.following = false;
      this.view.setWindow(saved.window, true);
    }
    this.view.setScroll(saved.scrollY, true);
    model.marks = [...saved.marks];
    model.allCollapsed = saved.allCollapsed;
    for (const key of saved.collapsed) model.collapsed.add(key);
    model.hideOthers = saved.hideOthers;
    if (saved.merged !== null) {
      model.mergeChosen = true;
      model.layout.setMerged(saved.merged);
      this.parts.toolbar.setMerged(saved.merged);
    }
    this.parts.toolbar.setFilter(saved.hideOthers);
    if (saved.query !== '') this.setSearch(saved.query);
    if (saved.range) this.select({ kind: 'range', window: saved.range }, { announce: false });
    else if (saved.selected !== null)
      this.select({ kind: 'span', index: saved.selected }, { announce: false });
  }

  /** Looks that do not depend on the trace. */
  private applyLooks(): void {
    const saved = this.restore;
    this.chosenLabels = saved && saved.labelWidth >= MIN_LABELS ? saved.labelWidth : 0;
    if (saved && saved.panelHeight > 0) this.resizePanel(saved.panelHeight);
    this.togglePanel(saved?.panelOpen ?? true);
    this.setState({ kind: 'preparing', text: '' });
  }

  private setState(state: RunState): void {
    const was = this.model.state.kind;
    this.model.state = state;
    this.parts.toolbar.setState(state);
    this.parts.toolbar.setFollow(this.following && state.kind === 'running');
    if (was !== state.kind) {
      if (was === 'running') this.model.layout.compact();
      if (state.kind === 'running' && was === 'preparing') this.following = this.autoFit || this.following;
      this.announce(`${stateName(state)}: ${state.text}`);
    }
  }

  private frame(now: number, elapsed: number): number | undefined {
    const { model, view, parts } = this;
    const message = this.pending.shift();
    if (message) {
      model.epochNs = message.epochNs;
      model.apply(message.delta, now);
      this.link.post({ type: 'applied', seq: message.seq });
      this.dirty = true;
    }
    if (model.mergeIfMany()) parts.toolbar.setMerged(true);
    const { changed, more } = model.update(() => performance.now(), LAYOUT_BUDGET_MS);
    if (changed) this.treeChanged();
    this.placeReveal();
    this.steer(now);
    const moving = view.advance(elapsed);
    if (parts.stage.measure()) this.dirty = true;
    const live = model.state.kind === 'running' && (this.following || model.table.unfinished > 0);
    if (this.dirty || moving || changed || live) {
      this.dirty = false;
      this.draw(now);
    }
    if (moving || more || this.pending.length > 0) return 0;
    return live || model.state.kind === 'running' ? LIVE_FRAME_MS : undefined;
  }

  private draw(now: number): void {
    const { model, view, parts } = this;
    this.scrollClamp();
    const scene = this.scene(now);
    parts.stage.draw(scene);
    parts.stage.setScroll((model.visible.tops.at(-1) ?? 0) + 40, view.scrollY);
    this.pointer.drawLayer(scene);
    parts.stage.drawOverview(model.overview, this.overviewExtent(now), view.window, this.overviewMatches());
    this.showCounts();
    parts.bottom.windowChanged();
  }

  overviewExtent(now = performance.now()): TimeWindow {
    const { from, to } = this.model.extent;
    const edge = this.model.edge(now);
    return { from, to: Number.isFinite(edge) ? Math.max(to, edge) : to };
  }

  /** Follows the edge or the whole trace, unless the user has chosen a place. */
  private steer(now: number): void {
    const { model, view } = this;
    if (model.table.size === 0) return;
    const running = model.state.kind === 'running';
    if (running && this.following) {
      const edge = model.edge(now);
      const whole = edge - model.extent.from;
      const width = this.autoFit
        ? Math.min(Math.max(whole, 1e6), FOLLOW_WINDOW_NS) * 1.04
        : view.target.to - view.target.from;
      const to = edge + width * 0.03;
      // The edge moves smoothly by itself; easing on top would lag behind it.
      view.setWindow({ from: to - width, to }, Math.abs(view.to - to) < width * 0.2);
    } else if (this.autoFit) {
      const fit = this.fitWindow();
      if (view.target.from !== fit.from || view.target.to !== fit.to) {
        view.setWindow(fit, this.reducedMotion || model.table.size <= 1 || this.pending.length > 0);
      }
    }
  }

  private scrollClamp(): void {
    const content = this.model.visible.tops.at(-1) ?? 0;
    const most = Math.max(0, content + 40 - (this.parts.stage.height - RULER_HEIGHT));
    // While a trace loads, a restored position may still lie beyond what is there.
    const loading = this.model.table.size < this.model.expectedSpans;
    if (!loading && this.view.targetScrollY > most) this.view.setScroll(most, true);
  }

  private placeReveal(): void {
    const span = this.revealWhenPlaced;
    if (span < 0 || !this.model.layout.rowOfSpan(span)) return;
    this.revealWhenPlaced = -1;
    this.goTo(span);
  }

  private treeChanged(): void {
    if (this.treeTimer !== undefined) return;
    this.treeTimer = setTimeout(() => {
      this.treeTimer = undefined;
      this.parts.bottom.treeChanged();
    }, 250);
  }

  private showCounts(): void {
    const { model, parts } = this;
    const { table } = model;
    const spans = table.kernelSpans + table.userSpans;
    parts.toolbar.setCounts(
      spans === 0
        ? ''
        : `${plural(table.traces.length, 'trace')} · ${plural(table.userSpans, 'span')} · ${plural(table.kernelSpans, 'system call')}${table.errors > 0 ? ` · ${formatCount(table.errors)} failed` : ''}`,
    );
    const { from, to } = this.view.window;
    const inView = to - from;
    const all = model.extent.to - model.extent.from;
    parts.footer.setInfo(
      spans === 0
        ? ''
        : inView >= all
          ? `all ${formatDuration(all)} in view`
          : `${formatDuration(inView)} in view of ${formatDuration(all)}`,
    );
    const loading =
      table.size < model.expectedSpans ? { have: table.size, expected: model.expectedSpans } : undefined;
    const searched = this.searching !== undefined && this.searching.examined >= this.searching.total;
    parts.states.set({
      state: model.state,
      spans,
      loading,
      nothingMatches:
        spans > 0 && searched && model.hideOthers && model.query !== '' && model.matches.count === 0
          ? model.query
          : undefined,
    });
    parts.frame.classList.toggle('empty', spans === 0);
  }

  private showMatches(): void {
    const { model, parts, searching } = this;
    if (model.query === '' || !searching) {
      parts.toolbar.setMatches({ text: '' });
      return;
    }
    const done = searching.examined >= searching.total;
    parts.toolbar.setMatches({
      text: `${formatCount(model.matches.count)}${done ? '' : '…'} ${model.matches.count === 1 ? 'match' : 'matches'}`,
    });
  }

  /** Times of at most a few thousand matches, for the overview; taken anew when the matches change. */
  private overviewMatches(): readonly number[] {
    const { matchList, layout } = this.model;
    if (this.matchTimesFor !== matchList.length) {
      this.matchTimesFor = matchList.length;
      const step = Math.max(1, Math.ceil(matchList.length / 4000));
      this.matchTimes = [];
      for (let at = 0; at < matchList.length; at += step)
        this.matchTimes.push(layout.start(matchList[at] as number));
    }
    return this.matchTimes;
  }

  private describe(selection: Selection): string {
    const { table } = this.model;
    switch (selection.kind) {
      case 'none':
        return 'Nothing selected';
      case 'range':
        return `Range of ${formatDuration(selection.window.to - selection.window.from)} selected`;
      case 'group':
        return `${plural(selection.spans.length, 'span')} selected`;
      case 'span': {
        const i = selection.index;
        const detail = table.text(table.detail[i] as number);
        const kind = table.has(i, SPAN_FLAG.kernel) ? 'system call' : 'span';
        const duration = table.duration[i] as number;
        return [
          `${table.nameOf(i)}${detail === '' ? '' : ` ${detail}`}, ${kind}`,
          Number.isNaN(duration) ? 'unfinished' : formatDuration(duration),
          waitingText(table.timesOf(i)).replace(' · ', ', '),
          table.has(i, SPAN_FLAG.error) ? 'error' : '',
          table.text(table.source[i] as number),
          `at ${formatOffset(this.model.layout.start(i) - this.model.extent.from, 1000)}`,
        ]
          .filter((part) => part !== '')
          .join(', ');
      }
    }
  }

  private viewState(): ViewState {
    const { model, view, parts } = this;
    const { selection } = model;
    return {
      version: 1,
      epochNs: model.epochNs,
      window: this.autoFit || (this.following && model.state.kind === 'running') ? null : view.target,
      scrollY: view.targetScrollY,
      selected: selection.kind === 'span' ? selection.index : null,
      range: selection.kind === 'range' ? selection.window : null,
      marks: model.marks,
      collapsed: [...model.collapsed].slice(0, 2000),
      allCollapsed: model.allCollapsed,
      merged: model.mergeChosen ? model.layout.mergesSimilar : null,
      query: model.query,
      hideOthers: model.hideOthers,
      labelWidth: this.chosenLabels,
      panelHeight: this.panelHeight,
      panelOpen: !parts.frame.classList.contains('no-panel'),
    };
  }
}
