/** Spans for the tests of the view, made from a few words. */
import { ns } from '../base/time';
import type { Attributes, Span, SpanId, TraceId } from '../model/span';

export interface SpanWords {
  readonly id: number;
  readonly parent?: number;
  readonly trace?: number;
  readonly name?: string;
  readonly kernel?: boolean;
  /** ns after an arbitrary beginning. */
  readonly start: number;
  readonly end?: number;
  readonly tid?: number;
  readonly error?: string;
  readonly attributes?: Attributes;
  readonly events?: readonly (readonly [number, string])[];
  readonly service?: string;
  /** Spans whose threads woke this one, of the same trace. */
  readonly wokenFrom?: readonly number[];
}

export const BEGINNING = 1_700_000_000_000_000_000n;

export const traceId = (n: number): TraceId => n.toString(16).padStart(32, '0') as TraceId;
export const spanId = (n: number): SpanId => n.toString(16).padStart(16, '0') as SpanId;

export function makeSpan(words: SpanWords): Span {
  const at = (offset: number) => ns(BEGINNING + BigInt(offset));
  return {
    traceId: traceId(words.trace ?? 1),
    spanId: spanId(words.id),
    ...(words.parent === undefined ? {} : { parentSpanId: spanId(words.parent) }),
    name: words.name ?? (words.kernel === true ? 'write' : 'work'),
    kind: 'internal',
    origin: words.kernel === true ? 'kernel' : 'user',
    service: words.service ?? 'app',
    startNs: at(words.start),
    ...(words.end === undefined ? {} : { endNs: at(words.end) }),
    status: words.error === undefined ? { code: 'unset' } : { code: 'error', message: words.error },
    attributes: {
      ...(words.tid === undefined ? {} : { 'skua.os.tid': words.tid, 'process.pid': 100 }),
      ...(words.error === undefined ? {} : { 'skua.syscall.errno': words.error }),
      ...words.attributes,
    },
    events: (words.events ?? []).map(([time, name]) => ({ timeNs: at(time), name, attributes: {} })),
    links: (words.wokenFrom ?? []).map((id) => ({
      traceId: traceId(words.trace ?? 1),
      spanId: spanId(id),
      attributes: { 'skua.link': 'waker' },
    })),
  };
}
