/**
 * `ExportTraceServiceRequest` in protobuf (opentelemetry-proto v1: collector/trace/v1, trace/v1, common/v1) as the value that its
 * JSON encoding parses to, so that `spansFromOtlp` reads both. Unknown fields are skipped. Pure and bounded by its input.
 */
import type { OtlpTraces } from '../../common/file/otlp';

export class ProtobufError extends Error {}

type Kind = 'string' | 'bytes' | 'hex' | 'bool' | 'int' | 'uint' | 'fixed64' | 'double' | Message;
interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly repeated?: boolean;
}
type Message = () => Readonly<Record<number, Field>>;

const MAX_DEPTH = 40;

const anyValue: Message = () => ({
  1: { name: 'stringValue', kind: 'string' },
  2: { name: 'boolValue', kind: 'bool' },
  3: { name: 'intValue', kind: 'int' },
  4: { name: 'doubleValue', kind: 'double' },
  5: { name: 'arrayValue', kind: arrayValue },
  6: { name: 'kvlistValue', kind: kvlist },
  7: { name: 'bytesValue', kind: 'bytes' },
});
const arrayValue: Message = () => ({ 1: { name: 'values', kind: anyValue, repeated: true } });
const keyValue: Message = () => ({
  1: { name: 'key', kind: 'string' },
  2: { name: 'value', kind: anyValue },
});
const kvlist: Message = () => ({ 1: { name: 'values', kind: keyValue, repeated: true } });
const attributes = { name: 'attributes', kind: keyValue, repeated: true } as const;
const resource: Message = () => ({ 1: attributes });
const scope: Message = () => ({
  1: { name: 'name', kind: 'string' },
  2: { name: 'version', kind: 'string' },
});
const event: Message = () => ({
  1: { name: 'timeUnixNano', kind: 'fixed64' },
  2: { name: 'name', kind: 'string' },
  3: attributes,
});
const link: Message = () => ({
  1: { name: 'traceId', kind: 'hex' },
  2: { name: 'spanId', kind: 'hex' },
  4: attributes,
});
const status: Message = () => ({ 2: { name: 'message', kind: 'string' }, 3: { name: 'code', kind: 'uint' } });
const span: Message = () => ({
  1: { name: 'traceId', kind: 'hex' },
  2: { name: 'spanId', kind: 'hex' },
  3: { name: 'traceState', kind: 'string' },
  4: { name: 'parentSpanId', kind: 'hex' },
  5: { name: 'name', kind: 'string' },
  6: { name: 'kind', kind: 'uint' },
  7: { name: 'startTimeUnixNano', kind: 'fixed64' },
  8: { name: 'endTimeUnixNano', kind: 'fixed64' },
  9: attributes,
  11: { name: 'events', kind: event, repeated: true },
  13: { name: 'links', kind: link, repeated: true },
  15: { name: 'status', kind: status },
});
const scopeSpans: Message = () => ({
  1: { name: 'scope', kind: scope },
  2: { name: 'spans', kind: span, repeated: true },
});
const resourceSpans: Message = () => ({
  1: { name: 'resource', kind: resource },
  2: { name: 'scopeSpans', kind: scopeSpans, repeated: true },
});
const request: Message = () => ({ 1: { name: 'resourceSpans', kind: resourceSpans, repeated: true } });

/** Throws ProtobufError when the bytes are not a message. */
export function decodeOtlpProtobuf(bytes: Uint8Array): OtlpTraces {
  return decode(bytes, request, 0);
}

const utf8 = new TextDecoder();

function decode(bytes: Uint8Array, message: Message, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new ProtobufError('nested too deep');
  const fields = message();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const value: Record<string, unknown> = {};
  let at = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw new ProtobufError('truncated');
      at += 1;
      result |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return BigInt.asUintN(64, result);
    }
    throw new ProtobufError('varint too long');
  };
  const take = (count: number): number => {
    if (count > bytes.length - at) throw new ProtobufError('truncated');
    const start = at;
    at += count;
    return start;
  };
  while (at < bytes.length) {
    const key = varint();
    const field = fields[Number(key >> 3n)];
    const wire = Number(key & 7n);
    let raw: bigint | Uint8Array | number;
    switch (wire) {
      case 0:
        raw = varint();
        break;
      case 1:
        raw = take(8);
        break;
      case 2: {
        const length = varint();
        if (length > BigInt(bytes.length)) throw new ProtobufError('truncated');
        const start = take(Number(length));
        raw = bytes.subarray(start, start + Number(length));
        break;
      }
      case 5:
        take(4);
        continue;
      default:
        throw new ProtobufError(`wire type ${wire}`);
    }
    if (field === undefined) continue;
    const item = fieldValue(field, wire, raw, view, depth);
    if (field.repeated === true) {
      const list = value[field.name];
      if (Array.isArray(list)) list.push(item);
      else value[field.name] = [item];
    } else {
      value[field.name] = item;
    }
  }
  return value;
}

/** `raw` is the number of a varint, the bytes of a length-delimited field, or the position of a 64-bit one. */
function fieldValue(
  field: Field,
  wire: number,
  raw: bigint | Uint8Array | number,
  view: DataView,
  depth: number,
): unknown {
  const wrong = (): never => {
    throw new ProtobufError(`field ${field.name} has wire type ${wire}`);
  };
  if (typeof field.kind === 'function')
    return raw instanceof Uint8Array ? decode(raw, field.kind, depth + 1) : wrong();
  switch (field.kind) {
    case 'string':
      return raw instanceof Uint8Array ? utf8.decode(raw) : wrong();
    case 'bytes':
      return raw instanceof Uint8Array ? Buffer.from(raw).toString('base64') : wrong();
    case 'hex':
      return raw instanceof Uint8Array ? Buffer.from(raw).toString('hex') : wrong();
    case 'bool':
      return typeof raw === 'bigint' ? raw !== 0n : wrong();
    case 'int':
      return typeof raw === 'bigint' ? BigInt.asIntN(64, raw).toString() : wrong();
    case 'uint':
      return typeof raw === 'bigint' ? Number(raw) : wrong();
    case 'fixed64':
      return typeof raw === 'number' ? view.getBigUint64(raw, true).toString() : wrong();
    case 'double':
      return typeof raw === 'number' ? view.getFloat64(raw, true) : wrong();
  }
}
