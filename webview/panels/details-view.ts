/** Everything about the selected span. */
import { formatDuration } from '../../common/view/format';
import type { DetailField, DetailFrame, SourceLocation, SpanDetails } from '../../common/view/protocol';
import { button } from '../controls';
import { el, link } from './dom';
import { waitingLine, waitingSection } from './waiting-view';

export interface DetailsActions {
  readonly openSource: (index: number, frame: number | undefined, toSide: boolean) => void;
  readonly pickSource: (index: number, frame: number | undefined) => void;
  readonly copy: (text: string, what: string) => void;
  readonly selectParent: (index: number) => void;
  readonly select: (index: number) => void;
}

/** Why a system call has no source line, for people. Unknown reasons are shown as they are. */
const NO_SOURCE: Readonly<Record<string, string>> = {
  'no-debug-info': 'The program has no debug information. Build it with -g (any optimisation is fine).',
  'unwind-failed': 'The call stack could not be unwound. A wrong line would be worse than none.',
  'stack-truncated': 'The call lies deeper in the stack than the piece that was recorded.',
  'no-cfi': 'The code has no unwind tables (.eh_frame), for example generated or hand-written machine code.',
  'module-changed': 'The program file has changed since it was loaded. Rebuild and run again.',
  'no-stack': 'No stack was recorded for this call.',
};

const UNFINISHED: Readonly<Record<string, string>> = {
  killed: 'The process was killed before the call returned.',
  'session-stopped': 'Tracing stopped before it ended.',
  'no-exit-event': 'This call never returns.',
  lost: 'Its end was lost.',
};

export function noSourceText(reason: string | undefined): string {
  if (reason === undefined || reason === '') return 'No source line was reported for this span.';
  return NO_SOURCE[reason] ?? `No source line: ${reason}.`;
}

/** `originNs`: start of the trace, to give the start as an offset as well. */
export function renderDetails(details: SpanDetails, originNs: bigint, actions: DetailsActions): HTMLElement {
  const kernel = details.origin === 'kernel';
  return el(
    'div',
    { class: 'details' },
    el(
      'div',
      { class: 'details-head' },
      el('h2', {}, details.name),
      el('span', { class: `chip ${kernel ? 'kernel' : 'user'}` }, kernel ? 'system call' : 'span'),
      statusChip(details),
      el('span', { class: 'spacer' }),
      copyButton('Copy as text', detailsText(details), 'Span', actions),
    ),
    el(
      'div',
      { class: 'details-columns' },
      el(
        'section',
        {},
        waitingSection(details, actions.select),
        facts(details, originNs, actions),
        kernel ? argumentsTable(details, actions) : undefined,
      ),
      el('section', {}, sourceSection(details, actions), stackSection(details, actions)),
      details.attributes.length === 0
        ? undefined
        : el('section', {}, fieldTable('Attributes', details.attributes, actions)),
    ),
  );
}

function statusChip(details: SpanDetails): HTMLElement | undefined {
  const { status, errno } = details;
  if (status.code === 'error') {
    const text = errno
      ? `${errno.name}${errno.text === '' ? '' : `: ${errno.text}`}`
      : (status.message ?? 'error');
    return el('span', { class: 'chip error' }, `✕ ${text}`);
  }
  if (errno) return el('span', { class: 'chip', title: errno.text }, errno.name);
  return status.code === 'ok' ? el('span', { class: 'chip ok' }, 'ok') : undefined;
}

function facts(details: SpanDetails, originNs: bigint, actions: DetailsActions): HTMLElement {
  const offset = Number(BigInt(details.startNs) - originNs);
  const thread = [
    details.process,
    details.tid === undefined ? undefined : `thread ${details.tid}`,
    details.pid === undefined ? undefined : `process ${details.pid}`,
    details.cpu === undefined ? undefined : `CPU ${details.cpu}`,
  ].filter((part) => part !== undefined);
  const message = details.status.message;
  const rows: (readonly [string, Node | string] | undefined)[] = [
    [
      'Duration',
      details.durationNs === undefined
        ? `unfinished${details.unfinished === undefined ? '' : ` · ${UNFINISHED[details.unfinished] ?? details.unfinished}`}`
        : formatDuration(Number(details.durationNs)),
    ],
    ['Start', `+${formatDuration(offset)} · ${clockTime(BigInt(details.startNs))}`],
    details.durationNs !== undefined && details.unfinished !== undefined
      ? ['Unfinished', UNFINISHED[details.unfinished] ?? details.unfinished]
      : undefined,
    details.returned === undefined ? undefined : ['Returned', el('code', {}, details.returned)],
    details.status.code === 'error' && message !== undefined && message !== ''
      ? ['Status', message]
      : undefined,
    details.libraryCall === undefined ? undefined : ['Library', details.libraryCall],
    details.fdPath === undefined ? undefined : ['Descriptor', el('code', {}, details.fdPath)],
    thread.length > 0 ? ['On', thread.join(' · ')] : undefined,
    ['Service', details.service],
    details.lostEvents === undefined || details.lostEvents === 0
      ? undefined
      : ['Lost', `${details.lostEvents} kernel events were lost meanwhile`],
    ['Trace', idNode(details.traceId, 'Trace id', actions)],
    ['Span', idNode(details.spanId, 'Span id', actions)],
    details.parentSpanId === undefined
      ? undefined
      : [
          'Parent',
          link(details.parentSpanId, 'Select the parent span', () => {
            actions.selectParent(details.index);
          }),
        ],
    details.links.length > 0
      ? ['Links', details.links.map((l) => `${l.traceId.slice(0, 8)}…/${l.spanId}`).join(', ')]
      : undefined,
  ];
  return el(
    'dl',
    { class: 'facts' },
    ...rows.flatMap((row) => (row ? [el('dt', {}, row[0]), el('dd', {}, row[1])] : [])),
  );
}

function argumentsTable(details: SpanDetails, actions: DetailsActions): HTMLElement {
  if (details.args.length === 0) return el('p', { class: 'quiet' }, 'This call has no arguments.');
  return fieldTable('Arguments', details.args, actions);
}

function fieldTable(title: string, fields: readonly DetailField[], actions: DetailsActions): HTMLElement {
  return el(
    'div',
    {},
    el('h3', {}, title),
    el(
      'table',
      { class: 'fields', 'aria-label': title },
      el(
        'tbody',
        {},
        ...fields.map((field) =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, field.name),
            el(
              'td',
              {},
              el('code', {}, field.text),
              copyButton(`Copy ${field.name}`, field.text, field.name, actions),
            ),
          ),
        ),
      ),
    ),
  );
}

function sourceSection(details: SpanDetails, actions: DetailsActions): HTMLElement {
  const { source } = details;
  return el(
    'div',
    { class: 'source' },
    el('h3', {}, 'Source'),
    source
      ? sourceLink(source, details.index, undefined, actions)
      : el('p', { class: 'quiet' }, noSourceText(details.sourceUnknown)),
  );
}

function sourceLink(
  source: SourceLocation,
  index: number,
  frame: number | undefined,
  actions: DetailsActions,
): HTMLElement {
  const at = source.line === undefined ? source.file : `${source.file}:${source.line}`;
  const short = at.slice(at.lastIndexOf('/') + 1);
  const mapped = source.localPath !== undefined;
  const title = mapped
    ? `Open ${source.localPath}`
    : `${at} was not found in this workspace: click to choose the file`;
  return el(
    'span',
    { class: 'source-link' },
    link(short, title, (event) => {
      if (mapped) actions.openSource(index, frame, event.altKey);
      else actions.pickSource(index, frame);
    }),
    mapped ? undefined : el('span', { class: 'chip warn', title }, 'not mapped'),
    el('span', { class: 'path', title: at }, source.file.slice(0, source.file.lastIndexOf('/') + 1)),
  );
}

function stackSection(details: SpanDetails, actions: DetailsActions): HTMLElement | undefined {
  if (details.frames.length === 0) return undefined;
  return el(
    'div',
    {},
    el('h3', {}, 'Stack'),
    el(
      'ol',
      { class: 'stack' },
      ...details.frames.map((frame, i) => frameItem(frame, i, details.index, actions)),
    ),
  );
}

function frameItem(frame: DetailFrame, i: number, index: number, actions: DetailsActions): HTMLElement {
  return el(
    'li',
    {},
    el('span', { class: 'function', title: frame.label }, frame.label),
    frame.inlined ? el('span', { class: 'chip', title: 'Inlined into its caller' }, 'inlined') : undefined,
    frame.source
      ? sourceLink(frame.source, index, i, actions)
      : el('span', { class: 'path' }, frame.module ?? ''),
  );
}

function idNode(id: string, what: string, actions: DetailsActions): HTMLElement {
  return el(
    'span',
    { class: 'copied' },
    el('code', {}, id),
    copyButton(`Copy ${what.toLowerCase()}`, id, what, actions),
  );
}

function copyButton(label: string, text: string, what: string, actions: DetailsActions): HTMLElement {
  const { element } = button({
    label,
    icon: 'copy',
    onClick: () => {
      actions.copy(text, what);
    },
  });
  element.classList.add('copy');
  return element;
}

/** Local time of day with nanoseconds. */
export function clockTime(ns: bigint): string {
  const date = new Date(Number(ns / 1_000_000n));
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':');
  return `${time}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}

/** A span as plain text, for the clipboard. */
export function detailsText(details: SpanDetails): string {
  const args = details.args.map((a) => `${a.name}=${a.text}`).join(', ');
  const lines = [
    details.origin === 'kernel'
      ? `${details.name}(${args})${details.returned === undefined ? '' : ` = ${details.returned}`}${details.errno ? ` ${details.errno.name} (${details.errno.text})` : ''}`
      : `${details.name} (${details.service})`,
    `duration ${details.durationNs === undefined ? 'unfinished' : formatDuration(Number(details.durationNs))}`,
    ...(details.waiting ? [waitingLine(details.waiting)] : []),
    `trace ${details.traceId} span ${details.spanId}`,
    ...(details.source ? [`at ${details.source.file}:${details.source.line ?? '?'}`] : []),
    ...details.frames.map(
      (f) => `  ${f.label} (${f.source ? `${f.source.file}:${f.source.line ?? '?'}` : (f.module ?? '?')})`,
    ),
    ...details.attributes.map((a) => `${a.name}: ${a.text}`),
  ];
  return lines.join('\n');
}
