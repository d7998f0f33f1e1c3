/**
 * The host's half of a timeline: sends what the webview needs from a SpanStore, in order and with flow control, and turns the
 * webview's wishes into calls of `TimelineActions`. Knows neither VS Code nor a clock; both are handed in.
 */
import type { Disposable } from '../base/disposable';
import { ns } from '../base/time';
import { NO_LOSS, type LossReport, type LostStretch } from '../model/loss';
import type { TimelineCommandId } from './commands';
import { plural } from './format';
import { sourceLocation, spanDetails, spanEvents, type SourceResolver } from './details';
import {
  DEFAULT_SETTINGS,
  VIEW_PROTOCOL_VERSION,
  asWebviewMessage,
  type HostToWebview,
  type RunState,
  type SourceLocation,
  type TimelineSettings,
  type WebviewToHost,
} from './protocol';
import { SpanSearch } from './search';
import type { ColumnReader, SpanStore } from './store';
import { wakeeOfSpan, wakerOfSpan } from './wakeups';

/** What only the editor can do. */
export interface TimelineActions {
  /** The location is as recorded; mapping it is the editor's business. */
  openSource(
    location: SourceLocation,
    how: { readonly toSide: boolean; readonly preserveFocus: boolean },
  ): void;
  /** A span without a location was asked for: tell why (`reason` as in `skua.source.unknown`). */
  sourceUnknown(reason: string): void;
  pickSource(location: SourceLocation): void;
  copy(text: string, what: string): void;
  exportTrace(): void;
  stop(): void;
  showLog(): void;
  focusChanged(focused: boolean): void;
  selectionChanged(index: number | null): void;
  /** A bug: goes to the log and, once, to the user. */
  problem(message: string, detail: string): void;
}

export interface TimelineHostOptions {
  readonly store: SpanStore;
  readonly title: string;
  /** To the webview; the buffers of a message may be transferred. */
  readonly post: (message: HostToWebview) => void;
  /** `setTimeout`, so that it can be stopped. */
  readonly schedule: (run: () => void, delayMs: number) => Disposable;
  readonly actions: TimelineActions;
  readonly resolveSource: SourceResolver;
  readonly settings?: TimelineSettings;
  /** Comes back to the editor with a restored panel (see `init.persist`). */
  readonly persist?: unknown;
}

/** Rows in one message, about 4 MB; and messages on their way at most. */
const ROWS_PER_MESSAGE = 65_536;
const MESSAGES_IN_FLIGHT = 3;
/** Live spans are gathered this long: below what the eye notices, above what would flood the message channel. */
const GATHER_MS = 40;
const SEARCH_SLICE = 20_000;

export class TimelineHost implements Disposable {
  private reader: ColumnReader | undefined;
  private search: { readonly id: number; readonly run: SpanSearch } | undefined;
  private searchTimer: Disposable | undefined;
  private sendTimer: Disposable | undefined;
  private seq = 0;
  private applied = 0;
  private ready = false;
  private disposed = false;
  private loss: LossReport = NO_LOSS;
  private lost: readonly LostStretch[] = [];
  private state: RunState = { kind: 'preparing', text: 'Preparing…' };
  private settings: TimelineSettings;
  private reveals: number[] = [];
  private readonly storeListener: Disposable;

  constructor(private readonly options: TimelineHostOptions) {
    this.settings = options.settings ?? DEFAULT_SETTINGS;
    this.storeListener = options.store.onUpsert((replaced) => {
      for (const index of replaced) this.search?.run.spanChanged(index);
      this.scheduleSend(GATHER_MS);
    });
  }

  setState(state: RunState): void {
    this.state = state;
    if (this.ready) this.options.post({ type: 'state', state });
  }

  setLoss(loss: LossReport, lost: readonly LostStretch[] = []): void {
    this.loss = loss;
    this.lost = lost;
    if (this.ready) this.postLoss();
  }

  setSettings(settings: TimelineSettings): void {
    this.settings = settings;
    if (this.ready) this.options.post({ type: 'settings', settings });
  }

  /** Selects a span and brings it into view, as soon as the webview has it. */
  reveal(index: number): void {
    this.reveals.push(index);
    this.scheduleSend(0);
  }

  command(id: TimelineCommandId): void {
    if (this.ready) this.options.post({ type: 'command', id });
  }

  /** Every message of the webview goes here, unchecked. */
  receive(message: unknown): void {
    const known = asWebviewMessage(message);
    if (!known) {
      this.options.actions.problem(
        'The timeline sent a message that is not part of its protocol.',
        describe(message),
      );
      return;
    }
    if (!this.disposed) this.handle(known);
  }

  dispose(): void {
    this.disposed = true;
    void this.storeListener.dispose();
    this.reader?.dispose();
    void this.sendTimer?.dispose();
    void this.searchTimer?.dispose();
  }

  private handle(message: WebviewToHost): void {
    const { actions, store } = this.options;
    switch (message.type) {
      case 'ready':
        this.begin();
        break;
      case 'applied':
        this.applied = Math.max(this.applied, message.seq);
        this.scheduleSend(0);
        break;
      case 'requestDetails':
        this.sendDetails(message.index);
        break;
      case 'requestEvents': {
        const { events, total } = spanEvents(store, message);
        this.options.post({ type: 'events', request: message.request, events, total });
        break;
      }
      case 'search':
        this.startSearch(message.search, message.query);
        break;
      case 'openSource':
      case 'pickSource':
        this.openSource(message);
        break;
      case 'followWakeup': {
        const target =
          message.to === 'waker' ? wakerOfSpan(store, message.index) : wakeeOfSpan(store, message.index);
        if ('index' in target) this.reveal(target.index);
        else this.options.post({ type: 'notice', text: target.reason });
        break;
      }
      case 'selection':
        actions.selectionChanged(message.index);
        break;
      case 'copy':
        actions.copy(message.text, message.what);
        break;
      case 'export':
        actions.exportTrace();
        break;
      case 'stop':
        actions.stop();
        break;
      case 'showLog':
        actions.showLog();
        break;
      case 'focus':
        actions.focusChanged(message.focused);
        break;
      case 'problem':
        actions.problem(message.message, message.detail);
        break;
    }
  }

  /** A webview has started (again): it knows nothing. */
  private begin(): void {
    const { store } = this.options;
    this.reader?.dispose();
    this.reader = store.createReader();
    this.search = undefined;
    this.applied = this.seq;
    this.ready = true;
    this.options.post({
      type: 'init',
      version: VIEW_PROTOCOL_VERSION,
      title: this.options.title,
      settings: this.settings,
      epochNs: store.epoch === undefined ? '' : String(store.epoch),
      expectedSpans: store.size,
      persist: this.options.persist ?? null,
    });
    this.options.post({ type: 'state', state: this.state });
    this.postLoss();
    this.send();
  }

  private postLoss(): void {
    const { store } = this.options;
    const windows = this.lost.map(({ startNs, endNs, events }) => ({
      start: store.offsetOf(ns(startNs)),
      end: store.offsetOf(ns(endNs)),
      text: events === 0 ? 'Events were lost here' : `${plural(events, 'event')} lost here`,
    }));
    this.options.post({ type: 'loss', loss: this.loss, windows });
  }

  private scheduleSend(delayMs: number): void {
    if (!this.ready || this.disposed || this.sendTimer) return;
    this.sendTimer = this.options.schedule(() => {
      this.sendTimer = undefined;
      this.send();
    }, delayMs);
  }

  private send(): void {
    const { store } = this.options;
    while (this.reader && this.seq - this.applied < MESSAGES_IN_FLIGHT) {
      const delta = this.reader.take(ROWS_PER_MESSAGE);
      if (!delta) break;
      this.seq += 1;
      this.options.post({ type: 'columns', seq: this.seq, epochNs: String(store.epoch ?? ''), delta });
    }
    if (this.reader?.pending === 0) {
      for (const index of this.reveals) this.options.post({ type: 'reveal', index });
      this.reveals = [];
    }
    this.scheduleSearch();
  }

  private startSearch(id: number, query: string): void {
    void this.searchTimer?.dispose();
    this.searchTimer = undefined;
    this.search = query.trim() === '' ? undefined : { id, run: new SpanSearch(this.options.store, query) };
    this.scheduleSearch();
  }

  private scheduleSearch(): void {
    if (this.searchTimer || !this.search?.run.pending || this.disposed) return;
    this.searchTimer = this.options.schedule(() => {
      this.searchTimer = undefined;
      this.stepSearch();
    }, 0);
  }

  private stepSearch(): void {
    if (!this.search) return;
    const { id, run } = this.search;
    const step = run.step(SEARCH_SLICE);
    this.options.post({
      type: 'searchResult',
      search: id,
      matches: Uint32Array.from(step.matches).buffer,
      unmatched: Uint32Array.from(step.unmatched).buffer,
      examined: step.examined,
      total: step.total,
    });
    this.scheduleSearch();
  }

  private sendDetails(index: number): void {
    spanDetails(this.options.store, index, this.options.resolveSource).then(
      (details) => {
        if (details && !this.disposed) this.options.post({ type: 'details', details });
      },
      (error: unknown) => {
        this.options.actions.problem('The details of a span could not be prepared.', describe(error));
      },
    );
  }

  private openSource(message: Extract<WebviewToHost, { type: 'openSource' | 'pickSource' }>): void {
    const { actions, store } = this.options;
    const span = store.get(message.index);
    const location = span && sourceLocation(span, message.frame);
    if (!location) {
      const reason = span?.attributes['skua.source.unknown'];
      actions.sourceUnknown(typeof reason === 'string' ? reason : '');
    } else if (message.type === 'pickSource') {
      actions.pickSource(location);
    } else {
      actions.openSource(location, { toSide: message.toSide, preserveFocus: message.preserveFocus });
    }
  }
}

function describe(value: unknown): string {
  if (value instanceof Error) return value.stack ?? value.message;
  try {
    return JSON.stringify(value).slice(0, 500);
  } catch {
    // Circular, or a bigint: its type is all that can be said.
    return typeof value;
  }
}
