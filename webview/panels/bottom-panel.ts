/** The panel below the timeline: details or sums of the selection, its events, the table of spans, losses. */
import { formatDuration, plural } from '../../common/view/format';
import type { DetailEvent, SpanDetails, WebviewToHost } from '../../common/view/protocol';
import { TreeTable } from '../a11y/tree-table';
import { aggregate, allSpans } from '../aggregate';
import { tabs, type Tabs } from '../controls';
import type { Model } from '../model';
import type { Selection } from '../render/scene';
import type { TimeWindow } from '../view/viewport';
import { detailsText, renderDetails } from './details-view';
import { el } from './dom';
import { EVENT_LIMIT, createEventsView, type EventsView } from './events-view';
import { createLossView, type LossView } from './loss-view';
import { renderSummary } from './summary-view';

export interface BottomPanelActions {
  readonly post: (message: WebviewToHost) => void;
  /** Select and bring into view. */
  readonly goTo: (span: number) => void;
  readonly showTime: (time: number) => void;
  readonly filterByName: (name: string) => void;
  readonly openSource: (span: number, toSide: boolean) => void;
  readonly window: () => TimeWindow;
  readonly copy: (text: string, what: string) => void;
}

export class BottomPanel {
  readonly element: HTMLElement;
  readonly tree: TreeTable;
  readonly tabs: Tabs;
  private readonly details = el('div', { class: 'details-host' });
  private readonly events: EventsView;
  private readonly losses: LossView = createLossView();
  private shown: SpanDetails | undefined;
  private eventRequest = 0;
  private lastEventKey = '';

  constructor(
    private readonly model: Model,
    private readonly actions: BottomPanelActions,
  ) {
    this.tree = new TreeTable(model, {
      select: actions.goTo,
      openSource: actions.openSource,
    });
    this.events = createEventsView({
      changed: () => {
        this.lastEventKey = '';
        this.requestEvents();
      },
      select: (event) => {
        actions.goTo(event.index);
        actions.showTime(event.time);
      },
      nameOf: (index) => model.table.nameOf(index),
    });
    this.tabs = tabs(
      'Details',
      [
        { id: 'details', title: 'Details', view: this.details },
        { id: 'events', title: 'Events', view: this.events.element },
        { id: 'table', title: 'Spans', view: this.tree.element },
        { id: 'losses', title: 'Losses', view: this.losses.element },
      ],
      () => {
        this.tabChanged();
      },
    );
    this.element = el('section', { class: 'bottom', 'aria-label': 'Details' }, this.tabs.element);
    this.showSelection({ kind: 'none' });
    this.losses.set(model.loss);
  }

  /** The selected span as text; undefined until its details have come. */
  get currentText(): string | undefined {
    return this.shown && detailsText(this.shown);
  }

  showSelection(selection: Selection): void {
    const { model, actions } = this;
    this.shown = undefined;
    switch (selection.kind) {
      case 'none':
        this.details.replaceChildren(
          el(
            'p',
            { class: 'quiet' },
            'Select a span, or drag over the timeline to sum up a time range. ? shows all keys.',
          ),
        );
        break;
      case 'span':
        actions.post({ type: 'requestDetails', index: selection.index });
        if (model.table.has(selection.index, 32)) this.showPlaceholder(selection.index);
        break;
      case 'group': {
        const sums = aggregate(model.table, selection.spans, model.table.lastEnd);
        const first = model.layout.start(selection.spans[0] as number);
        const last = model.layout.end(selection.spans.at(-1) as number);
        const title = `${plural(selection.spans.length, 'neighbour')} within ${formatDuration(last - first)}`;
        this.details.replaceChildren(renderSummary(title, sums, this.summaryActions()));
        break;
      }
      case 'range': {
        const sums = aggregate(model.table, allSpans(model.table), model.table.lastEnd, selection.window);
        const length = formatDuration(selection.window.to - selection.window.from);
        this.details.replaceChildren(renderSummary(`Range of ${length}`, sums, this.summaryActions()));
        break;
      }
    }
    this.requestEvents();
  }

  setDetails(details: SpanDetails): void {
    const { selection } = this.model;
    if (selection.kind !== 'span' || selection.index !== details.index) return;
    this.shown = details;
    const origin =
      BigInt(this.model.epochNs === '' ? '0' : this.model.epochNs) +
      BigInt(Math.round(this.model.extent.from));
    this.details.replaceChildren(
      renderDetails(details, origin, {
        openSource: (index, frame, toSide) => {
          this.actions.post({
            type: 'openSource',
            index,
            ...(frame === undefined ? {} : { frame }),
            toSide,
            preserveFocus: false,
          });
        },
        pickSource: (index, frame) => {
          this.actions.post({ type: 'pickSource', index, ...(frame === undefined ? {} : { frame }) });
        },
        copy: this.actions.copy,
        select: this.actions.goTo,
        selectParent: (index) => {
          const parent = this.model.table.parent[index] ?? -1;
          if (parent >= 0) this.actions.goTo(parent);
        },
      }),
    );
  }

  setEvents(request: number, events: readonly DetailEvent[], total: number): void {
    if (request !== this.eventRequest) return;
    this.events.set(events, total, this.model.extent.from);
    this.tabs.setTitle('events', total === 0 ? 'Events' : `Events (${total > 99_999 ? '99k+' : total})`);
  }

  setLoss(): void {
    this.losses.set(this.model.loss);
  }

  /** Asks for events again when the window matters and has changed. Cheap to call. */
  windowChanged(): void {
    if (this.events.visibleOnly) this.requestEvents();
  }

  /** The tree changed: the table follows when it is in view. */
  treeChanged(): void {
    if (this.tabs.active === 'table') this.tree.refresh();
  }

  open(tab: 'details' | 'events' | 'table' | 'losses'): void {
    this.tabs.active = tab;
    this.tabChanged();
  }

  private tabChanged(): void {
    if (this.tabs.active !== 'table') return;
    const { selection } = this.model;
    if (selection.kind === 'span') this.tree.reveal(selection.index);
    else this.tree.refresh();
  }

  private showPlaceholder(index: number): void {
    this.details.replaceChildren(
      el(
        'div',
        { class: 'details' },
        el('div', { class: 'details-head' }, el('h2', {}, 'Not reported yet')),
        el(
          'p',
          {},
          'System calls name this span as their parent, but the program has not reported it. Tracing clients report a span when it ends; a span whose program was killed, or whose report was lost, is never reported.',
        ),
        el(
          'p',
          { class: 'quiet' },
          `Trace ${this.model.table.traces[this.model.table.trace[index] as number] ?? ''}`,
        ),
      ),
    );
  }

  private summaryActions() {
    return { select: this.actions.goTo, filterByName: this.actions.filterByName };
  }

  private requestEvents(): void {
    const { selection, extent } = this.model;
    if (selection.kind !== 'span') {
      this.lastEventKey = '';
      this.eventRequest += 1;
      this.events.set(undefined, 0, 0);
      this.tabs.setTitle('events', 'Events');
      return;
    }
    const window = this.events.visibleOnly ? this.actions.window() : { from: extent.from - 1e9, to: 1e300 };
    const { descendants } = this.events;
    const key = `${selection.index}/${descendants}/${window.from}/${window.to}`;
    if (key === this.lastEventKey) return;
    this.lastEventKey = key;
    this.eventRequest += 1;
    this.actions.post({
      type: 'requestEvents',
      request: this.eventRequest,
      index: selection.index,
      descendants,
      from: window.from,
      to: window.to,
      limit: EVENT_LIMIT,
    });
  }
}
