import { ATTR, type AttributeValue, type Span, type SpanEvent } from '../../common/model/span';
import type { LossReport } from '../../common/model/loss';
import { wakerText, waitingOf, type WakerIdentity } from '../../common/model/waiting';
import type { ExitStatus, SessionSummary } from '../../common/protocol/agent';
import { formatCount, formatDuration, plural } from '../../common/view/format';
import { balanceText, causesIn, lossCount, missingText } from '../../common/view/loss';
import type { Style } from './style';
import { duration, foldSiblings, waitsOf, type FoldedNode, type TraceTree, type TreeNode } from './tree';

export interface RenderOptions {
  readonly style: Style;
  /** Identical siblings become one line with count and total. */
  readonly fold: boolean;
  /** Also print kernel events of spans. */
  readonly events: boolean;
  /** How a recorded source path is shown: mapped to this machine and shortened. */
  readonly path: (file: string) => string;
  /** Traces printed in full; the rest is counted. */
  readonly maxTraces: number;
}

/** The merged tree of each trace as lines of text. Pure. */
export function renderTraces(trees: readonly TraceTree[], options: RenderOptions): readonly string[] {
  const { style } = options;
  const context: Context = { ...options, spanName: spanNames(trees) };
  const lines: string[] = [];
  for (const tree of trees.slice(0, options.maxTraces)) {
    const size = `${plural(tree.spanCount, 'span')}, ${plural(tree.syscallCount, 'system call')}`;
    const took = formatDuration(Number(tree.endNs - tree.startNs));
    lines.push(`${style.bold(`trace ${tree.traceId}`)}  ${tree.service}  ${took}  ${style.dim(size)}`);
    const roots = tree.roots.flatMap((root): readonly Line[] =>
      'missing' in root
        ? [
            {
              text: style.yellow(`(span ${root.missing} was not reported)`),
              children: childLines(root.children, context),
            },
          ]
        : childLines([root], context),
    );
    lines.push(...draw(roots, ''), '');
  }
  const hidden = trees.slice(options.maxTraces);
  if (hidden.length > 0) {
    const spans = hidden.reduce((sum, tree) => sum + tree.spanCount, 0);
    lines.push(
      style.dim(
        `… and ${plural(hidden.length, 'more trace')} with ${plural(spans, 'span')} (--traces N shows more)`,
      ),
      '',
    );
  }
  return lines;
}

/** How the program ended, what was recorded, and what the tool has to say about it. Null: not known. Pure. */
export function renderOutcome(
  exit: ExitStatus | null,
  summary: SessionSummary | null,
  style: Style,
): readonly string[] {
  const lines: string[] = [];
  if (exit !== null) {
    const text =
      exit.code === null ? `ended by ${String(exit.signal)}` : `exited with code ${String(exit.code)}`;
    lines.push(`program ${exit.code === 0 ? style.green(text) : style.red(text)}`);
  }
  if (summary !== null) {
    lines.push(
      `${formatCount(summary.traces)} traces, ${formatCount(summary.userSpans)} user spans, ` +
        `${formatCount(summary.syscallSpans)} system calls; kernel and user clocks agree within ${formatDuration(summary.clockErrorNs)}`,
      ...summary.notes.map((note) => style.dim(`note: ${note}`)),
    );
  }
  return lines;
}

/** What was lost: `lost: nothing`, or a line for each cause with its count and what helps; then the balance of system calls. Pure. */
export function renderLoss(loss: LossReport, style: Style): readonly string[] {
  const causes = causesIn(loss);
  const balance = balanceText(loss);
  const account = balance === undefined ? [] : [style.dim(balance)];
  if (causes.length === 0) return [style.green('lost: nothing'), ...account];
  const missing = missingText(loss);
  return [
    style.yellow(missing === '' ? 'lost: nothing, but not all is complete' : `lost: ${missing}`),
    ...causes.map((cause) => `  ${lossCount(loss, cause)} ${cause.text}. ${style.dim(cause.remedy)}`),
    ...account,
  ];
}

interface Context extends RenderOptions {
  /** Name of a span of any of the traces, '' when it is not there. */
  readonly spanName: (traceId: string, spanId: string) => string;
}

/** Looks the spans through when first asked: most traces have no waker among them. */
function spanNames(trees: readonly TraceTree[]): Context['spanName'] {
  let names: Map<string, string> | undefined;
  const collect = (nodes: readonly TreeNode[], into: Map<string, string>): void => {
    for (const { span, children } of nodes) {
      // A span that the client has not reported has no name of its own.
      if (span.attributes[ATTR.placeholder] !== true) into.set(span.traceId + span.spanId, span.name);
      collect(children, into);
    }
  };
  return (traceId, spanId) => {
    if (names === undefined) {
      names = new Map();
      for (const { roots } of trees)
        for (const root of roots) collect('missing' in root ? root.children : [root], names);
    }
    return names.get(traceId + spanId) ?? '';
  };
}

interface Line {
  readonly text: string;
  readonly children: readonly Line[];
  /** Belongs to the line above it: drawn without a branch. */
  readonly note?: boolean;
}

function childLines(nodes: readonly TreeNode[], options: Context): readonly Line[] {
  const folded = options.fold ? foldSiblings(nodes) : nodes.map(unfolded);
  return folded.map((node) => line(node, options));
}

function unfolded(node: TreeNode): FoldedNode {
  return {
    first: node,
    count: 1,
    totalNs: duration(node.span) ?? 0n,
    ...waitsOf(node.span),
    children: node.children.map(unfolded),
  };
}

function line(node: FoldedNode, options: Context): Line {
  const { span } = node.first;
  const { style } = options;
  const count = node.count > 1 ? ` ${style.cyan(`×${formatCount(node.count)}`)}` : '';
  const text = `${title(span, style)}${count}  ${timing(node, style)}${waits(node, options)}${source(span, options)}${remarks(span, style)}`;
  const events = options.events ? eventNote(span, style) : [];
  return { text, children: [...events, ...node.children.map((child) => line(child, options))] };
}

function title(span: Span, style: Style): string {
  if (span.origin === 'user') return style.bold(span.name);
  const a = span.attributes;
  const names = a[ATTR.syscallArgs];
  const args = Array.isArray(names)
    ? names.map((name) => `${String(name)}=${value(a[`${ATTR.syscallArgPrefix}${String(name)}`])}`).join(', ')
    : '';
  const errno = a[ATTR.syscallErrno];
  const ret = a[ATTR.syscallRet];
  const outcome =
    errno !== undefined
      ? ` = ${style.red(`-1 ${String(errno)}`)}`
      : ret === undefined
        ? ''
        : ` = ${value(ret)}`;
  const path = a[ATTR.fdPath];
  return `${span.name}(${args})${outcome}${path === undefined ? '' : style.dim(` <${String(path)}>`)}`;
}

function timing(node: FoldedNode, style: Style): string {
  if (node.count > 1) return `total ${formatDuration(Number(node.totalNs))}`;
  const ns = duration(node.first.span);
  return ns === undefined ? style.yellow('unfinished') : formatDuration(Number(ns));
}

/** Less of the duration than this is not worth a word. */
const NOTEWORTHY = 0.01;

/** `blocked 15.2 ms, woken by bank/1234 (authorize)`: what the thread waited for, where that is much of the time. */
function waits(node: FoldedNode, { style, spanName }: Context): string {
  const noteworthy = (ns: number): boolean => ns > 0 && ns >= Number(node.totalNs) * NOTEWORTHY;
  const { blockedNs, runnableNs } = node;
  const waiting = waitingOf(node.first.span);
  const waker = node.count > 1 || typeof waiting !== 'object' ? undefined : waiting.waker;
  const parts = [
    noteworthy(blockedNs) ? `blocked ${formatDuration(blockedNs)}` : '',
    noteworthy(blockedNs) && waker !== undefined ? `woken by ${wakerName(waker, spanName)}` : '',
    noteworthy(runnableNs) ? `runnable ${formatDuration(runnableNs)}` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : `  ${style.magenta(parts.join(', '))}`;
}

function wakerName(waker: WakerIdentity, spanName: Context['spanName']): string {
  const { span } = waker;
  if (span === undefined) return waker.tid === undefined ? `an ${waker.name}` : wakerText(waker);
  const name = spanName(span.traceId, span.userSpanId);
  return name === '' ? wakerText(waker) : `${wakerText(waker)} (${name})`;
}

function source(span: Span, options: RenderOptions): string {
  const file = span.attributes[ATTR.codeFile];
  const lineNumber = span.attributes[ATTR.codeLine];
  if (typeof file !== 'string') return '';
  return `  ${options.style.cyan(`${options.path(file)}:${String(lineNumber ?? '?')}`)}`;
}

function remarks(span: Span, style: Style): string {
  const a = span.attributes;
  const unfinished = a[ATTR.unfinished];
  const lost = a[ATTR.lostEvents];
  const failed = span.origin === 'user' && span.status.code === 'error';
  return [
    unfinished === undefined ? '' : `  ${style.yellow(`(${String(unfinished)})`)}`,
    lost === undefined ? '' : `  ${style.yellow(`(${String(lost)} events lost meanwhile)`)}`,
    failed
      ? `  ${style.red(`error${span.status.message === undefined ? '' : `: ${span.status.message}`}`)}`
      : '',
  ].join('');
}

/** Events on one line, equal names together: `· sched_switch +1.2 µs, page_fault_user ×3 from +4 µs`. */
function eventNote(span: Span, style: Style): readonly Line[] {
  if (span.events.length === 0) return [];
  const byName = new Map<string, SpanEvent[]>();
  for (const event of span.events) byName.set(event.name, [...(byName.get(event.name) ?? []), event]);
  const parts = [...byName.entries()].map(([name, events]) => {
    const at = formatDuration(Number((events[0]?.timeNs ?? span.startNs) - span.startNs));
    return events.length === 1 ? `${name} +${at}` : `${name} ×${formatCount(events.length)} from +${at}`;
  });
  return [{ text: style.dim(`· ${parts.join(', ')}`), children: [], note: true }];
}

function value(v: AttributeValue | undefined): string {
  if (v === undefined) return '?';
  if (typeof v === 'string') return JSON.stringify(v);
  return typeof v === 'object' ? `[${v.map((item) => value(item)).join(', ')}]` : String(v);
}

function draw(lines: readonly Line[], indent: string): readonly string[] {
  const branches = lines.filter((item) => item.note !== true).length;
  let seen = 0;
  return lines.flatMap((item) => {
    if (item.note === true) return [`${indent}${branches > 0 ? '│ ' : '  '}${item.text}`];
    seen += 1;
    const last = seen === branches;
    const below = `${indent}${last ? '   ' : '│  '}`;
    return [`${indent}${last ? '└─ ' : '├─ '}${item.text}`, ...draw(item.children, below)];
  });
}
