import { describe, expect, it } from 'vitest';
import { viewColumns, type SpanColumns } from './columns';
import { CATEGORY, SPAN_FLAG } from './flags';
import { SpanStore } from './store';
import { makeSpan, spanId, traceId } from './testing';

const store = (limit = 1000) => new SpanStore({ limit });
const first = (s: SpanStore): SpanColumns => {
  const delta = s.createReader().take(1000);
  if (!delta) throw new Error('nothing to take');
  return delta;
};

describe('SpanStore', () => {
  it('gives a parent that comes later its place at once and fills it in', () => {
    const s = store();
    s.upsert([makeSpan({ id: 2, parent: 1, start: 10, end: 20, kernel: true })]);
    const parent = s.indexOf(traceId(1), spanId(1)) as number;
    expect(s.size).toBe(2);
    expect(s.spanCount).toBe(1);
    expect(s.get(parent)).toBeUndefined();
    const reader = s.createReader();
    expect(reader.take(10)?.rows).toBe(2);
    s.upsert([makeSpan({ id: 1, start: 0, end: 100, name: 'request' })]);
    const delta = reader.take(10) as SpanColumns;
    expect([...viewColumns(delta).index]).toEqual([parent]);
    expect(viewColumns(delta).flags[0]).toBe(0);
    expect(s.spanCount).toBe(2);
    expect(reader.take(10)).toBeUndefined();
  });

  it('replaces a span delivered again and tells readers and listeners', () => {
    const s = store();
    s.upsert([makeSpan({ id: 1, start: 0 })]);
    const reader = s.createReader();
    expect(viewColumns(reader.take(10) as SpanColumns).flags[0]).toBe(SPAN_FLAG.unfinished);
    const replaced: number[] = [];
    const listening = s.onUpsert((indices) => replaced.push(...indices));
    s.upsert([makeSpan({ id: 1, start: 0, end: 50 })]);
    void listening.dispose();
    s.upsert([makeSpan({ id: 1, start: 0, end: 60 })]);
    expect(replaced).toEqual([0]);
    expect(s.size).toBe(1);
    expect(viewColumns(reader.take(10) as SpanColumns).duration[0]).toBe(60);
  });

  it('refuses and counts beyond its limit, but still replaces', () => {
    const s = store(2);
    const taken = s.upsert([1, 2, 3, 4].map((id) => makeSpan({ id, start: id, end: id + 1 })));
    expect([taken, s.received.refusedSyscalls + s.received.refusedUser, s.size]).toEqual([2, 2, 2]);
    expect(s.upsert([makeSpan({ id: 2, start: 2, end: 9 })])).toBe(1);
    expect(s.received).toEqual({ syscalls: 0, refusedSyscalls: 0, refusedUser: 2 });
  });

  it('counts each span once, when it is final', () => {
    const s = store(2);
    const kernel = (id: number) => makeSpan({ id, kernel: true, start: 0, end: 1 });
    s.upsert([kernel(1), kernel(2), kernel(3)], [0, 1, 2]);
    expect(s.received).toEqual({ syscalls: 0, refusedSyscalls: 0, refusedUser: 0 });
    s.upsert([kernel(1), kernel(2), kernel(3)], [1]);
    s.upsert([kernel(2)]);
    expect(s.received).toEqual({ syscalls: 2, refusedSyscalls: 1, refusedUser: 0 });
  });

  it('never exceeds its limit with placeholders', () => {
    const s = store(3);
    s.upsert([makeSpan({ id: 11, parent: 1, start: 0, end: 1 })]);
    s.upsert([makeSpan({ id: 12, parent: 2, start: 0, end: 1 })]);
    expect(s.size).toBe(3);
    expect(s.parentOf(s.indexOf(traceId(1), spanId(12)) as number)).toBe(-1);
  });

  it('keeps the same span id in two traces apart', () => {
    const s = store();
    s.upsert([
      makeSpan({ id: 1, trace: 1, start: 0, end: 1 }),
      makeSpan({ id: 1, trace: 2, start: 5, end: 6 }),
    ]);
    expect(s.size).toBe(2);
    expect([...viewColumns(first(s)).trace]).toEqual([0, 1]);
  });

  it.each([
    ['itself', [makeSpan({ id: 1, parent: 1, start: 0, end: 1 })]],
    [
      'each other',
      [makeSpan({ id: 1, parent: 2, start: 0, end: 1 }), makeSpan({ id: 2, parent: 1, start: 0, end: 1 })],
    ],
  ])('ignores a parent that closes a circle: %s', (_what, spans) => {
    const s = store();
    s.upsert(spans);
    expect(s.cyclic).toBe(1);
    for (let i = 0; i < s.size; i++) {
      let steps = 0;
      for (let at = i; at !== -1 && steps < 10; at = s.parentOf(at)) steps += 1;
      expect(steps).toBeLessThanOrEqual(s.size);
    }
  });

  it('puts into columns what a row shows', () => {
    const s = store();
    s.upsert([
      makeSpan({
        id: 1,
        start: 5,
        end: 25,
        kernel: true,
        name: 'write',
        tid: 7,
        error: 'EPIPE',
        attributes: {
          'skua.fd.path': 'socket:[99]',
          'code.file.path': '/src/a/main.cpp',
          'code.line.number': 12,
          'skua.lost_events': 2,
        },
        events: [
          [20, 'late'],
          [10, 'early'],
        ],
      }),
    ]);
    const delta = first(s);
    const c = viewColumns(delta);
    const text = (id: number | undefined) => ['', ...delta.strings][id ?? 0];
    expect(text(c.name[0])).toBe('write');
    expect(text(c.source[0])).toBe('main.cpp:12');
    expect(text(c.detail[0])).toBe('socket:[99]');
    expect(c.category[0]).toBe(CATEGORY.network);
    expect(c.flags[0]).toBe(SPAN_FLAG.kernel | SPAN_FLAG.error | SPAN_FLAG.lost | SPAN_FLAG.hasSource);
    expect([c.start[0], c.duration[0]]).toEqual([0, 20]);
    expect([...c.eventTime]).toEqual([5, 15]);
    expect([...c.eventName].map(text)).toEqual(['early', 'late']);
    expect(delta.threads[(c.thread[0] ?? 0) - delta.firstThread]).toEqual({ pid: 100, tid: 7, process: '' });
  });

  it('sends every string once to each reader, in pieces of the asked size', () => {
    const s = store();
    s.upsert(
      Array.from({ length: 10 }, (_, i) => makeSpan({ id: i + 1, start: i, end: i + 1, name: `n${i % 3}` })),
    );
    const reader = s.createReader();
    const deltas = [reader.take(4), reader.take(4), reader.take(4)] as SpanColumns[];
    expect(deltas.map((d) => d.rows)).toEqual([4, 4, 2]);
    const strings = deltas.flatMap((d) => d.strings);
    expect(new Set(strings).size).toBe(strings.length);
    expect(first(s).strings).toEqual(strings);
  });

  it('keeps 64-bit times exact as offsets from the first span', () => {
    const s = store();
    s.upsert([
      makeSpan({ id: 1, start: 1_000_000_001, end: 1_000_000_002 }),
      makeSpan({ id: 2, start: 0, end: 1 }),
    ]);
    expect([...viewColumns(first(s)).start]).toEqual([0, -1_000_000_001]);
  });
});

describe('viewColumns', () => {
  it('refuses a delta whose columns are too short', () => {
    const s = store();
    s.upsert([makeSpan({ id: 1, start: 0, end: 1 })]);
    expect(() => viewColumns({ ...first(s), rows: 2 })).toThrow(RangeError);
  });
});
