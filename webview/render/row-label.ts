/** How a row is named. */
import { SPAN_FLAG } from '../../common/view/flags';
import { formatCount, formatDuration } from '../../common/view/format';
import { MIXED } from '../layout/track';
import type { Row } from '../layout/rows';
import type { SpanTable } from '../store/span-table';

export interface RowLabel {
  readonly name: string;
  /** Service of user spans, thread of system calls. */
  readonly context: string;
  /** Duration of the only span, number of several. */
  readonly value: string;
}

export function rowLabel(row: Row, table: SpanTable): RowLabel {
  const { spans } = row.track;
  const first = spans[0];
  if (first === undefined) return { name: '', context: '', value: '' };
  const shared = row.track.sharedName !== MIXED;
  if (row.kind === 'kernel') {
    const thread = threadText(row, table);
    const name = shared ? table.nameOf(first) : 'syscalls';
    return {
      name,
      context: thread,
      value:
        spans.length === 1
          ? formatDuration(table.duration[first] as number)
          : `×${formatCount(spans.length)}`,
    };
  }
  const placeholder = table.has(first, SPAN_FLAG.placeholder);
  const context = placeholder ? '' : table.text(table.service[first] as number);
  if (spans.length === 1) {
    return {
      name: table.nameOf(first),
      context,
      value: placeholder ? '' : formatDuration(table.duration[first] as number),
    };
  }
  return {
    name: shared ? table.nameOf(first) : names(spans, table),
    context: shared ? context : '',
    value: `×${formatCount(row.isHead ? row.roots : spans.length)}`,
  };
}

/** Thread of the row's first and last span; several when they differ. */
function threadText(row: Row, table: SpanTable): string {
  const { spans } = row.track;
  const first = table.threadOf(spans[0] as number);
  const last = table.threadOf(spans.at(-1) as number);
  if (first.tid !== last.tid) return 'several threads';
  return first.tid >= 0 ? `${first.tid} ${first.process}`.trim() : '';
}

/** The first few different names of a row, from its beginning: `work, db.query, …`. */
function names(spans: readonly number[], table: SpanTable): string {
  const found = new Set<string>();
  for (const i of spans.slice(0, 64)) {
    found.add(table.nameOf(i));
    if (found.size > 3) break;
  }
  const list = [...found];
  return list.length > 3 ? `${list.slice(0, 3).join(', ')}, …` : list.join(', ');
}
