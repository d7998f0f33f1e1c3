/** Models for the tests of the webview, filled through the same store and columns as in the editor. */
import { SpanStore, type ColumnReader } from '../common/view/store';
import { makeSpan, type SpanWords } from '../common/view/testing';
import type { Row } from './layout/rows';
import { Model } from './model';

export interface TestModel {
  readonly model: Model;
  /** Delivers spans as one batch and lays them out. */
  readonly deliver: (spans: readonly SpanWords[]) => void;
  readonly index: (id: number, trace?: number) => number;
}

export function testModel(...batches: readonly (readonly SpanWords[])[]): TestModel {
  const store = new SpanStore();
  const reader: ColumnReader = store.createReader();
  const model = new Model();
  const test: TestModel = {
    model,
    deliver(spans) {
      store.upsert(spans.map(makeSpan));
      for (let delta = reader.take(7); delta; delta = reader.take(7)) model.apply(delta, 0);
      settle(model);
    },
    index(id, trace = 1) {
      const found = store.indexOf(trace.toString(16).padStart(32, '0'), id.toString(16).padStart(16, '0'));
      if (found === undefined) throw new Error(`There is no span ${id}.`);
      return found;
    },
  };
  for (const batch of batches) test.deliver(batch);
  return test;
}

/** Lays out everything, without a clock. */
export function settle(model: Model): void {
  while (model.update(() => 0, 1e9).more);
}

/**
 * The rows as text, one line each: indent by depth, kind, then each span as `name[start,end]` in ns since the first span; `…` an
 * unfinished span, `?` a placeholder.
 */
export function rowsAsText(model: Model, rows: readonly Row[] = model.visible.rows): string[] {
  const { layout, table } = model;
  return rows.map((row) => {
    const spans = row.track.spans.map((i) => {
      const end = layout.end(i);
      const name = table.has(i, 32) ? '?' : table.nameOf(i);
      return `${name}[${layout.start(i)},${end === Infinity ? '…' : end}]`;
    });
    return `${'  '.repeat(row.depth)}${row.kind === 'kernel' ? 'k' : 'u'} ${spans.join(' ')}`;
  });
}
