/** Jaeger's `Agent.emitBatch` (jaeger-idl thrift/agent.thrift, jaeger.thrift) as spans. Pure. */
import { nsFromMicros } from '../../common/base/time';
import type { AttributeValue, Span, SpanEvent, SpanId, SpanLink, TraceId } from '../../common/model/span';
import { hex64 } from '../spans/context';
import { decodeThrift, text, ThriftError, type ThriftStruct, type ThriftValue } from './thrift';

/** Spans of one datagram. Throws ThriftError when it is not a batch of spans. */
export function jaegerSpans(datagram: Uint8Array): readonly Span[] {
  const message = decodeThrift(datagram);
  if (message.name !== 'emitBatch')
    throw new ThriftError(`method "${message.name.slice(0, 40)}" is not emitBatch`);
  const batch = struct(message.body.get(1));
  const process = struct(batch.get(1));
  const service = string(process.get(1)) ?? 'unknown_service';
  const resource: Record<string, AttributeValue> = {};
  for (const [key, value] of tags(process.get(2))) resource[`resource.${key}`] = value;
  return list(batch.get(2)).map((item) => span(struct(item), service, resource));
}

function span(s: ThriftStruct, service: string, resource: Record<string, AttributeValue>): Span {
  const traceId = traceIdOf(s.get(2), s.get(1));
  const spanId = id(s.get(3));
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) throw new ThriftError('span without an id');
  const attributes: Record<string, AttributeValue> = { ...resource };
  let kind: Span['kind'] = 'internal';
  let failed = false;
  for (const [key, value] of tags(s.get(10))) {
    if (key === 'span.kind' && isKind(value)) kind = value;
    else if (key === 'error') failed = value === true || value === 'true';
    else put(attributes, key, value);
  }
  let parent = s.get(4) === undefined || int(s.get(4)) === 0n ? undefined : id(s.get(4));
  const links: SpanLink[] = [];
  for (const item of list(s.get(6))) {
    const reference = struct(item);
    const target = { traceId: traceIdOf(reference.get(3), reference.get(2)), spanId: id(reference.get(4)) };
    const childOf = int(reference.get(1)) === 0n;
    if (childOf && target.traceId === traceId && (parent === undefined || parent === target.spanId)) {
      parent = target.spanId;
    } else {
      links.push({
        ...target,
        attributes: { 'opentracing.ref_type': childOf ? 'child_of' : 'follows_from' },
      });
    }
  }
  const startNs = nsFromMicros(int(s.get(8)));
  return {
    traceId,
    spanId,
    ...(parent === undefined ? {} : { parentSpanId: parent }),
    name: string(s.get(5)) ?? '',
    kind,
    origin: 'user',
    service,
    startNs,
    endNs: nsFromMicros(int(s.get(8)) + int(s.get(9))),
    status: { code: failed ? 'error' : 'unset' },
    attributes,
    events: list(s.get(11)).map((item) => log(struct(item))),
    links,
  };
}

function log(s: ThriftStruct): SpanEvent {
  const attributes: Record<string, AttributeValue> = {};
  let name = 'log';
  for (const [key, value] of tags(s.get(2))) {
    if (key === 'event' && typeof value === 'string') name = value;
    else put(attributes, key, value);
  }
  return { timeNs: nsFromMicros(int(s.get(1))), name, attributes };
}

function* tags(value: ThriftValue | undefined): Generator<readonly [string, AttributeValue]> {
  for (const item of list(value)) {
    const tag = struct(item);
    const key = string(tag.get(1));
    if (key === undefined) continue;
    const kind = Number(int(tag.get(2)));
    const raw = tag.get(3 + kind);
    switch (kind) {
      case 0:
        yield [key, string(raw) ?? ''];
        break;
      case 1:
        yield [key, typeof raw === 'number' ? raw : 0];
        break;
      case 2:
        yield [key, raw === true];
        break;
      case 3: {
        const long = int(raw);
        const number = Number(long);
        yield [key, Number.isSafeInteger(number) ? number : long];
        break;
      }
      case 4:
        yield [key, raw instanceof Uint8Array ? Buffer.from(raw).toString('base64') : ''];
        break;
      default:
        throw new ThriftError(`tag of unknown type ${kind}`);
    }
  }
}

/** Keys come from outside: one like "__proto__" must become an ordinary property. */
function put(attributes: Record<string, AttributeValue>, key: string, value: AttributeValue): void {
  Object.defineProperty(attributes, key, { value, enumerable: true, writable: true, configurable: true });
}

function isKind(value: AttributeValue): value is Span['kind'] {
  return value === 'client' || value === 'server' || value === 'producer' || value === 'consumer';
}

const traceIdOf = (high: ThriftValue | undefined, low: ThriftValue | undefined): TraceId =>
  (hex64(int(high)) + hex64(int(low))) as TraceId;
const id = (value: ThriftValue | undefined): SpanId => hex64(int(value)) as SpanId;

function int(value: ThriftValue | undefined): bigint {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : 0n;
}

function string(value: ThriftValue | undefined): string | undefined {
  return value instanceof Uint8Array ? text(value) : undefined;
}

function struct(value: ThriftValue | undefined): ThriftStruct {
  if (value instanceof Map) return value as ThriftStruct;
  throw new ThriftError('a struct is missing');
}

function list(value: ThriftValue | undefined): readonly ThriftValue[] {
  return Array.isArray(value) ? (value as readonly ThriftValue[]) : [];
}
