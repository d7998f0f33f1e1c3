import { describe, expect, it } from 'vitest';
import { testModel, type TestModel } from '../testing';
import type { SpanWords } from '../../common/view/testing';
import { DrawList, drawLog } from './draw-list';
import { RULER_HEIGHT, buildFrame, stickyRows } from './frame';
import { HitMap } from './hit-map';
import requestGolden from './goldens/request.txt?raw';
import selectionGolden from './goldens/selection.txt?raw';
import type { Scene } from './scene';

const REQUEST: readonly SpanWords[] = [
  { id: 1, start: 0, end: 1000, name: 'request' },
  { id: 2, parent: 1, start: 100, end: 500, events: [[150, 'log']] },
  { id: 3, parent: 1, start: 520, end: 900, error: 'boom' },
  {
    id: 4,
    parent: 2,
    start: 120,
    end: 320,
    kernel: true,
    tid: 9,
    name: 'openat',
    attributes: { 'skua.syscall.arg.filename': '/etc/x' },
    events: [
      [200, 'sched_switch'],
      [201, 'sched_switch'],
    ],
  },
  { id: 5, parent: 2, start: 340, end: 341, kernel: true, tid: 9, name: 'read', error: 'EIO' },
  { id: 6, parent: 2, start: 342, end: 343, kernel: true, tid: 9, name: 'read' },
  {
    id: 7,
    parent: 3,
    start: 600,
    kernel: true,
    tid: 9,
    name: 'futex',
    attributes: { 'skua.lost_events': 3 },
  },
  { id: 8, parent: 99, trace: 2, start: 50, end: 60, kernel: true, tid: 9, name: 'close' },
];

function frame(
  { model }: TestModel,
  change: Partial<Scene> = {},
): { log: readonly string[]; hits: HitMap; scene: Scene } {
  const scene: Scene = {
    table: model.table,
    layout: model.layout,
    visible: model.visible,
    isCollapsed: model.isCollapsed,
    window: { from: 0, to: 1000 },
    scrollY: 0,
    width: 1200,
    height: 300,
    labelWidth: 200,
    edge: 950,
    running: false,
    selection: { kind: 'none' },
    hoverRow: undefined,
    focusRow: undefined,
    highlight: undefined,
    range: undefined,
    marks: [],
    lossWindows: model.lossWindows,
    origin: 0,
    ...change,
  };
  const list = new DrawList();
  const hits = new HitMap();
  buildFrame(scene, list, hits);
  return { log: drawLog(list), hits, scene };
}

/** Goldens are files that people change after looking at the difference; nothing writes them. */
function expectGolden(golden: string, log: readonly string[]): void {
  expect(log).toEqual(golden.trimEnd().split('\n'));
}

describe('a frame', () => {
  it('of a request with its system calls', () => {
    expectGolden(requestGolden, frame(testModel(REQUEST)).log);
  });

  it('with a selection, a range, marks and a running program', () => {
    const test = testModel(REQUEST);
    const selected = test.index(4);
    expectGolden(
      selectionGolden,
      frame(test, {
        selection: { kind: 'span', index: selected },
        focusRow: test.model.layout.rowOfSpan(selected),
        range: { from: 200, to: 400 },
        marks: [700],
        running: true,
      }).log,
    );
  });

  it('zoomed out merges what is too small and never loses an error', () => {
    const calls = Array.from({ length: 5000 }, (_, i): SpanWords => ({
      id: i + 2,
      parent: 1,
      start: i * 10,
      end: i * 10 + 6,
      kernel: true,
      tid: 1,
      name: i % 2 === 0 ? 'read' : 'write',
      ...(i === 2477 ? { error: 'EIO' } : {}),
    }));
    const { log } = frame(testModel([{ id: 1, start: 0, end: 50_000 }, ...calls]), {
      window: { from: 0, to: 50_000 },
    });
    expect(log.length).toBeLessThan(1200);
    expect(log.filter((line) => line.startsWith('fill error')).length).toBe(1);
    expect(log.some((line) => line.includes('×5,000'))).toBe(true);
  });

  it('shows what a thread did with the time of a call, in a strip that keeps to the view', () => {
    const attributes = {
      'skua.time.on_cpu_ns': 300,
      'skua.time.runnable_ns': 100,
      'skua.time.blocked_ns': 600,
      'skua.time.states': 'c200 b600 r100 c100',
    };
    const call: SpanWords = { id: 1, kernel: true, name: 'read', start: 0, end: 1000, attributes };
    const strip = (change: Partial<Scene>, end = 1000): readonly string[] =>
      frame(
        testModel([
          { ...call, end, ...(end === 1000 ? {} : { attributes: {} }) },
          { id: 2, trace: 2, start: 0, end: 1000 },
        ]),
        change,
      ).log.filter((line) => /^\w+ (?:on-cpu|runnable|blocked) /.test(line));
    const whole = strip({});
    expect(whole.map((line) => line.replace(/,\S+/, ','))).toEqual([
      'fill on-cpu 200, 200×4',
      'fill blocked 400, 600×2',
      'hatch runnable 1000, 100×4',
      'fill on-cpu 1100, 100×4',
    ]);
    // Zoomed in to where it falls asleep.
    expect(strip({ window: { from: 150, to: 250 } }).map((line) => line.replace(/,\S+/, ','))).toEqual([
      'fill on-cpu 196, 504×4',
      'fill blocked 700, 504×2',
    ]);
    // Too narrow for parts, and a call of which nothing is known.
    expect(strip({ window: { from: 0, to: 60_000 } })).toEqual([]);
    expect(strip({}, 999)).toEqual([]);
  });

  it('dims what a search does not match', () => {
    const test = testModel(REQUEST);
    const open = test.index(4);
    const { log } = frame(test, { highlight: (i) => i === open });
    const bar = (name: string) => log.find((line) => line.includes('textOn') && line.includes(`"${name}`));
    expect(bar('openat')).not.toContain('α');
    expect(bar('work')).toContain('α0.22');
  });

  it('tells what is where', () => {
    const test = testModel(REQUEST);
    const { hits } = frame(test);
    const y = (row: number) => RULER_HEIGHT + (test.model.visible.tops[row] as number) + 8;
    expect(hits.at(10, y(0))).toMatchObject({ kind: 'label', twisty: true });
    expect(hits.at(150, y(0))).toMatchObject({ kind: 'label', twisty: false });
    expect(hits.at(400, y(0))).toMatchObject({ kind: 'span', index: test.index(1) });
    expect(hits.at(400, y(2))).toMatchObject({ kind: 'span', index: test.index(4) });
    expect(hits.at(541, y(2))).toMatchObject({ kind: 'group', first: 1, last: 2 });
    expect(hits.at(300, y(2) + 4000)).toBeUndefined();
    expect(hits.at(210, y(2))).toMatchObject({ kind: 'row' });
  });

  it('keeps the ancestors of what is scrolled to in view', () => {
    const deep = Array.from({ length: 12 }, (_, i): SpanWords => ({
      id: i + 1,
      start: i,
      end: 1000 - i,
      name: `level${i}`,
      ...(i === 0 ? {} : { parent: i }),
    }));
    const { model } = testModel(deep);
    const sticky = stickyRows({ visible: model.visible, scrollY: 150 });
    expect(sticky.map(({ row }) => model.table.nameOf(row.track.spans[0] as number))).toEqual([
      'level0',
      'level1',
      'level2',
      'level3',
    ]);
    expect(stickyRows({ visible: model.visible, scrollY: 0 })).toEqual([]);
  });

  it('never draws rows that are out of view', () => {
    const many = Array.from({ length: 3000 }, (_, i): SpanWords => ({
      id: 1,
      trace: i + 1,
      start: i,
      end: i + 1,
      name: `t${i}`,
    }));
    const { log } = frame(testModel(many), { scrollY: 30_000 });
    expect(log.filter((line) => line.startsWith('textBold')).length).toBeLessThan(12);
  });
});
