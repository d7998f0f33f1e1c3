import { createSocket } from 'node:dgram';
import { initTracer } from 'jaeger-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { Span } from '../../common/model/span';
import { startJaegerUdp, type Receiver } from './jaegerUdp';
import { jaegerSpans } from './jaegerSpans';
import { decodeThrift, ThriftError } from './thrift';

/** Writes the two Thrift protocols from one description, independently of the reader under test. */
type Value =
  | { readonly i32: number }
  | { readonly i64: bigint }
  | { readonly str: string }
  | { readonly f64: number }
  | { readonly bool: boolean }
  | { readonly struct: readonly (readonly [number, Value])[] }
  | { readonly list: readonly Value[] };

const TYPES = {
  bool: [2, 1],
  f64: [4, 7],
  i32: [8, 5],
  i64: [10, 6],
  str: [11, 8],
  struct: [12, 12],
  list: [15, 9],
} as const;
const kindOf = (v: Value): keyof typeof TYPES => Object.keys(v)[0] as keyof typeof TYPES;

function i32(n: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeInt32BE(n);
  return b;
}
function varint(n: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, n);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}
const zigzag = (n: bigint): Buffer => varint((n << 1n) ^ (n >> 63n));

function binary(v: Value): Buffer {
  if ('i32' in v) return i32(v.i32);
  if ('i64' in v) {
    const b = Buffer.alloc(8);
    b.writeBigInt64BE(v.i64);
    return b;
  }
  if ('str' in v) return Buffer.concat([i32(Buffer.byteLength(v.str)), Buffer.from(v.str)]);
  if ('f64' in v) {
    const b = Buffer.alloc(8);
    b.writeDoubleBE(v.f64);
    return b;
  }
  if ('bool' in v) return Buffer.from([v.bool ? 1 : 0]);
  if ('list' in v) {
    return Buffer.concat([
      Buffer.from([TYPES[kindOf(v.list[0] ?? { i32: 0 })][0]]),
      i32(v.list.length),
      ...v.list.map(binary),
    ]);
  }
  return Buffer.concat([
    ...v.struct.map(([id, value]) =>
      Buffer.concat([Buffer.from([TYPES[kindOf(value)][0], id >> 8, id & 0xff]), binary(value)]),
    ),
    Buffer.from([0]),
  ]);
}

function compact(v: Value): Buffer {
  if ('i32' in v) return zigzag(BigInt(v.i32));
  if ('i64' in v) return zigzag(v.i64);
  if ('str' in v) return Buffer.concat([varint(BigInt(Buffer.byteLength(v.str))), Buffer.from(v.str)]);
  if ('f64' in v) {
    const b = Buffer.alloc(8);
    b.writeDoubleLE(v.f64);
    return b;
  }
  if ('bool' in v) return Buffer.from([v.bool ? 1 : 2]);
  if ('list' in v) {
    const type = TYPES[kindOf(v.list[0] ?? { i32: 0 })][1];
    const head =
      v.list.length < 15
        ? [Buffer.from([(v.list.length << 4) | type])]
        : [Buffer.from([0xf0 | type]), varint(BigInt(v.list.length))];
    return Buffer.concat([...head, ...v.list.map(compact)]);
  }
  let last = 0;
  const parts: Buffer[] = [];
  for (const [id, value] of v.struct) {
    const type = 'bool' in value ? (value.bool ? 1 : 2) : TYPES[kindOf(value)][1];
    // The long form is legal for any field; use it for some, so that both are read.
    if (id - last > 0 && id - last <= 15 && id !== 7) parts.push(Buffer.from([((id - last) << 4) | type]));
    else parts.push(Buffer.from([type]), zigzag(BigInt(id)));
    if (!('bool' in value)) parts.push(compact(value));
    last = id;
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}

const tag = (key: string, type: number, field: number, value: Value): Value => ({
  struct: [
    [1, { str: key }],
    [2, { i32: type }],
    [field, value],
  ],
});

const BATCH: Value = {
  struct: [
    [
      1,
      {
        struct: [
          [
            1,
            {
              struct: [
                [1, { str: 'shop' }],
                [2, { list: [tag('hostname', 0, 3, { str: 'h1' })] }],
              ],
            },
          ],
          [
            2,
            {
              list: [
                {
                  struct: [
                    [1, { i64: 0x1111n }],
                    [2, { i64: 0x2222n }],
                    [3, { i64: -2n }],
                    [4, { i64: 5n }],
                    [5, { str: 'GET /ü' }],
                    [
                      6,
                      {
                        list: [
                          {
                            struct: [
                              [1, { i32: 1 }],
                              [2, { i64: 0x1111n }],
                              [3, { i64: 0x2222n }],
                              [4, { i64: 9n }],
                            ],
                          },
                        ],
                      },
                    ],
                    [7, { i32: 1 }],
                    [8, { i64: 1_700_000_000_000_000n }],
                    [9, { i64: 250n }],
                    [
                      10,
                      {
                        list: [
                          tag('span.kind', 0, 3, { str: 'server' }),
                          tag('error', 2, 5, { bool: true }),
                          tag('ratio', 1, 4, { f64: 0.25 }),
                          tag('count', 3, 6, { i64: 42n }),
                          tag('cold', 2, 5, { bool: false }),
                          tag('__proto__', 0, 3, { str: 'x' }),
                        ],
                      },
                    ],
                    [
                      11,
                      {
                        list: [
                          {
                            struct: [
                              [1, { i64: 1_700_000_000_000_100n }],
                              [
                                2,
                                {
                                  list: [
                                    tag('event', 0, 3, { str: 'cache miss' }),
                                    tag('key', 0, 3, { str: 'k' }),
                                  ],
                                },
                              ],
                            ],
                          },
                        ],
                      },
                    ],
                  ],
                },
              ],
            },
          ],
        ],
      },
    ],
  ],
};

const NAME = Buffer.from('emitBatch');
const COMPACT = Buffer.concat([Buffer.from([0x82, 0x81, 0x00, NAME.length]), NAME, compact(BATCH)]);
const STRICT = Buffer.concat([i32(-2147418108), i32(NAME.length), NAME, i32(0), binary(BATCH)]);
const OLD = Buffer.concat([i32(NAME.length), NAME, Buffer.from([4]), i32(0), binary(BATCH)]);

describe('jaegerSpans', () => {
  it.each([
    ['compact', COMPACT],
    ['strict binary', STRICT],
    ['old binary', OLD],
  ])('reads a %s batch', (_name, datagram) => {
    const [span] = jaegerSpans(datagram);
    expect(span).toEqual({
      traceId: '00000000000022220000000000001111',
      spanId: 'fffffffffffffffe',
      parentSpanId: '0000000000000005',
      name: 'GET /ü',
      kind: 'server',
      origin: 'user',
      service: 'shop',
      startNs: 1_700_000_000_000_000_000n,
      endNs: 1_700_000_000_000_250_000n,
      status: { code: 'error' },
      attributes: JSON.parse(
        '{"resource.hostname":"h1","ratio":0.25,"count":42,"cold":false,"__proto__":"x"}',
      ) as object,
      events: [{ timeNs: 1_700_000_000_000_100_000n, name: 'cache miss', attributes: { key: 'k' } }],
      links: [
        {
          traceId: '00000000000022220000000000001111',
          spanId: '0000000000000009',
          attributes: { 'opentracing.ref_type': 'follows_from' },
        },
      ],
    });
  });

  it('survives every truncation and every flipped byte: spans or ThriftError, nothing else', () => {
    for (const whole of [COMPACT, STRICT, OLD]) {
      for (let length = 0; length < whole.length; length += 1) {
        expect(() => jaegerSpans(whole.subarray(0, length))).toThrow(ThriftError);
      }
      for (let at = 0; at < whole.length; at += 1) {
        for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
          const damaged = Uint8Array.from(whole);
          damaged[at] = byte;
          try {
            jaegerSpans(damaged);
          } catch (error) {
            expect(error).toBeInstanceOf(ThriftError);
          }
        }
      }
    }
  });

  it('refuses counts beyond the datagram and endless nesting', () => {
    const hugeList = Buffer.concat([
      i32(-2147418108),
      i32(1),
      Buffer.from('x'),
      i32(0),
      Buffer.from([15, 0, 1, 8]),
      i32(0x7fffffff),
    ]);
    expect(() => decodeThrift(hugeList)).toThrow('count beyond the end');
    const nested = Buffer.concat([Buffer.from([0x82, 0x81, 0x00, 1, 0x78]), Buffer.alloc(5000, 0x1c)]);
    expect(() => decodeThrift(nested)).toThrow('nested too deep');
  });
});

describe('startJaegerUdp', () => {
  let receiver: Receiver | undefined;
  afterEach(async () => {
    await receiver?.dispose();
  });

  async function listen(): Promise<{ port: number; spans: Span[]; rejected: string[] }> {
    const spans: Span[] = [];
    const rejected: string[] = [];
    receiver = await startJaegerUdp({
      spans: (more) => spans.push(...more),
      rejected: (_count, reason) => rejected.push(reason),
    });
    return { port: receiver.port, spans, rejected };
  }
  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 200 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  it('receives what the npm jaeger-client sends', async () => {
    const { port, spans } = await listen();
    const tracer = initTracer(
      {
        serviceName: 'node-svc',
        sampler: { type: 'const', param: 1 },
        reporter: { agentHost: '127.0.0.1', agentPort: port, flushIntervalMs: 20 },
      },
      {},
    );
    const parent = tracer.startSpan('parent', { tags: { 'http.status_code': 200 } });
    const child = tracer.startSpan('child', { childOf: parent.context() });
    child.log({ event: 'hello', n: 1 });
    child.finish();
    parent.finish();
    await until(() => spans.length === 2);
    await new Promise<void>((resolve) => {
      tracer.close(resolve);
    });
    const [first, second] = [spans.find((s) => s.name === 'child'), spans.find((s) => s.name === 'parent')];
    expect(first).toMatchObject({
      service: 'node-svc',
      origin: 'user',
      parentSpanId: second?.spanId,
      traceId: second?.traceId,
    });
    expect(first?.events).toMatchObject([{ name: 'hello', attributes: { n: 1 } }]);
    expect(second?.attributes).toMatchObject({ 'http.status_code': 200 });
    expect((second?.endNs ?? 0n) >= (second?.startNs ?? 1n)).toBe(true);
  });

  it('counts what is not a batch and goes on', async () => {
    const { port, spans, rejected } = await listen();
    const socket = createSocket('udp4');
    for (const datagram of [Buffer.from('hello'), Buffer.alloc(0), COMPACT])
      socket.send(datagram, port, '127.0.0.1');
    await until(() => spans.length === 1 && rejected.length === 2);
    socket.close();
    expect(spans).toHaveLength(1);
    expect(rejected).toHaveLength(2);
  });
});
