/** How a row is named. */
import { SPAN_FLAG } from '../../common/view/flags';
import { formatCount, formatDuration, plural } from '../../common/view/format';
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
  const { spans, totalDuration } = row.track;
  const first = spans[0];
  if (first === undefined) return { name: '', context: '', value: '' };
  const shared = row.track.sharedName !== MIXED;
  if (row.kind === 'kernel') {
    const { tid, process } = table.threadOf(first);
    const thread = tid >= 0 ? `${process === '' ? 'thread' : process} ${tid}` : '';
    const name = shared ? table.nameOf(first) : 'system calls';
    return {
      name,
      context: thread,
      value: spans.length === 1 ? formatDuration(totalDuration) : `×${formatCount(spans.length)}`,
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
    name: shared ? table.nameOf(first) : plural(spans.length, 'span'),
    context,
    value: shared ? `×${formatCount(spans.length)}` : '',
  };
}
