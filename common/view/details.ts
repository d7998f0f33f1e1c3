/** One span made ready to be read by a person: everything as text, nothing a bigint (see protocol.ts). */
import { libraryCallOf } from '../model/libraryCalls';
import { ATTR, type Span } from '../model/span';
import { errnoText } from './errno';
import type { DetailEvent, DetailField, DetailFrame, SourceLocation, SpanDetails } from './protocol';
import { valueText } from './query';
import { parseStack } from './stack';
import { numeric, sortedEvents, targetOf, text, type SpanStore } from './store';
import { detailWaiting } from './wakeups';
import { WAKER_LINK } from '../model/waiting';

/** Attributes that have a place of their own in the details. */
const SHOWN = new Set<string>([
  ATTR.syscallNr,
  ATTR.syscallRet,
  ATTR.syscallErrno,
  ATTR.syscallArgs,
  ATTR.fdPath,
  ATTR.osTid,
  ATTR.pid,
  ATTR.cpu,
  ATTR.processName,
  ATTR.unfinished,
  ATTR.lostEvents,
  ATTR.sourceUnknown,
  ATTR.codeFile,
  ATTR.codeLine,
  ATTR.codeColumn,
  ATTR.codeFunction,
  ATTR.codeStacktrace,
  ATTR.onCpuNs,
  ATTR.runnableNs,
  ATTR.blockedNs,
  ATTR.timesUnknown,
  ATTR.states,
  ATTR.wakerName,
  ATTR.wakerPid,
  ATTR.wakerTid,
  ATTR.wakerTraceId,
  ATTR.wakerSpanId,
  ATTR.wakerUserSpanId,
]);

/** Spans woken from one are listed up to here. */
const MAX_WOKE = 12;

/** Finds the file in the workspace for a path recorded in the program; undefined when there is none. */
export type SourceResolver = (file: string) => Promise<string | undefined>;

/** Details of the span at `index`; undefined for a placeholder or an unknown index. */
export async function spanDetails(
  store: SpanStore,
  index: number,
  resolve: SourceResolver,
): Promise<SpanDetails | undefined> {
  const span = store.get(index);
  if (!span) return undefined;
  const a = span.attributes;
  const errno = text(a[ATTR.syscallErrno]);
  const returned = a[ATTR.syscallRet];
  const unfinished = text(a[ATTR.unfinished]);
  const lostEvents = numeric(a[ATTR.lostEvents]);
  const sourceUnknown = text(a[ATTR.sourceUnknown]);
  const source = await locate(sourceLocation(span), resolve);
  const waiting = detailWaiting(store, span);
  const woke = store.wokenBy(index);
  return {
    index,
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
    name: span.name,
    origin: span.origin,
    kind: span.kind,
    service: span.service,
    startNs: String(span.startNs),
    ...(span.endNs === undefined ? {} : { durationNs: String(span.endNs - span.startNs) }),
    status: span.status,
    ...(errno === undefined ? {} : { errno: { name: errno, text: errnoText(errno) } }),
    ...(returned === undefined ? {} : { returned: valueText(returned) }),
    ...(unfinished === undefined ? {} : { unfinished }),
    ...(lostEvents === undefined ? {} : { lostEvents }),
    ...optionalNumber('pid', a[ATTR.pid]),
    ...optionalNumber('tid', a[ATTR.osTid]),
    ...optionalNumber('cpu', a[ATTR.cpu]),
    ...optionalText('process', a[ATTR.processName]),
    ...optionalText('fdPath', a[ATTR.fdPath]),
    ...optionalText('libraryCall', libraryCallText(span)),
    args: argumentFields(span),
    ...(source === undefined ? {} : { source }),
    ...(sourceUnknown === undefined ? {} : { sourceUnknown }),
    frames: await detailFrames(span, resolve),
    attributes: Object.entries(a)
      .filter(([name]) => !SHOWN.has(name) && !name.startsWith(ATTR.syscallArgPrefix))
      .map(([name, value]) => ({ name, text: valueText(value) })),
    eventCount: span.events.length,
    ...(waiting === undefined ? {} : { waiting }),
    woke: woke.slice(0, MAX_WOKE).map((i) => ({ index: i, text: wokeText(store.get(i)) })),
    wokeCount: woke.length,
    links: span.links
      .filter((link) => link.attributes[ATTR.link] !== WAKER_LINK)
      .map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
  };
}

function libraryCallText(span: Span): string | undefined {
  const call = libraryCallOf(span);
  return call && `What ${call.functions.join(', ')} makes: ${call.why}`;
}

/** `read /tmp/x in bank/1234`. */
function wokeText(span: Span | undefined): string {
  if (span === undefined) return '';
  const thread = [text(span.attributes[ATTR.processName]), numeric(span.attributes[ATTR.osTid])];
  const target = targetOf(span);
  const where = thread.filter((part) => part !== undefined).join('/');
  return `${span.name}${target === '' ? '' : ` ${target}`}${where === '' ? '' : ` in ${where}`}`;
}

/** The span's own location as recorded, or that of one of its stack frames. */
export function sourceLocation(span: Span, frame?: number): SourceLocation | undefined {
  if (frame !== undefined) {
    const at = parseStack(text(span.attributes[ATTR.codeStacktrace]) ?? '')[frame];
    if (at?.file === undefined) return undefined;
    return {
      file: at.file,
      ...(at.line === undefined ? {} : { line: at.line }),
      ...(at.column === undefined ? {} : { column: at.column }),
    };
  }
  const file = text(span.attributes[ATTR.codeFile]);
  if (file === undefined) return undefined;
  const line = numeric(span.attributes[ATTR.codeLine]);
  const column = numeric(span.attributes[ATTR.codeColumn]);
  return { file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) };
}

async function locate(
  source: SourceLocation | undefined,
  resolve: SourceResolver,
): Promise<SourceLocation | undefined> {
  if (!source) return undefined;
  const localPath = await resolve(source.file);
  return localPath === undefined ? source : { ...source, localPath };
}

async function detailFrames(span: Span, resolve: SourceResolver): Promise<readonly DetailFrame[]> {
  const frames = parseStack(text(span.attributes[ATTR.codeStacktrace]) ?? '');
  return Promise.all(
    frames.map(async (frame, i) => {
      const source = await locate(sourceLocation(span, i), resolve);
      return {
        label: frame.label,
        inlined: frame.inlined,
        ...(source === undefined ? {} : { source }),
        ...(frame.module === undefined ? {} : { module: frame.module }),
      };
    }),
  );
}

/** Arguments in their declared order; any the list does not name follow. */
function argumentFields(span: Span): readonly DetailField[] {
  const order = span.attributes[ATTR.syscallArgs];
  const named = Array.isArray(order) ? order.map(String) : [];
  const rest = Object.keys(span.attributes)
    .filter((name) => name.startsWith(ATTR.syscallArgPrefix))
    .map((name) => name.slice(ATTR.syscallArgPrefix.length))
    .filter((name) => !named.includes(name));
  return [...named, ...rest].flatMap((name) => {
    const value = span.attributes[ATTR.syscallArgPrefix + name];
    return value === undefined ? [] : [{ name, text: valueText(value) }];
  });
}

function optionalNumber<K extends string>(name: K, value: Span['attributes'][string] | undefined) {
  const n = numeric(value);
  return (n === undefined ? {} : { [name]: n }) as Partial<Record<K, number>>;
}

function optionalText<K extends string>(name: K, value: Span['attributes'][string] | undefined) {
  const t = text(value);
  return (t === undefined ? {} : { [name]: t }) as Partial<Record<K, string>>;
}

export interface EventQuery {
  readonly index: number;
  /** With the events of all spans below it as well. */
  readonly descendants: boolean;
  /** ns since the store's epoch, inclusive. */
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}

/**
 * Events of a span (and those below it) within a window, in time order: the first `limit` of them, and how many there are. Looks at
 * every span of the store when descendants are asked for (indices say nothing about the tree): about 10 ms for a million.
 */
export function spanEvents(
  store: SpanStore,
  query: EventQuery,
): { readonly events: readonly DetailEvent[]; readonly total: number } {
  const found: DetailEvent[] = [];
  let total = 0;
  const collect = (index: number) => {
    const span = store.get(index);
    if (!span) return;
    for (const event of sortedEvents(span)) {
      const time = store.offsetOf(event.timeNs);
      if (time < query.from || time > query.to) continue;
      total += 1;
      found.push({
        index,
        time,
        name: event.name,
        fields: Object.entries(event.attributes).map(([name, value]) => ({ name, text: valueText(value) })),
      });
      // Keep the earliest: cut when twice the limit has gathered.
      if (found.length >= query.limit * 2) earliest(found, query.limit);
    }
  };
  collect(query.index);
  if (query.descendants) for (const index of descendantsOf(store, query.index)) collect(index);
  earliest(found, query.limit);
  return { events: found, total };
}

function earliest(events: DetailEvent[], limit: number): void {
  events.sort((a, b) => a.time - b.time);
  events.length = Math.min(events.length, limit);
}

/** Indices below `root`, by climbing from every span with the outcome remembered: linear in the store. */
export function descendantsOf(store: SpanStore, root: number): readonly number[] {
  const UNKNOWN = 0;
  const INSIDE = 1;
  const OUTSIDE = 2;
  const state = new Uint8Array(store.size);
  state[root] = INSIDE;
  const below: number[] = [];
  const path: number[] = [];
  for (let index = 0; index < store.size; index++) {
    let at = index;
    while (at !== -1 && state[at] === UNKNOWN) {
      path.push(at);
      at = store.parentOf(at);
    }
    const verdict = at === -1 ? OUTSIDE : (state[at] as number);
    for (const step of path) {
      state[step] = verdict;
      if (verdict === INSIDE) below.push(step);
    }
    path.length = 0;
  }
  return below;
}
