/**
 * Messages between the extension host and the timeline's webview. VS Code carries them as JSON plus ArrayBuffers, so there is no
 * bigint, Map or typed array anywhere: nanoseconds since the Unix epoch are decimal strings, offsets are numbers.
 *
 *   webview                         host
 *     ready ───────────────────────►
 *     ◄─────────────────────── init, state, loss, columns…     (again after every ready: a hidden webview is thrown away)
 *     applied(seq) ────────────────►                           (flow control: few columns messages are ever on their way)
 *     requestDetails, search, … ───►
 *     ◄─────────────────────── details, events, searchResult
 */
import type { SkuaErrorData } from '../base/errors';
import type { LossReport } from '../model/loss';
import type { SpanColumns } from './columns';
import type { TimelineCommandId } from './commands';

/** Host and webview come from one package, but a webview restored by an updated extension may meet an older saved state. */
export const VIEW_PROTOCOL_VERSION = 1;

export interface TimelineSettings {
  /** `skua.timeline.openSourceOnClick`: one click on a system call opens its source, keeping the focus in the timeline. */
  readonly openSourceOnClick: boolean;
}

export const DEFAULT_SETTINGS: TimelineSettings = { openSourceOnClick: true };

export type RunState =
  /** Target and session are being made ready; `text` names the step. */
  | { readonly kind: 'preparing'; readonly text: string; readonly fraction?: number }
  | { readonly kind: 'running'; readonly text: string }
  /** The program has ended and every span has been delivered, or the trace comes from a file. */
  | { readonly kind: 'ended'; readonly text: string }
  | { readonly kind: 'failed'; readonly text: string; readonly error?: SkuaErrorData };

/** A stretch of time in which events are known to be lost, ns since the epoch of `init`. */
export interface LossWindow {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A value as shown: `text` is complete, also for 64-bit integers. */
export interface DetailField {
  readonly name: string;
  readonly text: string;
}

export interface SourceLocation {
  /** Path as recorded in the program. */
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** Path of the file in this workspace; absent when no mapping was found. */
  readonly localPath?: string;
}

export interface DetailFrame {
  /** Function name, or the address when it has none. */
  readonly label: string;
  readonly inlined: boolean;
  readonly source?: SourceLocation;
  readonly module?: string;
}

export interface DetailEvent {
  /** Span it belongs to. */
  readonly index: number;
  /** ns since the epoch of `init`. */
  readonly time: number;
  readonly name: string;
  readonly fields: readonly DetailField[];
}

/** The span of a thread that woke another one. `index` is absent when it is not (yet) among the spans. */
export interface DetailWaker {
  /** `bank/1234`; `interrupt`. */
  readonly text: string;
  readonly span?: {
    readonly index?: number;
    /** Names of the system call's span and of the user span around it, as far as they are known. */
    readonly name?: string;
    readonly userName?: string;
  };
}

/** What became of a system call's time. */
export type DetailWaiting =
  | {
      readonly kind: 'times';
      /** ns; they add up to the duration. */
      readonly onCpuNs: number;
      readonly runnableNs: number;
      readonly blockedNs: number;
      /** Who ended the longest time blocked. */
      readonly waker?: DetailWaker;
    }
  | { readonly kind: 'unknown'; readonly text: string };

export interface SpanDetails {
  readonly index: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly origin: 'user' | 'kernel';
  readonly kind: string;
  readonly service: string;
  /** ns since the Unix epoch, decimal. */
  readonly startNs: string;
  /** ns, decimal; absent while unfinished. */
  readonly durationNs?: string;
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message?: string };
  /** Error name of a failed system call (`ENOENT`) and what it means. */
  readonly errno?: { readonly name: string; readonly text: string };
  /** Result of a system call, decimal. */
  readonly returned?: string;
  readonly unfinished?: string;
  readonly lostEvents?: number;
  readonly pid?: number;
  readonly tid?: number;
  readonly cpu?: number;
  readonly process?: string;
  readonly fdPath?: string;
  /** Which function of the C library makes this system call under another name, and since when. */
  readonly libraryCall?: string;
  /** Arguments of a system call in their order. */
  readonly args: readonly DetailField[];
  readonly source?: SourceLocation;
  /** Why there is no source line. */
  readonly sourceUnknown?: string;
  /** Innermost first. */
  readonly frames: readonly DetailFrame[];
  /** Attributes not shown otherwise. */
  readonly attributes: readonly DetailField[];
  /** Events of the span itself, in all. */
  readonly eventCount: number;
  readonly waiting?: DetailWaiting;
  /** Spans that a thread in this one woke, at most some ten, and how many there are. */
  readonly woke: readonly { readonly index: number; readonly text: string }[];
  readonly wokeCount: number;
  /** But those to wakers. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

export type HostToWebview =
  | {
      readonly type: 'init';
      readonly version: number;
      readonly title: string;
      readonly settings: TimelineSettings;
      /** ns since the Unix epoch that all offsets are relative to, decimal; '' until the first span has been seen. */
      readonly epochNs: string;
      /** Spans that will follow at once, for a progress bar. */
      readonly expectedSpans: number;
      /** Kept in `vscode.setState` under `host`, beside the view's own state: all that a restored panel's host has to go by. */
      readonly persist: unknown;
    }
  | { readonly type: 'settings'; readonly settings: TimelineSettings }
  | {
      readonly type: 'columns';
      readonly seq: number;
      readonly epochNs: string;
      readonly delta: SpanColumns;
    }
  /** Forget all spans (another trace follows). */
  | { readonly type: 'reset' }
  | { readonly type: 'loss'; readonly loss: LossReport; readonly windows: readonly LossWindow[] }
  | { readonly type: 'state'; readonly state: RunState }
  | { readonly type: 'details'; readonly details: SpanDetails }
  | {
      readonly type: 'events';
      readonly request: number;
      readonly events: readonly DetailEvent[];
      /** Events that matched, of which at most the requested limit were sent. */
      readonly total: number;
    }
  | {
      readonly type: 'searchResult';
      readonly search: number;
      /** Uint32 span indices that match, in addition to those already sent for this search. */
      readonly matches: ArrayBuffer;
      /** Uint32 span indices sent before that no longer match (the span has changed). */
      readonly unmatched: ArrayBuffer;
      /** Spans examined so far, of how many. */
      readonly examined: number;
      readonly total: number;
    }
  /** Select a span and bring it into view. */
  | { readonly type: 'reveal'; readonly index: number }
  /** Something that was asked for is not there: said to the user in passing. */
  | { readonly type: 'notice'; readonly text: string }
  /** A VS Code command, from the palette or a key bound by the user. */
  | { readonly type: 'command'; readonly id: TimelineCommandId }
  /** Colours have changed: read the theme's variables again (the webview also notices by itself). */
  | { readonly type: 'theme' };

export type WebviewToHost =
  | { readonly type: 'ready'; readonly version: number; readonly restored: boolean }
  | { readonly type: 'applied'; readonly seq: number }
  | { readonly type: 'requestDetails'; readonly index: number }
  | {
      readonly type: 'requestEvents';
      readonly request: number;
      readonly index: number;
      readonly descendants: boolean;
      /** ns since the epoch of `init`. */
      readonly from: number;
      readonly to: number;
      readonly limit: number;
    }
  /** Replaces the previous search; an empty query ends it. */
  | { readonly type: 'search'; readonly search: number; readonly query: string }
  | {
      readonly type: 'openSource';
      readonly index: number;
      /** Index in `frames`; absent: the span's own location. */
      readonly frame?: number;
      readonly toSide: boolean;
      readonly preserveFocus: boolean;
    }
  /** Let the user choose the local file for a path that could not be mapped. */
  | { readonly type: 'pickSource'; readonly index: number; readonly frame?: number }
  /** Go from a span to the one that woke it, or to the first that it woke: answered with `reveal` or `notice`. */
  | { readonly type: 'followWakeup'; readonly index: number; readonly to: 'waker' | 'wakee' }
  | { readonly type: 'selection'; readonly index: number | null }
  | { readonly type: 'copy'; readonly text: string; readonly what: string }
  | { readonly type: 'export' }
  | { readonly type: 'stop' }
  | { readonly type: 'showLog' }
  /** The canvas or its rows (not a text field) have the keyboard: the value of the context key `skua.timelineFocus`. */
  | { readonly type: 'focus'; readonly focused: boolean }
  /** A bug in the webview, for the log. */
  | { readonly type: 'problem'; readonly message: string; readonly detail: string };

const FROM_WEBVIEW: Readonly<Record<WebviewToHost['type'], Readonly<Record<string, string>>>> = {
  ready: { version: 'number', restored: 'boolean' },
  applied: { seq: 'number' },
  requestDetails: { index: 'number' },
  requestEvents: {
    request: 'number',
    index: 'number',
    descendants: 'boolean',
    from: 'number',
    to: 'number',
    limit: 'number',
  },
  search: { search: 'number', query: 'string' },
  openSource: { index: 'number', toSide: 'boolean', preserveFocus: 'boolean', frame: 'number?' },
  pickSource: { index: 'number', frame: 'number?' },
  followWakeup: { index: 'number', to: 'string' },
  selection: {},
  copy: { text: 'string', what: 'string' },
  export: {},
  stop: {},
  showLog: {},
  focus: { focused: 'boolean' },
  problem: { message: 'string', detail: 'string' },
};

/** A message of the webview when it is one, undefined otherwise: what arrives in `onDidReceiveMessage` is not trusted. */
export function asWebviewMessage(value: unknown): WebviewToHost | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const message = value as Readonly<Record<string, unknown>>;
  const type = message['type'];
  if (typeof type !== 'string' || !Object.hasOwn(FROM_WEBVIEW, type)) return undefined;
  for (const [field, kind] of Object.entries(FROM_WEBVIEW[type as WebviewToHost['type']])) {
    const optional = kind.endsWith('?');
    const actual = message[field];
    if (optional && actual === undefined) continue;
    if (typeof actual !== (optional ? kind.slice(0, -1) : kind)) return undefined;
  }
  if (type === 'selection' && message['index'] !== null && typeof message['index'] !== 'number')
    return undefined;
  return value as WebviewToHost;
}
