/**
 * Spans as OTLP JSON (`ExportTraceServiceRequest`) and back.
 * Format: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and opentelemetry-proto's trace.proto. Ids are
 * hexadecimal, 64-bit integers decimal strings, enums integers.
 *
 * What a `Span` has no place for travels in attributes, so that a round trip loses nothing:
 *   resource attributes but service.name  ↔ `resource.<name>` on each span
 *   trace state                           ↔ `w3c.tracestate`
 *   the origin                            ↔ the instrumentation scope's name (`skua.kernel`, else user)
 *   a missing end time                    ↔ `skua.end_unknown`; OTLP demands an end, the latest known time stands in for it
 * Not kept: the sign of -0 and whether a small integer was a number or a bigint (it reads back as a number), and integers beyond int64,
 * which OTLP cannot carry: they become decimal strings.
 */
import { ns, type Nanoseconds } from '../base/time';
import type { Attributes, AttributeValue, Span, SpanEvent, SpanId, SpanLink, TraceId } from '../model/span';

export interface OtlpValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  /** int64 as a decimal string; readers accept a number too. */
  readonly intValue?: string | number;
  /** A number, or "NaN", "Infinity", "-Infinity". */
  readonly doubleValue?: number | string;
  readonly arrayValue?: { readonly values?: readonly OtlpValue[] };
  readonly kvlistValue?: { readonly values?: readonly OtlpKeyValue[] };
  /** Base64. */
  readonly bytesValue?: string;
}

export interface OtlpKeyValue {
  readonly key: string;
  readonly value?: OtlpValue;
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState?: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  readonly kind?: number | string;
  readonly startTimeUnixNano?: string | number;
  readonly endTimeUnixNano?: string | number;
  readonly attributes?: readonly OtlpKeyValue[];
  readonly events?: readonly {
    readonly timeUnixNano?: string | number;
    readonly name?: string;
    readonly attributes?: readonly OtlpKeyValue[];
  }[];
  readonly links?: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly attributes?: readonly OtlpKeyValue[];
  }[];
  readonly status?: { readonly code?: number | string; readonly message?: string };
}

/** `ExportTraceServiceRequest`; also what a protobuf decoder should produce, so that both encodings share `spansFromOtlp`. */
export interface OtlpTraces {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly OtlpKeyValue[] };
    readonly scopeSpans?: readonly {
      readonly scope?: { readonly name?: string; readonly version?: string };
      readonly spans?: readonly OtlpSpan[];
    }[];
  }[];
}

export interface OtlpSpans {
  readonly spans: readonly Span[];
  /** Spans that were not valid; goes into OTLP's `partialSuccess.rejectedSpans` and into the receiver's loss count. */
  readonly rejected: number;
  /** Why the first of them was rejected. */
  readonly reason?: string;
}

const SCOPE_KERNEL = 'skua.kernel';
const SCOPE_USER = 'skua.user';
const RESOURCE_PREFIX = 'resource.';
const TRACE_STATE = 'w3c.tracestate';
const END_UNKNOWN = 'skua.end_unknown';

/** Index = OTLP's SpanKind; 0 (unspecified) counts as internal. */
const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const KIND_NUMBERS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
/** Index = OTLP's StatusCode. */
const STATUS_CODES = ['unset', 'ok', 'error'] as const;
const STATUS_NUMBERS = { unset: 0, ok: 1, error: 2 } as const;

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Encodes spans, grouped by resource (service and resource attributes) and origin. Serialise with JSON.stringify as it is. */
export function spansToOtlp(spans: readonly Span[]): OtlpTraces {
  const groups = new Map<string, { resource: OtlpKeyValue[]; kernel: OtlpSpan[]; user: OtlpSpan[] }>();
  for (const span of spans) {
    const own: OtlpKeyValue[] = [];
    const resource: OtlpKeyValue[] = [{ key: 'service.name', value: { stringValue: span.service } }];
    for (const [key, value] of Object.entries(span.attributes)) {
      if (key === TRACE_STATE) continue;
      if (key.startsWith(RESOURCE_PREFIX)) {
        resource.push({ key: key.slice(RESOURCE_PREFIX.length), value: encodeValue(value) });
      } else {
        own.push({ key, value: encodeValue(value) });
      }
    }
    const groupKey = JSON.stringify(resource);
    let group = groups.get(groupKey);
    if (group === undefined) groups.set(groupKey, (group = { resource, kernel: [], user: [] }));
    group[span.origin].push(encodeSpan(span, own));
  }
  return {
    resourceSpans: [...groups.values()].map(({ resource, kernel, user }) => ({
      resource: { attributes: resource },
      scopeSpans: [
        ...(user.length > 0 ? [{ scope: { name: SCOPE_USER }, spans: user }] : []),
        ...(kernel.length > 0 ? [{ scope: { name: SCOPE_KERNEL }, spans: kernel }] : []),
      ],
    })),
  };
}

function encodeSpan(span: Span, attributes: OtlpKeyValue[]): OtlpSpan {
  let endNs = span.endNs;
  if (endNs === undefined) {
    endNs = span.startNs;
    for (const event of span.events) if (event.timeNs > endNs) endNs = event.timeNs;
    attributes.push({ key: END_UNKNOWN, value: { boolValue: true } });
  }
  const traceState = span.attributes[TRACE_STATE];
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(typeof traceState === 'string' ? { traceState } : {}),
    ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: KIND_NUMBERS[span.kind],
    startTimeUnixNano: span.startNs.toString(),
    endTimeUnixNano: endNs.toString(),
    attributes,
    events: span.events.map((event) => ({
      timeUnixNano: event.timeNs.toString(),
      name: event.name,
      attributes: encodeAttributes(event.attributes),
    })),
    links: span.links.map((link) => ({
      traceId: link.traceId,
      spanId: link.spanId,
      attributes: encodeAttributes(link.attributes),
    })),
    status: {
      code: STATUS_NUMBERS[span.status.code],
      ...(span.status.message === undefined ? {} : { message: span.status.message }),
    },
  };
}

function encodeAttributes(attributes: Attributes): OtlpKeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: encodeValue(value) }));
}

function encodeValue(value: AttributeValue): OtlpValue {
  switch (typeof value) {
    case 'string':
      return { stringValue: value };
    case 'boolean':
      return { boolValue: value };
    case 'bigint':
      return value > INT64_MAX || value < INT64_MIN
        ? { stringValue: value.toString() }
        : { intValue: value.toString() };
    case 'number':
      if (Number.isSafeInteger(value)) return { intValue: value.toString() };
      return { doubleValue: Number.isFinite(value) ? value : String(value) };
    default:
      return { arrayValue: { values: value.map(encodeValue) } };
  }
}

/**
 * Decodes an `ExportTraceServiceRequest` parsed from JSON. Unknown fields are ignored, as OTLP demands; a span that is not
 * valid is counted, not thrown, so that its neighbours survive. Never throws.
 */
export function spansFromOtlp(request: unknown): OtlpSpans {
  const spans: Span[] = [];
  let rejected = 0;
  let reason: string | undefined;
  for (const group of list(request, 'resourceSpans')) {
    const { service, attributes: resource } = decodeResource(property(group, 'resource'));
    for (const scoped of list(group, 'scopeSpans')) {
      const origin = property(property(scoped, 'scope'), 'name') === SCOPE_KERNEL ? 'kernel' : 'user';
      for (const span of list(scoped, 'spans')) {
        try {
          spans.push(decodeSpan(span, origin, service, resource));
        } catch (error) {
          // Anything wrong inside one span rejects that span only; the reason goes back to the sender.
          rejected += 1;
          reason ??= error instanceof Error ? error.message : String(error);
        }
      }
    }
  }
  return { spans, rejected, ...(reason === undefined ? {} : { reason }) };
}

/** `service.name`, and the other attributes under `resource.`; an attribute that is not valid is left out. */
function decodeResource(resource: unknown): { readonly service: string; readonly attributes: Attributes } {
  let service = 'unknown_service';
  const attributes: Record<string, AttributeValue> = {};
  for (const pair of list(resource, 'attributes')) {
    let decoded: Record<string, AttributeValue>;
    try {
      decoded = decodeAttributes({ attributes: [pair] }, 'attributes');
    } catch {
      continue; // A bad resource attribute must not cost the group its spans.
    }
    for (const [key, value] of Object.entries(decoded)) {
      if (key === 'service.name') service = String(value);
      else attributes[RESOURCE_PREFIX + key] = value;
    }
  }
  return { service, attributes };
}

function decodeSpan(span: unknown, origin: Span['origin'], service: string, resource: Attributes): Span {
  const { [END_UNKNOWN]: endMark, ...own } = decodeAttributes(span, 'attributes');
  const attributes: Record<string, AttributeValue> = { ...resource, ...own };
  const traceState = property(span, 'traceState');
  if (typeof traceState === 'string' && traceState !== '') attributes[TRACE_STATE] = traceState;
  const endUnknown = endMark === true;
  const startNs = decodeTime(property(span, 'startTimeUnixNano'), 'startTimeUnixNano');
  const endNs = decodeTime(property(span, 'endTimeUnixNano'), 'endTimeUnixNano');
  if (startNs === 0n) throw new Error('startTimeUnixNano is missing');
  const parent = property(span, 'parentSpanId');
  const hasParent = typeof parent === 'string' && parent !== '' && !/^0+$/.test(parent);
  const status = property(span, 'status');
  const message = property(status, 'message');
  return {
    traceId: decodeId(property(span, 'traceId'), 32, 'traceId') as TraceId,
    spanId: decodeId(property(span, 'spanId'), 16, 'spanId') as SpanId,
    ...(hasParent ? { parentSpanId: decodeId(parent, 16, 'parentSpanId') as SpanId } : {}),
    name: text(property(span, 'name')),
    kind: KINDS[decodeEnum(property(span, 'kind'), KIND_NAMES)] ?? 'internal',
    origin,
    service,
    startNs,
    ...(endUnknown || endNs === 0n ? {} : { endNs }),
    status: {
      code: STATUS_CODES[decodeEnum(property(status, 'code'), STATUS_NAMES)] ?? 'unset',
      ...(typeof message === 'string' && message !== '' ? { message } : {}),
    },
    attributes,
    events: list(span, 'events').map((event): SpanEvent => ({
      timeNs: decodeTime(property(event, 'timeUnixNano'), 'timeUnixNano'),
      name: text(property(event, 'name')),
      attributes: decodeAttributes(event, 'attributes'),
    })),
    links: list(span, 'links').map((link): SpanLink => ({
      traceId: decodeId(property(link, 'traceId'), 32, 'link traceId') as TraceId,
      spanId: decodeId(property(link, 'spanId'), 16, 'link spanId') as SpanId,
      attributes: decodeAttributes(link, 'attributes'),
    })),
  };
}

/** Proto3 JSON also allows enum names; index = number. */
const KIND_NAMES = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map(
  (name) => `SPAN_KIND_${name}`,
);
const STATUS_NAMES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'];

function decodeEnum(value: unknown, names: readonly string[]): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? Math.max(0, names.indexOf(value)) : 0;
}

function decodeId(value: unknown, digits: number, what: string): string {
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-fA-F]*$/.test(value)) {
    throw new Error(`${what} is not ${digits} hexadecimal digits`);
  }
  if (/^0*$/.test(value)) throw new Error(`${what} is all zero`);
  return value.toLowerCase();
}

/** Nanoseconds; a missing time is 0. */
function decodeTime(value: unknown, what: string): Nanoseconds {
  if (value === undefined || value === null) return ns(0n);
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return ns(BigInt(value));
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return ns(BigInt(value));
  throw new Error(`${what} is not an unsigned integer`);
}

function decodeAttributes(owner: unknown, key: string): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  for (const pair of list(owner, key)) {
    const name = property(pair, 'key');
    if (typeof name !== 'string') continue;
    const value = decodeValue(property(pair, 'value'));
    if (value === undefined) continue;
    // A key like "__proto__" must become an ordinary property.
    Object.defineProperty(attributes, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return attributes;
}

/** Nested values have no place in `AttributeValue`: they are kept as JSON text. An absent value is undefined. */
function decodeValue(value: unknown): AttributeValue | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const v = value as Record<string, unknown>;
  if (typeof v['stringValue'] === 'string') return v['stringValue'];
  if (typeof v['boolValue'] === 'boolean') return v['boolValue'];
  if (v['intValue'] !== undefined) return decodeInt(v['intValue']);
  if (v['doubleValue'] !== undefined) return Number(v['doubleValue']);
  if (typeof v['bytesValue'] === 'string') return v['bytesValue'];
  if (v['kvlistValue'] !== undefined) return JSON.stringify(plain(value, 0));
  if (v['arrayValue'] !== undefined) {
    const items = list(v['arrayValue'], 'values');
    const nested = items.some(
      (item) => property(item, 'arrayValue') !== undefined || property(item, 'kvlistValue') !== undefined,
    );
    if (nested) return JSON.stringify(plain(value, 0));
    return items.map((item) => {
      const decoded = decodeValue(item);
      return decoded === undefined || typeof decoded === 'object' ? '' : decoded;
    });
  }
  return undefined;
}

function decodeInt(value: unknown): number | bigint {
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  if (typeof value !== 'string' || !/^-?\d{1,20}$/.test(value)) throw new Error('intValue is not an integer');
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
}

const MAX_DEPTH = 32;

function plain(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new Error(`an attribute is nested deeper than ${MAX_DEPTH}`);
  const array = property(value, 'arrayValue');
  if (array !== undefined) return list(array, 'values').map((item) => plain(item, depth + 1));
  const pairs = property(value, 'kvlistValue');
  if (pairs !== undefined) {
    return Object.fromEntries(
      list(pairs, 'values').map((pair) => [
        text(property(pair, 'key')),
        plain(property(pair, 'value'), depth + 1),
      ]),
    );
  }
  const decoded = decodeValue(value);
  return typeof decoded === 'bigint' ? decoded.toString() : decoded;
}

function property(owner: unknown, key: string): unknown {
  return typeof owner === 'object' && owner !== null ? (owner as Record<string, unknown>)[key] : undefined;
}

function list(owner: unknown, key: string): readonly unknown[] {
  const value = property(owner, key);
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
