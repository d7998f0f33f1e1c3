import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { spansToOtlp } from '../../common/file/otlp';
import { ns } from '../../common/base/time';
import type { Span, SpanId, TraceId } from '../../common/model/span';
import { startOtlpHttp } from './otlpHttp';
import type { Receiver } from './jaegerUdp';
import { decodeOtlpProtobuf, ProtobufError } from './otlpProtobuf';

const SPAN: Span = {
  traceId: '0123456789abcdef0123456789abcdef' as TraceId,
  spanId: '00000000000000ab' as SpanId,
  parentSpanId: '00000000000000aa' as SpanId,
  name: 'GET',
  kind: 'server',
  origin: 'user',
  service: 'shop',
  startNs: ns(1_700_000_000_000_000_001n),
  endNs: ns(1_700_000_000_000_000_777n),
  status: { code: 'error', message: 'no' },
  attributes: { n: -5, big: 2n ** 60n, f: 0.5, yes: true, list: ['a', 'b'] },
  events: [{ timeNs: ns(1_700_000_000_000_000_100n), name: 'e', attributes: { k: 'v' } }],
  links: [
    {
      traceId: '0123456789abcdef0123456789abcdef' as TraceId,
      spanId: '00000000000000ac' as SpanId,
      attributes: {},
    },
  ],
};

// A protobuf writer of the test's own: field key, then the value.
function varint(value: bigint | number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}
const bytes = (field: number, value: Buffer): Buffer =>
  Buffer.concat([varint((field << 3) | 2), varint(value.length), value]);
const str = (field: number, value: string): Buffer => bytes(field, Buffer.from(value));
const int = (field: number, value: bigint | number): Buffer =>
  Buffer.concat([varint(field << 3), varint(value)]);
function fixed(field: number, value: bigint): Buffer {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(value);
  return Buffer.concat([varint((field << 3) | 1), b]);
}
function double(field: number, value: number): Buffer {
  const b = Buffer.alloc(8);
  b.writeDoubleLE(value);
  return Buffer.concat([varint((field << 3) | 1), b]);
}
const msg = (field: number, ...parts: Buffer[]): Buffer => bytes(field, Buffer.concat(parts));
const attribute = (field: number, key: string, value: Buffer): Buffer =>
  msg(field, str(1, key), bytes(2, value));
const id = (hex: string): Buffer => Buffer.from(hex, 'hex');

const PROTOBUF = msg(
  1,
  msg(1, attribute(1, 'service.name', str(1, 'shop'))),
  msg(
    2,
    msg(1, str(1, 'lib'), str(2, '1')),
    msg(
      2,
      bytes(1, id(SPAN.traceId)),
      bytes(2, id(SPAN.spanId)),
      bytes(4, id('00000000000000aa')),
      str(5, 'GET'),
      int(6, 2),
      fixed(7, 1_700_000_000_000_000_001n),
      fixed(8, 1_700_000_000_000_000_777n),
      attribute(9, 'n', int(3, -5)),
      attribute(9, 'big', int(3, 2n ** 60n)),
      attribute(9, 'f', double(4, 0.5)),
      attribute(9, 'yes', int(2, 1)),
      attribute(9, 'list', msg(5, msg(1, str(1, 'a')), msg(1, str(1, 'b')))),
      int(10, 3), // dropped_attributes_count, which is not read
      msg(11, fixed(1, 1_700_000_000_000_000_100n), str(2, 'e'), attribute(3, 'k', str(1, 'v'))),
      msg(13, bytes(1, id(SPAN.traceId)), bytes(2, id('00000000000000ac'))),
      msg(15, str(2, 'no'), int(3, 2)),
      Buffer.concat([varint((16 << 3) | 5), Buffer.alloc(4)]), // flags, fixed32
    ),
  ),
);

describe('decodeOtlpProtobuf', () => {
  it('fails on truncation with ProtobufError only', () => {
    let failed = 0;
    for (let length = 0; length < PROTOBUF.length; length += 1) {
      try {
        decodeOtlpProtobuf(PROTOBUF.subarray(0, length));
      } catch (error) {
        failed += 1;
        expect(error).toBeInstanceOf(ProtobufError);
      }
    }
    expect(failed).toBe(PROTOBUF.length - 1); // All but the empty message.
  });

  it('refuses endless nesting', () => {
    let value: Buffer = Buffer.alloc(0);
    for (let i = 0; i < 200; i += 1) value = msg(5, msg(1, value));
    const request = msg(1, msg(1, attribute(1, 'deep', value)));
    expect(() => decodeOtlpProtobuf(request)).toThrow('nested too deep');
  });
});

describe('startOtlpHttp', () => {
  let receiver: Receiver | undefined;
  afterEach(async () => {
    await receiver?.dispose();
  });

  async function post(
    body: Uint8Array | string,
    headers: Record<string, string>,
    path = '/v1/traces',
    method = 'POST',
  ): Promise<{ status: number; text: string; spans: Span[]; rejected: number }> {
    const spans: Span[] = [];
    let rejected = 0;
    receiver = await startOtlpHttp({
      spans: (more) => spans.push(...more),
      rejected: (count) => {
        rejected += count;
      },
    });
    const response = await fetch(`http://127.0.0.1:${receiver.port}${path}`, {
      method,
      headers,
      ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : new Blob([Buffer.from(body)]) }),
    });
    return { status: response.status, text: await response.text(), spans, rejected };
  }
  const JSON_TYPE = { 'content-type': 'application/json' };
  const PROTO_TYPE = { 'content-type': 'application/x-protobuf' };

  it('takes JSON', async () => {
    const { status, spans } = await post(JSON.stringify(spansToOtlp([SPAN])), JSON_TYPE);
    expect(status).toBe(200);
    expect(spans).toEqual([SPAN]);
  });

  it('takes protobuf, plain and gzip, as the same span', async () => {
    for (const [body, headers] of [
      [PROTOBUF, PROTO_TYPE],
      [gzipSync(PROTOBUF), { ...PROTO_TYPE, 'content-encoding': 'gzip' }],
    ] as const) {
      const { status, spans, text } = await post(body, headers);
      expect(status).toBe(200);
      expect(text).toBe('');
      expect(spans).toEqual([SPAN]);
      await receiver?.dispose();
    }
  });

  it.each([
    ['JSON that is none', '{', JSON_TYPE, 400],
    ['truncated protobuf', PROTOBUF.subarray(0, 40), PROTO_TYPE, 400],
    ['gzip that is none', 'xx', { ...JSON_TYPE, 'content-encoding': 'gzip' }, 400],
    ['another type', 'x', { 'content-type': 'text/plain' }, 415],
    ['another encoding', 'x', { ...JSON_TYPE, 'content-encoding': 'br' }, 415],
    [
      'too much after decompression',
      gzipSync(Buffer.alloc(20 * 1024 * 1024)),
      { ...JSON_TYPE, 'content-encoding': 'gzip' },
      413,
    ],
  ] as const)('refuses %s and counts it', async (_name, body, headers, status) => {
    const answer = await post(body, headers);
    expect(answer.status).toBe(status);
    expect(answer.rejected).toBe(1);
    expect(answer.spans).toEqual([]);
  });

  it('serves one path and one method', async () => {
    expect((await post('{}', JSON_TYPE, '/other')).status).toBe(404);
    await receiver?.dispose();
    expect((await post('', JSON_TYPE, '/v1/traces', 'GET')).status).toBe(405);
  });

  it('takes the good spans of a request and tells of the bad ones', async () => {
    const request = JSON.stringify(spansToOtlp([SPAN, { ...SPAN, spanId: 'short' as SpanId }]));
    const { status, text, spans, rejected } = await post(request, JSON_TYPE);
    expect([status, spans.length, rejected]).toEqual([200, 1, 1]);
    expect(JSON.parse(text)).toMatchObject({ partialSuccess: { rejectedSpans: '1' } });
  });
});
