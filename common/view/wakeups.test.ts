import { describe, expect, it } from 'vitest';
import type { Attributes } from '../model/span';
import { PART, viewColumns } from './columns';
import { spanDetails } from './details';
import { SPAN_FLAG } from './flags';
import { SpanStore } from './store';
import { makeSpan, spanId, traceId, type SpanWords } from './testing';
import { wakeeOfSpan, wakerOfSpan } from './wakeups';

const times = (onCpu: number, runnable: number, blocked: number, more: Attributes = {}): Attributes => ({
  'skua.time.on_cpu_ns': onCpu,
  'skua.time.runnable_ns': runnable,
  'skua.time.blocked_ns': blocked,
  ...more,
});
const wokenBy = (span: number, user: number): Attributes => ({
  'skua.waker.name': 'bank',
  'skua.waker.pid': 1230,
  'skua.waker.tid': 1234,
  'skua.waker.trace_id': traceId(1),
  'skua.waker.span_id': spanId(span),
  'skua.waker.user_span_id': spanId(user),
});
const read: SpanWords = {
  id: 10,
  kernel: true,
  name: 'read',
  tid: 5,
  start: 0,
  end: 20,
  wokenFrom: [11],
  attributes: {
    'process.executable.name': 'shop',
    ...times(3, 2, 15, { 'skua.time.states': 'c2 b15 r2 c1', ...wokenBy(11, 2) }),
  },
};
const write: SpanWords = {
  id: 11,
  parent: 2,
  kernel: true,
  name: 'write',
  start: 10,
  end: 18,
  attributes: times(8, 0, 0),
};
const authorize: SpanWords = { id: 2, name: 'authorize', start: 5, end: 30 };

function filled(...spans: readonly SpanWords[]): { store: SpanStore; at: (id: number) => number } {
  const store = new SpanStore();
  store.upsert(spans.map(makeSpan));
  return { store, at: (id) => store.indexOf(traceId(1), spanId(id)) ?? -1 };
}

const details = async (store: SpanStore, index: number) => {
  const found = await spanDetails(store, index, () => Promise.resolve(undefined));
  if (!found) throw new Error('no details');
  return found;
};

describe('times in the details', () => {
  it('are shown with the waker and its span, and are no further attributes', async () => {
    const { store, at } = filled(read, write, authorize);
    const shown = await details(store, at(10));
    expect(shown.waiting).toEqual({
      kind: 'times',
      onCpuNs: 3,
      runnableNs: 2,
      blockedNs: 15,
      waker: { text: 'bank/1234', span: { index: at(11), name: 'write', userName: 'authorize' } },
    });
    expect(shown.attributes).toEqual([]);
    expect(shown.links).toEqual([]);
    expect((await details(store, at(11))).woke).toEqual([{ index: at(10), text: 'read in shop/5' }]);
  });

  it('fall back to the user span of a waker whose system call has not come', async () => {
    const { store, at } = filled(read, authorize);
    const { waiting } = await details(store, at(10));
    expect(waiting).toMatchObject({ waker: { span: { index: at(2), userName: 'authorize' } } });
  });

  it('say why they are not there', async () => {
    const { store } = filled({
      id: 1,
      kernel: true,
      start: 0,
      end: 5,
      attributes: { 'skua.time.unknown': 'events-lost' },
    });
    expect((await details(store, 0)).waiting).toEqual({
      kind: 'unknown',
      text: 'the kernel lost events meanwhile',
    });
    expect((await details(filled(authorize).store, 0)).waiting).toBeUndefined();
  });
});

describe('along wake-ups', () => {
  it('goes to the waker and back, whichever of the two came first', () => {
    for (const order of [
      [read, write, authorize],
      [authorize, write, read],
    ]) {
      const { store, at } = filled(...order);
      expect(wakerOfSpan(store, at(10))).toEqual({ index: at(11) });
      expect(wakeeOfSpan(store, at(11))).toEqual({ index: at(10) });
    }
  });

  it('goes to the first of those that were woken; a span delivered again counts once', () => {
    const later: SpanWords = { ...read, id: 12, start: 4, end: 24 };
    const { store, at } = filled(later, read, write);
    store.upsert([makeSpan(read)]);
    expect(wakeeOfSpan(store, at(11))).toEqual({ index: at(10) });
    expect(store.wokenBy(at(11))).toEqual([at(10), at(12)]);
  });

  it.each<[string, Attributes, RegExp]>([
    ['nothing is known', {}, /Nothing is known/],
    ['events were lost', { 'skua.time.unknown': 'events-lost' }, /lost events/],
    ['it never slept', times(5, 0, 0), /never slept/],
    ['an interrupt woke it', times(1, 0, 4, { 'skua.waker.name': 'interrupt' }), /An interrupt/],
    [
      'an untraced thread woke it',
      times(1, 0, 4, { 'skua.waker.name': 'kworker/1:2', 'skua.waker.pid': 61, 'skua.waker.tid': 61 }),
      /kworker\/1:2\/61 woke it/,
    ],
    ['its span is missing', times(1, 0, 4, wokenBy(77, 78)), /not here/],
  ])('says that %s', (_name, attributes, reason) => {
    const { store } = filled({ id: 1, kernel: true, start: 0, end: 5, attributes });
    expect(wakerOfSpan(store, 0)).toEqual({ reason: expect.stringMatching(reason) as string });
    expect(wakeeOfSpan(store, 0)).toHaveProperty('reason');
  });
});

describe('parts on their way to the timeline', () => {
  it('are numbers beside the rows; those without are all on a CPU, or not known', () => {
    const { store } = filled(write, read, {
      id: 3,
      kernel: true,
      start: 0,
      end: 5,
      attributes: { 'skua.time.unknown': 'events-lost' },
    });
    const delta = store.createReader().take(10);
    if (!delta) throw new Error('nothing to take');
    const views = viewColumns(delta);
    const of = (id: number): number => [...views.index].indexOf(store.indexOf(traceId(1), spanId(id)) ?? -1);
    expect(
      [...views.partCount].map((count, row) => [count, ((views.flags[row] ?? 0) & SPAN_FLAG.timed) !== 0]),
    ).toEqual([...views.index].map((_, row) => (row === of(10) ? [4, true] : [0, row === of(11)])));
    expect([...views.partState]).toEqual([PART['on-cpu'], PART.blocked, PART.runnable, PART['on-cpu']]);
    expect([...views.partLength]).toEqual([2, 15, 2, 1]);
  });

  it.each(['c2 b15 r2', 'c2 x15', 'c-2 b22', 'c2  b18', 'cc', '', 'c1e1 b10'])(
    'are not made of "%s"',
    (states) => {
      const { store } = filled({ ...read, attributes: times(3, 2, 15, { 'skua.time.states': states }) });
      const delta = store.createReader().take(10);
      const views = delta && viewColumns(delta);
      expect(views?.partCount[0]).toBe(0);
      expect((views?.flags[0] ?? SPAN_FLAG.timed) & SPAN_FLAG.timed).toBe(0);
    },
  );
});
