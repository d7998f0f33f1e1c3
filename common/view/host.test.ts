import { describe, expect, it } from 'vitest';
import { TimelineHost, type TimelineActions } from './host';
import type { HostToWebview } from './protocol';
import { SpanStore } from './store';
import { makeSpan } from './testing';

/** A host with a schedule that runs when told, and everything it posted. */
function setup(limit = 1000) {
  const store = new SpanStore({ limit });
  const posted: HostToWebview[] = [];
  const waiting: (() => void)[] = [];
  const calls: string[] = [];
  const note =
    (name: string) =>
    (...parameters: readonly unknown[]) => {
      calls.push(`${name} ${JSON.stringify(parameters)}`);
    };
  const actions: TimelineActions = {
    openSource: note('openSource'),
    sourceUnknown: note('sourceUnknown'),
    pickSource: note('pickSource'),
    copy: note('copy'),
    exportTrace: note('exportTrace'),
    stop: note('stop'),
    showLog: note('showLog'),
    focusChanged: note('focusChanged'),
    selectionChanged: note('selectionChanged'),
    problem: note('problem'),
  };
  const host = new TimelineHost({
    store,
    title: 't',
    post: (message) => posted.push(message),
    schedule: (run) => {
      waiting.push(run);
      return { dispose: () => void waiting.splice(waiting.indexOf(run), 1) };
    },
    actions,
    resolveSource: () => Promise.resolve(undefined),
    persist: { file: 'x.skua' },
  });
  const settle = () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) next();
  };
  const of = <T extends HostToWebview['type']>(type: T) =>
    posted.filter((m): m is Extract<HostToWebview, { type: T }> => m.type === type);
  return { store, host, posted, waiting, calls, settle, of };
}

const ready = { type: 'ready', version: 1, restored: false };
const spans = (n: number, from = 0) =>
  Array.from({ length: n }, (_, i) =>
    makeSpan({ id: from + i + 1, start: i, end: i + 1, name: i % 2 === 0 ? 'read' : 'write' }),
  );

describe('TimelineHost', () => {
  it('says nothing before the webview is ready, then everything in order', () => {
    const { host, store, posted, settle } = setup();
    store.upsert(spans(3));
    settle();
    expect(posted).toEqual([]);
    host.receive(ready);
    settle();
    expect(posted.map((m) => m.type)).toEqual(['init', 'state', 'loss', 'columns']);
    expect(posted[0]).toMatchObject({ expectedSpans: 3, persist: { file: 'x.skua' } });
  });

  it('sends what comes later, gathered, and waits for the webview to keep up', () => {
    const { host, store, settle, of } = setup();
    host.receive(ready);
    for (let i = 0; i < 6; i++) {
      store.upsert(spans(1, i * 10));
      settle();
    }
    expect(of('columns').length).toBe(3);
    host.receive({ type: 'applied', seq: 3 });
    settle();
    expect(of('columns').length).toBe(4);
    expect(of('columns').reduce((rows, m) => rows + m.delta.rows, 0)).toBe(6);
  });

  it('starts anew for a webview that was thrown away', () => {
    const { host, store, settle, of } = setup();
    store.upsert(spans(4));
    host.receive(ready);
    settle();
    host.receive(ready);
    settle();
    expect(of('columns').map((m) => [m.delta.rows, m.delta.strings.length > 0])).toEqual([
      [4, true],
      [4, true],
    ]);
  });

  it('searches, goes on with new spans and takes back what no longer matches', () => {
    const { host, store, settle, of } = setup();
    store.upsert(spans(4));
    host.receive(ready);
    host.receive({ type: 'search', search: 7, query: 'name:read' });
    settle();
    store.upsert([
      makeSpan({ id: 1, start: 0, end: 1, name: 'renamed' }),
      makeSpan({ id: 50, start: 9, end: 10, name: 'read' }),
    ]);
    settle();
    const found = new Set<number>();
    for (const message of of('searchResult')) {
      expect(message.search).toBe(7);
      for (const i of new Uint32Array(message.matches)) found.add(i);
      for (const i of new Uint32Array(message.unmatched)) found.delete(i);
    }
    expect([...found]).toEqual([2, 4]);
  });

  it('reveals a span only after it has been sent', () => {
    const { host, store, settle, posted } = setup();
    host.receive(ready);
    store.upsert(spans(2));
    host.reveal(1);
    settle();
    expect(posted.map((m) => m.type).slice(-2)).toEqual(['columns', 'reveal']);
  });

  it('answers for details and events', async () => {
    const { host, store, of } = setup();
    store.upsert([makeSpan({ id: 1, start: 0, end: 5, events: [[2, 'e']] })]);
    host.receive(ready);
    host.receive({ type: 'requestDetails', index: 0 });
    host.receive({
      type: 'requestEvents',
      request: 3,
      index: 0,
      descendants: true,
      from: 0,
      to: 9,
      limit: 10,
    });
    await expect.poll(() => of('details')[0]?.details.name).toBe('work');
    expect(of('events')[0]).toMatchObject({ request: 3, total: 1 });
  });

  it('goes along wake-ups, or says why it cannot', () => {
    const { host, store, of, settle } = setup();
    const woken = {
      'skua.time.on_cpu_ns': 1,
      'skua.time.runnable_ns': 0,
      'skua.time.blocked_ns': 9,
      'skua.waker.name': 'b',
      'skua.waker.tid': 2,
      'skua.waker.trace_id': '1'.padStart(32, '0'),
      'skua.waker.span_id': '1'.padStart(16, '0'),
    };
    store.upsert([
      makeSpan({ id: 1, kernel: true, start: 0, end: 9 }),
      makeSpan({ id: 2, kernel: true, start: 0, end: 10, attributes: woken, wokenFrom: [1] }),
    ]);
    host.receive(ready);
    host.receive({ type: 'followWakeup', index: 1, to: 'waker' });
    host.receive({ type: 'followWakeup', index: 0, to: 'wakee' });
    host.receive({ type: 'followWakeup', index: 1, to: 'wakee' });
    host.receive({ type: 'followWakeup', index: 99, to: 'waker' });
    settle();
    expect(of('reveal').map((m) => m.index)).toEqual([0, 1]);
    expect(of('notice').map((m) => m.text)).toEqual([
      'No traced thread was woken from this span.',
      'Nothing is known about wake-ups of this span.',
    ]);
  });

  it('opens sources, or says why it cannot', () => {
    const { host, store, calls } = setup();
    store.upsert([
      makeSpan({ id: 1, start: 0, end: 5, attributes: { 'code.file.path': '/a.c', 'code.line.number': 3 } }),
      makeSpan({ id: 2, start: 0, end: 5, attributes: { 'skua.source.unknown': 'no-debug-info' } }),
    ]);
    for (const index of [0, 1])
      host.receive({ type: 'openSource', index, toSide: true, preserveFocus: false });
    expect(calls).toEqual([
      'openSource [{"file":"/a.c","line":3},{"toSide":true,"preserveFocus":false}]',
      'sourceUnknown ["no-debug-info"]',
    ]);
  });

  it.each([
    undefined,
    null,
    'ready',
    {},
    { type: 'nonsense' },
    { type: 'ready' },
    { type: 'selection', index: 'x' },
    { type: 'toString' },
  ])('reports a message that is not one: %j', (message) => {
    const { host, calls } = setup();
    host.receive(message);
    expect(calls.length).toBe(1);
    expect(calls[0]).toMatch(/^problem/);
  });

  it('stops everything when disposed', () => {
    const { host, store, settle, posted, waiting } = setup();
    host.receive(ready);
    store.upsert(spans(1));
    host.dispose();
    expect(waiting.length).toBe(0);
    const before = posted.length;
    store.upsert(spans(5));
    host.receive({
      type: 'requestEvents',
      request: 1,
      index: 0,
      descendants: false,
      from: 0,
      to: 1,
      limit: 1,
    });
    settle();
    expect(posted.length).toBe(before);
  });
});
