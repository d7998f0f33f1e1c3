import { describe, expect, it } from 'vitest';
import { aggregate, allSpans } from './aggregate';
import { firstChild, inRow, nextMatch, nextSibling, parentOf, previousSibling } from './navigation';
import { rowsAsText, settle, testModel } from './testing';

const tree = () =>
  testModel([
    { id: 1, start: 0, end: 100, name: 'request' },
    { id: 2, parent: 1, start: 10, end: 40, name: 'a' },
    { id: 3, parent: 1, start: 50, end: 90, name: 'b', error: 'bad' },
    { id: 4, parent: 2, start: 12, end: 15, kernel: true, name: 'read', tid: 1 },
    {
      id: 5,
      parent: 3,
      start: 52,
      end: 62,
      kernel: true,
      name: 'read',
      tid: 1,
      attributes: { 'skua.lost_events': 1 },
    },
    { id: 1, trace: 2, start: 200, end: 220, name: 'request' },
  ]);

describe('Model', () => {
  it('counts what it has', () => {
    const { table } = tree().model;
    expect([table.userSpans, table.kernelSpans, table.errors, table.unfinished, table.lostSpans]).toEqual([
      4, 2, 1, 0, 1,
    ]);
    expect([table.firstStart, table.lastEnd]).toEqual([0, 220]);
  });

  it('collapses and uncovers', () => {
    const { model, index } = tree();
    const head = model.visible.rows[0];
    if (!head) throw new Error('no rows');
    model.toggle(head);
    settle(model);
    expect(rowsAsText(model)).toEqual(['u request[0,100]', 'u request[200,220]']);
    model.uncover(index(5));
    expect(model.visible.rows.length).toBe(4);
    model.setAllCollapsed(true);
    settle(model);
    expect(model.visible.rows.length).toBe(2);
  });

  it('hides what is not found, while results come in and go', () => {
    const { model, index } = tree();
    model.setQuery('b');
    model.setHideOthers(true);
    settle(model);
    expect(model.visible.rows.length).toBe(0);
    model.applyMatches(Uint32Array.of(index(3)), new Uint32Array(0));
    settle(model);
    expect(rowsAsText(model)).toEqual(['u request[0,100]', '  u b[50,90]']);
    model.applyMatches(Uint32Array.of(index(2)), Uint32Array.of(index(3)));
    settle(model);
    expect(rowsAsText(model)).toEqual(['u request[0,100]', '  u a[10,40]']);
    expect(model.matchList).toEqual([index(2)]);
    model.setHideOthers(false);
    settle(model);
    expect(model.visible.rows.length).toBe(4);
  });

  it('marks where events were lost', () => {
    expect(tree().model.lossWindows).toMatchObject([{ start: 52, end: 62 }]);
  });

  it('joins stretches of loss that touch, also those a later one bridges', () => {
    const lossy = (id: number, start: number, end: number) => ({
      id,
      start,
      end,
      kernel: true,
      attributes: { 'skua.lost_events': 1 },
    });
    const { model } = testModel([lossy(1, 0, 10), lossy(2, 20, 30), lossy(3, 8, 22), lossy(4, 50, 60)]);
    expect(model.lossWindows.map((w) => [w.start, w.end])).toEqual([
      [0, 30],
      [50, 60],
    ]);
  });

  it('merges very many traces of a loaded file by itself, once', () => {
    const many = testModel(
      Array.from({ length: 160 }, (_, i) => ({
        id: 1,
        trace: i + 1,
        start: i * 10,
        end: i * 10 + 5,
        name: 'request',
      })),
    );
    expect(many.model.mergeIfMany()).toBe(false);
    many.model.state = { kind: 'ended', text: '' };
    many.model.expectedSpans = 160;
    expect(many.model.mergeIfMany()).toBe(true);
    settle(many.model);
    expect(many.model.visible.rows.length).toBe(1);
    expect(many.model.mergeIfMany()).toBe(false);
  });
});

describe('navigation', () => {
  it('walks the tree', () => {
    const { model, index } = tree();
    expect(parentOf(model, index(4))).toBe(index(2));
    expect(parentOf(model, index(1))).toBe(-1);
    expect(firstChild(model, index(1))).toBe(index(2));
    expect(firstChild(model, index(4))).toBe(-1);
    expect(nextSibling(model, index(2))).toBe(index(3));
    expect(nextSibling(model, index(3))).toBe(-1);
    expect(previousSibling(model, index(3))).toBe(index(2));
    expect(previousSibling(model, index(2))).toBe(-1);
    expect(inRow(model, index(4), 1)).toBe(index(5));
    expect(inRow(model, index(4), -1)).toBe(-1);
  });

  it('goes round the matches in order of time', () => {
    const { model, index } = tree();
    const list = [index(3), index(1), index(2)];
    expect(nextMatch(model, list, -1, 1)).toBe(index(1));
    expect(nextMatch(model, list, index(1), 1)).toBe(index(2));
    expect(nextMatch(model, list, index(3), 1)).toBe(index(1));
    expect(nextMatch(model, list, index(1), -1)).toBe(index(3));
    expect(nextMatch(model, [], index(1), 1)).toBe(-1);
  });
});

describe('aggregate', () => {
  it('sums a range, durations cut to it', () => {
    const { model } = tree();
    const sums = aggregate(model.table, allSpans(model.table), 220, { from: 14, to: 60 });
    expect(sums).toMatchObject({ count: 5, kernel: 2, errors: 1, kernelTotal: 9 });
    expect(sums.byName.map((n) => [n.name, n.count, n.total])).toEqual([
      ['request', 1, 46],
      ['a', 1, 26],
      ['b', 1, 10],
      ['read', 2, 9],
    ]);
  });
});
