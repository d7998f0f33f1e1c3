import { describe, expect, it } from 'vitest';
import { SkuaError } from '../base/errors';
import { ns } from '../base/time';
import type { Attributes, AttributeValue, Span, SpanId, TraceId } from '../model/span';
import { decodeSpans, encodeSpans, type ListedSpan } from './spanCodec';

/** Mulberry32: the same numbers each time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const VALUES: readonly AttributeValue[] = [
  '',
  'read',
  'ünïcødé 🐦',
  'x'.repeat(127),
  'x'.repeat(128),
  'ü'.repeat(9000),
  '🐦'.repeat(600_000),
  0,
  -0,
  1,
  -1,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  Number.MAX_SAFE_INTEGER,
  0.1,
  NaN,
  -Infinity,
  0n,
  -1n,
  -(2n ** 63n),
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  true,
  false,
  [],
  ['fd', 'buf', 'count'],
  [1, 2n, true, 'x', 0.5],
];

function spans(seed: number, count: number): Span[] {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  // The giant among the values is tried on its own.
  const values = VALUES.filter((value) => typeof value !== 'string' || value.length < 1_000_000);
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(next() * 16).toString(16)).join('');
  const attributes = (): Attributes =>
    Object.fromEntries(
      Array.from({ length: Math.floor(next() * 12) }, (_, i) => [`attribute.${i}`, pick(values)]),
    );
  const time = (): Span['startNs'] => ns(BigInt(Math.floor(next() * 2 ** 52)) * 2000n);
  return Array.from({ length: count }, () => ({
    traceId: hex(32) as TraceId,
    spanId: hex(16) as SpanId,
    ...(next() < 0.5 ? {} : { parentSpanId: hex(16) as SpanId }),
    name: pick(['read', 'write x', 'work']),
    kind: pick(['internal', 'server', 'client', 'producer', 'consumer'] as const),
    origin: pick(['user', 'kernel'] as const),
    service: pick(['a', 'b']),
    startNs: time(),
    ...(next() < 0.5 ? {} : { endNs: time() }),
    status: pick([{ code: 'unset' }, { code: 'ok' }, { code: 'error', message: 'EAGAIN' }] as const),
    attributes: attributes(),
    events: Array.from({ length: Math.floor(next() * 4) }, () => ({
      timeNs: time(),
      name: pick(['sched_switch', 'net_dev_queue']),
      attributes: attributes(),
    })),
    links: Array.from({ length: Math.floor(next() * 2) }, () => ({
      traceId: hex(32) as TraceId,
      spanId: hex(16) as SpanId,
      attributes: attributes(),
    })),
  }));
}

function withAttributes(attributes: Attributes): Span {
  return { ...(spans(1, 1)[0] as Span), attributes };
}

describe('spans of a frame', () => {
  it('are what they were, of any content and number', () => {
    for (const [seed, count] of [0, 1, 2, 3, 100, 700].entries()) {
      const given = spans(seed, count);
      expect(decodeSpans(encodeSpans(given))).toEqual(given);
    }
  });

  it.each(VALUES.map((value, i) => [i, typeof value, value] as const))(
    'keep a value, and its type: %i, a %s',
    (_i, _type, value) => {
      const span = withAttributes({ a: value, b: value });
      const [back] = decodeSpans(encodeSpans([span]));
      expect(back?.attributes['a']).toStrictEqual(value);
      expect(back).toEqual(span);
    },
  );

  it('are the same whether their attributes are an object or two lists, of which the last value of a name counts', () => {
    for (const span of spans(11, 50)) {
      const listed: ListedSpan = {
        ...span,
        id: BigInt(`0x${span.spanId}`),
        attributeNames: ['twice', ...Object.keys(span.attributes), 'twice'],
        attributeValues: [1, ...Object.values(span.attributes), 2],
        get attributes(): never {
          throw new Error('not needed');
        },
        get spanId(): never {
          throw new Error('not needed');
        },
      };
      expect(decodeSpans(encodeSpans([listed]))).toEqual([
        { ...span, attributes: { ...span.attributes, twice: 2 } },
      ]);
    }
  });

  it('lose attributes that are undefined, and only those', () => {
    const span = withAttributes({ a: 1, b: undefined as unknown as string, c: 2 });
    expect(decodeSpans(encodeSpans([span]))[0]?.attributes).toEqual({ a: 1, c: 2 });
  });

  it('cannot change the prototype of what they are read into', () => {
    const [back] = decodeSpans(
      encodeSpans([withAttributes(JSON.parse('{"__proto__":["x"],"a":1}') as Attributes)]),
    );
    expect(Object.getPrototypeOf(back?.attributes)).toBe(Object.prototype);
    expect(Object.keys(back?.attributes ?? {})).toEqual(['__proto__', 'a']);
  });

  it('have each string once', () => {
    const one = encodeSpans(spans(5, 1)).length;
    const same = Array.from({ length: 1000 }, () => spans(5, 1)[0] as Span);
    expect(encodeSpans(same).length / 1000).toBeLessThan(one / 3);
  });

  it('are refused, with a typed error, where they end early or are damaged', () => {
    const bytes = encodeSpans(spans(7, 3));
    const outcome = (damaged: Uint8Array): string => {
      try {
        decodeSpans(damaged);
        return 'accepted';
      } catch (error) {
        if (!(error instanceof SkuaError)) throw error;
        return error.code;
      }
    };
    for (let end = 0; end < bytes.length; end++)
      expect(outcome(bytes.subarray(0, end))).toBe('agent-protocol');
    expect(outcome(new Uint8Array([...bytes, 0]))).toBe('agent-protocol');
    const next = random(11);
    const outcomes = new Set<string>();
    for (let i = 0; i < 5000; i++) {
      const damaged = bytes.slice();
      damaged[Math.floor(next() * damaged.length)] = Math.floor(next() * 256);
      outcomes.add(outcome(damaged));
    }
    expect([...outcomes].sort()).toEqual(['accepted', 'agent-protocol']);
  });
});
