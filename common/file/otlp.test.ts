import { describe, expect, it } from 'vitest';
import { ns } from '../base/time';
import type { Span, SpanId, TraceId } from '../model/span';
import { spansFromOtlp, spansToOtlp } from './otlp';

const TRACE = '0af7651916cd43dd8448eb211c80319c' as TraceId;

function span(over: Partial<Span> = {}): Span {
  return {
    traceId: TRACE,
    spanId: 'b7ad6b7169203331' as SpanId,
    name: 'openat',
    kind: 'internal',
    origin: 'kernel',
    service: 'shop',
    startNs: ns(1_700_000_000_123_456_789n),
    endNs: ns(1_700_000_000_123_457_001n),
    status: { code: 'unset' },
    attributes: {},
    events: [],
    links: [],
    ...over,
  };
}

const roundTrip = (spans: readonly Span[]) => spansFromOtlp(JSON.parse(JSON.stringify(spansToOtlp(spans))));

describe('OTLP JSON', () => {
  it('round-trips every part of a span', () => {
    const spans: Span[] = [
      span({
        parentSpanId: '00000000000000ff' as SpanId,
        kind: 'server',
        origin: 'user',
        status: { code: 'error', message: 'ENOENT' },
        attributes: {
          s: 'x',
          b: false,
          i: -7,
          d: 0.5,
          big: 9_007_199_254_740_993n,
          min: -(2n ** 63n),
          list: [1, 'two', true, 9_007_199_254_740_993n],
          empty: [],
          'resource.host.name': 'h',
          'w3c.tracestate': 'a=b',
        },
        events: [{ timeNs: ns(1_700_000_000_123_456_800n), name: 'sched_switch', attributes: { prev: 1 } }],
        links: [{ traceId: TRACE, spanId: '0000000000000001' as SpanId, attributes: { why: 'follows' } }],
      }),
      span({ service: 'other' }),
    ];
    expect(roundTrip(spans)).toEqual({ spans, rejected: 0 });
  });

  it('keeps an unfinished span unfinished while giving OTLP an end', () => {
    const open = span({ attributes: { 'skua.unfinished': 'killed' } });
    const { endNs: _end, ...unfinished } = open;
    const late = { timeNs: ns(open.startNs + 50n), name: 'e', attributes: {} };
    const encoded = spansToOtlp([{ ...unfinished, events: [late] }]);
    expect(encoded.resourceSpans?.[0]?.scopeSpans?.[0]?.spans?.[0]?.endTimeUnixNano).toBe(
      String(open.startNs + 50n),
    );
    expect(roundTrip([{ ...unfinished, events: [late] }]).spans).toEqual([{ ...unfinished, events: [late] }]);
  });

  it('groups by resource and names the scope after the origin', () => {
    const encoded = spansToOtlp([span(), span({ origin: 'user' }), span({ service: 'b' })]);
    const shape = encoded.resourceSpans?.map((r) =>
      r.scopeSpans?.map((s) => [s.scope?.name, s.spans?.length]),
    );
    expect(shape).toEqual([
      [
        ['skua.user', 1],
        ['skua.kernel', 1],
      ],
      [['skua.kernel', 1]],
    ]);
  });

  it('writes integers beyond int64 as text and odd floats as proto3 names', () => {
    const { attributes } = roundTrip([
      span({ attributes: { u64: 2n ** 64n - 1n, nan: NaN, inf: -Infinity, huge: 1e300 } }),
    ]).spans[0] as Span;
    expect(attributes).toEqual({ u64: '18446744073709551615', nan: NaN, inf: -Infinity, huge: 1e300 });
  });

  it('reads what other exporters write: numbers for int64, enum names, upper-case ids, nested values', () => {
    const { spans } = spansFromOtlp({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'py' } }] },
          scopeSpans: [
            {
              spans: [
                {
                  traceId: TRACE.toUpperCase(),
                  spanId: 'B7AD6B7169203331',
                  parentSpanId: '',
                  name: 'GET /',
                  kind: 'SPAN_KIND_CLIENT',
                  startTimeUnixNano: 1000,
                  endTimeUnixNano: '2000',
                  futureField: {},
                  status: { code: 'STATUS_CODE_OK' },
                  attributes: [
                    { key: 'n', value: { intValue: 5 } },
                    { key: 'none', value: {} },
                    {
                      key: 'nested',
                      value: {
                        kvlistValue: {
                          values: [{ key: 'a', value: { arrayValue: { values: [{ intValue: '1' }] } } }],
                        },
                      },
                    },
                    { key: '__proto__', value: { stringValue: 'harmless' } },
                  ],
                },
              ],
            },
          ],
        },
      ],
    });
    const [read] = spans;
    expect(read).toMatchObject({
      traceId: TRACE,
      spanId: 'b7ad6b7169203331',
      kind: 'client',
      origin: 'user',
      service: 'py',
      startNs: 1000n,
      endNs: 2000n,
      status: { code: 'ok' },
    });
    expect(read?.parentSpanId).toBeUndefined();
    expect(Object.entries(read?.attributes ?? {})).toEqual([
      ['n', 5],
      ['nested', '{"a":[1]}'],
      ['__proto__', 'harmless'],
    ]);
  });

  it('rejects and counts invalid spans without losing their neighbours', () => {
    const good = spansToOtlp([span()]).resourceSpans?.[0]?.scopeSpans?.[0]?.spans?.[0];
    const bad = [
      { ...good, traceId: 'xyz' },
      { ...good, spanId: '0000000000000000' },
      { ...good, startTimeUnixNano: 'soon' },
      { ...good, attributes: [{ key: 'n', value: { intValue: 'many' } }] },
      null,
    ];
    const result = spansFromOtlp({ resourceSpans: [{ scopeSpans: [{ spans: [...bad, good] }] }] });
    expect(result.rejected).toBe(5);
    expect(result.spans).toHaveLength(1);
    expect(result.reason).toBe('traceId is not 32 hexadecimal digits');
  });

  it('survives requests that are not OTLP at all', () => {
    for (const junk of [
      null,
      1,
      'x',
      [],
      { resourceSpans: 5 },
      { resourceSpans: [{ scopeSpans: [null] }] },
    ]) {
      expect(spansFromOtlp(junk)).toEqual({ spans: [], rejected: 0 });
    }
  });
});
