import { tableFromIPC, tableToIPC, Table, RecordBatch, Schema } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { SkuaError } from '../base/errors';
import { ns } from '../base/time';
import { NO_LOSS } from '../model/loss';
import type { Span, SpanId, TraceId } from '../model/span';
import { FILE_VERSION, readTrace, readTraceMeta, writeTrace } from './skua-file';
import type { SavedTrace, TraceMeta } from './trace-meta';
import { upgrade } from './upgrades';

const META: TraceMeta = {
  title: 'shop',
  skuaVersion: '0.1.0',
  host: 'lab',
  kernelRelease: '6.1.0-56-amd64',
  target: 'sandbox',
  program: '/home/dev/shop',
  args: ['--port', '80'],
  environment: ['PATH'],
  startedNs: ns(1_795_424_993_395_113_005n),
  exit: { code: null, signal: 'SIGKILL' },
  loss: { ...NO_LOSS, ringBuffer: 3 },
  sourceMap: [['/build', '/home/me']],
};

const TRACE = '0af7651916cd43dd8448eb211c80319c' as TraceId;

function span(index: number, over: Partial<Span> = {}): Span {
  return {
    traceId: TRACE,
    spanId: index.toString(16).padStart(16, '0') as SpanId,
    name: `span ${index % 7}`,
    kind: 'internal',
    origin: 'kernel',
    service: 'shop',
    startNs: ns(1_795_424_993_395_113_005n + BigInt(index)),
    endNs: ns(1_795_424_993_395_113_999n + BigInt(index)),
    status: { code: 'unset' },
    attributes: {},
    events: [],
    links: [],
    ...over,
  };
}

const RICH: SavedTrace = {
  meta: META,
  spans: [
    span(1, {
      parentSpanId: '00000000000000ff' as SpanId,
      kind: 'server',
      origin: 'user',
      status: { code: 'error', message: 'größer "als" 🐦\n' },
      attributes: {
        text: 'ünï',
        empty: '',
        n: -7,
        half: 0.5,
        nan: NaN,
        infinite: -Infinity,
        minusZero: -0,
        small: 5n,
        big: 9_007_199_254_740_993n,
        u64: 2n ** 64n - 1n,
        yes: true,
        no: false,
        list: ['a', 1, 2n, false, NaN, -0],
        none: [],
      },
      events: [
        {
          timeNs: ns(1_795_424_993_395_113_006n),
          name: 'sched_switch',
          attributes: { tid: 7, addr: 2n ** 63n },
        },
        { timeNs: ns(1n), name: '', attributes: {} },
      ],
      links: [{ traceId: TRACE, spanId: '0000000000000001' as SpanId, attributes: { why: ['x'] } }],
    }),
    (({ endNs: _end, ...open }: Span): Span => open)(span(2)),
    span(3, {
      attributes: Object.defineProperty({}, '__proto__', { value: 'x', enumerable: true }),
    }),
  ],
};

function failure(action: () => unknown): SkuaError {
  try {
    action();
  } catch (error) {
    if (error instanceof SkuaError) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}

/** The file with other schema metadata. */
function relabelled(bytes: Uint8Array, entries: readonly (readonly [string, string])[]): Uint8Array {
  const table = tableFromIPC(bytes);
  const schema = new Schema(table.schema.fields, new Map(entries));
  return tableToIPC(
    new Table(
      schema,
      table.batches.map((batch) => new RecordBatch(schema, batch.data)),
    ),
    'file',
  );
}

describe('.skua file', () => {
  it('round-trips everything, 64-bit integers and their types included', () => {
    const bytes = writeTrace(RICH);
    const read = readTrace(bytes);
    expect(read).toEqual(RICH);
    expect(Object.is(read.spans[0]?.attributes['minusZero'], -0)).toBe(true);
    expect(readTraceMeta(bytes)).toEqual(META);
  });

  it('round-trips a trace without spans and one of more than one batch', () => {
    expect(readTrace(writeTrace({ meta: META, spans: [] }))).toEqual({ meta: META, spans: [] });
    const many = Array.from({ length: 70_000 }, (_none, i) => span(i + 1, { attributes: { i } }));
    const read = readTrace(writeTrace({ meta: META, spans: many })).spans;
    expect(read).toHaveLength(70_000);
    for (const i of [0, 65_535, 65_536, 69_999]) expect(read[i]).toEqual(many[i]);
  });

  it('is an Arrow table whose columns have the types that docs/file-format.md promises', () => {
    const { schema } = tableFromIPC(writeTrace(RICH));
    expect(schema.fields.map((f) => `${f.name}: ${String(f.type)}${f.nullable ? '?' : ''}`))
      .toMatchInlineSnapshot(`
      [
        "trace_id: Dictionary<Int32, Utf8>",
        "span_id: Utf8",
        "parent_span_id: Utf8?",
        "name: Dictionary<Int32, Utf8>",
        "kind: Dictionary<Int32, Utf8>",
        "origin: Dictionary<Int32, Utf8>",
        "service: Dictionary<Int32, Utf8>",
        "start: Timestamp<NANOSECOND, UTC>",
        "end: Timestamp<NANOSECOND, UTC>?",
        "status: Dictionary<Int32, Utf8>",
        "status_message: Utf8?",
        "attributes: Map<{key:Utf8, value:Utf8}>",
        "attribute_types: Utf8",
        "events: List<Struct<{time:Timestamp<NANOSECOND, UTC>, name:Utf8, attributes:Map<{key:Utf8, value:Utf8}>, attribute_types:Utf8}>>",
        "links: List<Struct<{trace_id:Utf8, span_id:Utf8, attributes:Map<{key:Utf8, value:Utf8}>, attribute_types:Utf8}>>",
      ]
    `);
  });

  it('refuses what is no trace', () => {
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(100),
      new TextEncoder().encode('ARROW1 but nothing else'),
    ]) {
      expect(failure(() => readTrace(bytes)).code).toBe('file-invalid');
      expect(failure(() => readTraceMeta(bytes)).code).toBe('file-invalid');
    }
    const foreign = relabelled(writeTrace(RICH), [['pandas', '{}']]);
    expect(failure(() => readTrace(foreign)).message).toContain('not one of Skua');
  });

  it('refuses a newer format with its own code, and a nonsense version', () => {
    const bytes = writeTrace(RICH);
    const newer = relabelled(bytes, [['skua.version', String(FILE_VERSION + 1)]]);
    expect(failure(() => readTrace(newer)).code).toBe('file-too-new');
    expect(failure(() => readTraceMeta(newer)).code).toBe('file-too-new');
    for (const version of ['0', '-1', 'one', '1.5']) {
      expect(failure(() => readTrace(relabelled(bytes, [['skua.version', version]]))).code).toBe(
        'file-invalid',
      );
    }
  });

  it('upgrades step by step, each step once and in order', () => {
    const steps = {
      1: (trace: SavedTrace) => ({ ...trace, meta: { ...trace.meta, title: `${trace.meta.title} 2` } }),
      2: (trace: SavedTrace) => ({ ...trace, meta: { ...trace.meta, title: `${trace.meta.title} 3` } }),
    };
    expect(upgrade(RICH, 1, 3, steps).meta.title).toBe('shop 2 3');
    expect(upgrade(RICH, 2, 3, steps).meta.title).toBe('shop 3');
    expect(() => upgrade(RICH, 1, 4, steps)).toThrow('format 3');
  });

  it('takes every kind of damage as "file-invalid": cut short anywhere', () => {
    const bytes = writeTrace(RICH);
    for (let length = 0; length < bytes.length; length += 37) {
      expect(failure(() => readTrace(bytes.slice(0, length))).code).toBe('file-invalid');
    }
  });

  it('takes every kind of damage as "file-invalid" or reads it: 1,000 files with flipped bytes', () => {
    const original = writeTrace(RICH);
    let seed = 12345;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    let refused = 0;
    for (let i = 0; i < 1000; i += 1) {
      const bytes = original.slice();
      for (let n = 0; n <= random(4); n += 1) bytes[random(bytes.length)] = random(256);
      try {
        readTrace(bytes);
      } catch (error) {
        refused += 1;
        if (!(error instanceof SkuaError)) throw error;
        expect(['file-invalid', 'file-too-new']).toContain(error.code);
      }
    }
    expect(refused).toBeGreaterThan(50);
  });
});
