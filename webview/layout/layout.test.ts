import { describe, expect, it } from 'vitest';
import type { SpanWords } from '../../common/view/testing';
import { random } from '../dev/generate';
import { rowsAsText, settle, testModel } from '../testing';
import type { Model } from '../model';

/** One case: spans (in batches of delivery) → rows. */
interface Case {
  readonly name: string;
  readonly batches: readonly (readonly SpanWords[])[];
  readonly rows: readonly string[];
}

const call = (id: number, parent: number, start: number, end: number, tid = 1): SpanWords => ({
  id,
  parent,
  start,
  end,
  tid,
  kernel: true,
  name: 'read',
});

const CASES: readonly Case[] = [
  {
    name: 'system calls stand under the span that made them, siblings share a row',
    batches: [
      [
        { id: 1, start: 0, end: 100, name: 'request' },
        { id: 2, parent: 1, start: 10, end: 40 },
        { id: 3, parent: 1, start: 50, end: 90 },
        call(4, 1, 2, 5),
        call(5, 2, 12, 15),
        call(6, 3, 52, 55),
      ],
    ],
    rows: [
      'u request[0,100]',
      '  k read[2,5]',
      '  u work[10,40] work[50,90]',
      '    k read[12,15] read[52,55]',
    ],
  },
  {
    name: 'concurrent siblings get rows of their own, each with its system calls',
    batches: [
      [
        { id: 1, start: 0, end: 100, name: 'request' },
        { id: 2, parent: 1, start: 10, end: 60, name: 'a' },
        { id: 3, parent: 1, start: 20, end: 90, name: 'b' },
        call(4, 2, 12, 15, 1),
        call(5, 3, 22, 25, 2),
      ],
    ],
    rows: ['u request[0,100]', '  u a[10,60]', '    k read[12,15]', '  u b[20,90]', '    k read[22,25]'],
  },
  {
    name: 'threads of one span never share a row, even when their calls do not overlap',
    batches: [
      [{ id: 1, start: 0, end: 100 }, call(2, 1, 10, 20, 1), call(3, 1, 30, 40, 2), call(4, 1, 50, 60, 1)],
    ],
    rows: ['u work[0,100]', '  k read[10,20] read[50,60]', '  k read[30,40]'],
  },
  {
    name: 'children delivered before their parents',
    batches: [
      [call(3, 2, 10, 20)],
      [{ id: 2, parent: 1, start: 5, end: 30 }],
      [call(4, 1, 40, 45)],
      [{ id: 1, start: 0, end: 50, name: 'request' }],
    ],
    rows: ['u request[0,50]', '  k read[40,45]', '  u work[5,30]', '    k read[10,20]'].map((row) =>
      shifted(row, -10),
    ),
  },
  {
    name: 'a parent that is never reported takes its times from its children',
    batches: [[call(2, 1, 10, 20)], [call(3, 1, 30, 40)], [call(4, 1, 50, 60)]],
    rows: ['u ?[0,50]', '  k read[0,10] read[20,30] read[40,50]'],
  },
  {
    name: 'an unfinished span keeps its row to itself until it ends',
    batches: [
      [
        { id: 1, start: 0, name: 'request' },
        { id: 2, parent: 1, start: 5 },
      ],
      [{ id: 3, parent: 1, start: 10, end: 20, name: 'late' }],
      [{ id: 2, parent: 1, start: 5, end: 8 }],
      [{ id: 4, parent: 1, start: 30, end: 35, name: 'next' }],
    ],
    rows: ['u request[0,…]', '  u work[5,8] next[30,35]', '  u late[10,20]'],
  },
  {
    name: 'traces are sections, in order of their start',
    batches: [
      [{ id: 1, trace: 2, start: 50, end: 60, name: 'second' }],
      [{ id: 1, trace: 1, start: 0, end: 10, name: 'first' }],
      [{ id: 1, trace: 3, start: 90, end: 95, name: 'third' }],
    ],
    rows: ['u first[-50,-40]', 'u second[0,10]', 'u third[40,45]'],
  },
  {
    name: 'system calls without a span are a section of their own',
    batches: [[{ id: 1, start: 0, end: 5, kernel: true, name: 'read' }]],
    rows: ['k read[0,5]'],
  },
  {
    name: 'a child outliving its parent does not run into the next parent’s child',
    batches: [
      [
        { id: 1, start: 0, end: 100, name: 'r' },
        { id: 2, parent: 1, start: 0, end: 10 },
        { id: 3, parent: 1, start: 10, end: 20 },
        { id: 4, parent: 2, start: 5, end: 15, name: 'async' },
        { id: 5, parent: 3, start: 12, end: 18, name: 'sync' },
      ],
    ],
    rows: ['u r[0,100]', '  u work[0,10] work[10,20]', '    u async[5,15]', '    u sync[12,18]'],
  },
];

/** Offsets count from the first span delivered. */
function shifted(row: string, by: number): string {
  return row.replace(
    /\[(-?\d+),(-?\d+)\]/g,
    (_all, a: string, b: string) => `[${Number(a) + by},${Number(b) + by}]`,
  );
}

describe('layout', () => {
  it.each(CASES)('$name', ({ batches, rows }) => {
    expect(rowsAsText(testModel(...batches).model)).toEqual(rows);
  });

  it('merges similar traces into shared rows, and separates them again', () => {
    const { model } = testModel(
      [1, 2, 3].flatMap((trace) => [
        { id: 1, trace, start: trace * 100, end: trace * 100 + (trace === 2 ? 150 : 50), name: 'request' },
        { ...call(2, 1, trace * 100 + 5, trace * 100 + 9, trace), trace },
      ]),
      [{ id: 1, trace: 4, start: 1000, end: 1001, name: 'other' }],
    );
    const separate = rowsAsText(model);
    expect(separate.length).toBe(7);
    model.layout.setMerged(true);
    settle(model);
    expect(rowsAsText(model)).toEqual([
      'u request[0,50] request[100,250]',
      '  k read[5,9] read[105,109]',
      'u request[200,250]',
      '  k read[205,209]',
      'u other[900,901]',
    ]);
    expect(model.visible.rows[0]?.roots).toBe(3);
    model.layout.setMerged(false);
    settle(model);
    expect(rowsAsText(model)).toEqual(separate);
  });

  it('hides what does not match, but not its ancestors', () => {
    const { model, index } = testModel([
      { id: 1, start: 0, end: 100, name: 'request' },
      { id: 2, parent: 1, start: 10, end: 40, name: 'keep' },
      { id: 3, parent: 1, start: 50, end: 90, name: 'drop' },
      { id: 4, parent: 2, start: 11, end: 12, name: 'deep' },
      { id: 1, trace: 2, start: 0, end: 5, name: 'gone' },
    ]);
    const deep = index(4);
    model.layout.setFilter((i) => i === deep);
    settle(model);
    expect(rowsAsText(model)).toEqual(['u request[0,100]', '  u keep[10,40]', '    u deep[11,12]']);
    model.layout.setFilter(undefined);
    settle(model);
    expect(model.visible.rows.length).toBe(4);
  });

  it('keeps its invariants however the spans arrive', () => {
    for (let seed = 1; seed <= 25; seed++) checkInvariants(randomDelivery(seed));
  });
});

/** A random forest, delivered in random order and batches, some spans first unfinished. */
function randomDelivery(seed: number): Model {
  const rand = random(seed);
  const pick = (n: number) => Math.floor(rand() * n);
  const spans: SpanWords[] = [];
  for (let id = 1; id <= 80; id++) {
    const parent = id === 1 || rand() < 0.05 ? undefined : 1 + pick(id - 1);
    const above = parent === undefined ? undefined : spans[parent - 1];
    const start = (above?.start ?? 0) + pick(1000);
    const kernel = id > 5 && rand() < 0.6;
    const parentOk = above?.kernel === true ? undefined : parent;
    spans.push({
      id,
      start,
      end: start + pick(400),
      kernel,
      tid: pick(3),
      trace: 1,
      ...(parentOk === undefined ? {} : { parent: parentOk }),
    });
  }
  const order = spans
    .map((span) => ({ span, key: rand() < 0.7 ? span.start : rand() * 5000 }))
    .sort((a, b) => a.key - b.key);
  const deliveries: SpanWords[] = [];
  for (const { span } of order) {
    const { end: _end, ...open } = span;
    if (rand() < 0.3) deliveries.push(open);
  }
  deliveries.push(...order.map((o) => o.span));
  const { model, deliver } = testModel();
  for (let at = 0; at < deliveries.length;) {
    const n = 1 + pick(6);
    deliver(deliveries.slice(at, at + n));
    at += n;
  }
  return model;
}

function checkInvariants(model: Model): void {
  const { table, layout } = model;
  const seen = new Set<number>();
  for (const row of model.visible.rows) {
    let end = -Infinity;
    let start = -Infinity;
    for (const i of row.track.spans) {
      expect(seen.has(i), `span ${i} is in one row only`).toBe(false);
      seen.add(i);
      expect(layout.rowOfSpan(i)).toBe(row);
      expect(layout.start(i)).toBeGreaterThanOrEqual(start);
      expect(layout.start(i), `span ${i} does not overlap its neighbour`).toBeGreaterThanOrEqual(end);
      start = layout.start(i);
      end = layout.end(i);
      const parent = table.parent[i] as number;
      expect(row.parent, `row of span ${i} lies below that of its parent`).toBe(
        parent < 0 ? undefined : layout.rowOfSpan(parent),
      );
      if (parent >= 0) expect([...layout.childrenOf(parent)]).toContain(i);
    }
  }
  for (let i = 0; i < table.size; i++) expect(seen.has(i), `span ${i} is placed`).toBe(true);
}
