import { ATTR, type Span, type SpanId, type TraceId } from '../../common/model/span';
import { waitingOf } from '../../common/model/waiting';

/** A span with its children in order of their start. Pure data, also the shape behind `--json`. */
export interface TreeNode {
  readonly span: Span;
  readonly children: readonly TreeNode[];
}

/** Children whose parent never arrived: the program ended before its client reported it, or it was lost. */
export interface MissingParent {
  readonly missing: SpanId;
  readonly children: readonly TreeNode[];
}

export interface TraceTree {
  readonly traceId: TraceId;
  readonly service: string;
  readonly spanCount: number;
  readonly syscallCount: number;
  readonly startNs: bigint;
  /** End of the last finished span. */
  readonly endNs: bigint;
  readonly roots: readonly (TreeNode | MissingParent)[];
}

/** Several siblings that differ in nothing but times, arguments and numbers: shown once, with their count and total. */
export interface FoldedNode {
  readonly first: TreeNode;
  readonly count: number;
  /** Sum of the finished ones' durations, ns. */
  readonly totalNs: bigint;
  /** Sums of what is known of the calls' times asleep, and waiting for a CPU, ns. */
  readonly blockedNs: number;
  readonly runnableNs: number;
  readonly children: readonly FoldedNode[];
}

/** Arranges spans by trace and parent. Traces come in order of their first span. */
export function buildTrees(spans: readonly Span[]): readonly TraceTree[] {
  const traces = new Map<TraceId, Span[]>();
  for (const span of spans) {
    const of = traces.get(span.traceId);
    if (of === undefined) traces.set(span.traceId, [span]);
    else of.push(span);
  }
  return [...traces.entries()]
    .map(([traceId, members]) => buildTree(traceId, members))
    .sort((a, b) => compare(a.startNs, b.startNs));
}

function buildTree(traceId: TraceId, spans: readonly Span[]): TraceTree {
  const known = new Set(spans.map((span) => span.spanId));
  const byParent = new Map<SpanId | '', Span[]>();
  for (const span of [...spans].sort((a, b) => compare(a.startNs, b.startNs))) {
    const parent = span.parentSpanId ?? '';
    const siblings = byParent.get(parent);
    if (siblings === undefined) byParent.set(parent, [span]);
    else siblings.push(span);
  }
  // The visited set keeps recursion finite: a client may report a span that is its own ancestor.
  const visited = new Set<SpanId>();
  const node = (span: Span): TreeNode => {
    visited.add(span.spanId);
    const children = (byParent.get(span.spanId) ?? []).filter((child) => !visited.has(child.spanId));
    return { span, children: children.map(node) };
  };
  const roots: (TreeNode | MissingParent)[] = (byParent.get('') ?? []).map(node);
  for (const [parent, children] of byParent) {
    if (parent !== '' && !known.has(parent)) roots.push({ missing: parent, children: children.map(node) });
  }
  // What is still unvisited hangs on such a cycle, which no root leads to: one of the cycle's spans becomes a root, so that nothing is
  // left out.
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const span of spans) {
    const above = new Set<Span>();
    let at: Span | undefined = span;
    while (at !== undefined && !visited.has(at.spanId) && !above.has(at)) {
      above.add(at);
      at = at.parentSpanId === undefined ? undefined : byId.get(at.parentSpanId);
    }
    if (at !== undefined && !visited.has(at.spanId)) roots.push(node(at));
  }
  const user = spans.find((span) => span.origin === 'user') ?? spans[0];
  return {
    traceId,
    service: user?.service ?? '',
    spanCount: spans.length,
    syscallCount: spans.filter((span) => span.origin === 'kernel').length,
    startNs: spans.reduce((min, span) => (span.startNs < min ? span.startNs : min), spans[0]?.startNs ?? 0n),
    endNs: spans.reduce((max, { endNs }) => (endNs !== undefined && endNs > max ? endNs : max), 0n),
    roots,
  };
}

/**
 * Folds siblings with the same name, origin, source line, outcome and (folded) children. The first of each kind stands for all and
 * keeps its place.
 */
export function foldSiblings(nodes: readonly TreeNode[]): readonly FoldedNode[] {
  return fold(nodes).map(({ node }) => node);
}

function fold(nodes: readonly TreeNode[]): readonly { readonly node: FoldedNode; readonly key: string }[] {
  const groups = new Map<
    string,
    {
      first: TreeNode;
      count: number;
      totalNs: bigint;
      blockedNs: number;
      runnableNs: number;
      children: readonly FoldedNode[];
    }
  >();
  for (const node of nodes) {
    const children = fold(node.children);
    const key = signature(node.span, children);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, {
        first: node,
        count: 1,
        totalNs: duration(node.span) ?? 0n,
        ...waitsOf(node.span),
        children: children.map((c) => c.node),
      });
    } else {
      group.count += 1;
      group.totalNs += duration(node.span) ?? 0n;
      const { blockedNs, runnableNs } = waitsOf(node.span);
      group.blockedNs += blockedNs;
      group.runnableNs += runnableNs;
    }
  }
  return [...groups.entries()].map(([key, node]) => ({ node, key: `${key}×${String(node.count)}` }));
}

function signature(span: Span, children: readonly { readonly key: string }[]): string {
  const a = span.attributes;
  const parts = [
    span.name,
    span.origin,
    span.status.code,
    a[ATTR.syscallErrno],
    a[ATTR.codeFile],
    a[ATTR.codeLine],
    a[ATTR.unfinished],
  ];
  return `${parts.map(String).join('|')}{${children.map((child) => child.key).join(',')}}`;
}

/** 0 where nothing is known. */
export function waitsOf(span: Span): { readonly blockedNs: number; readonly runnableNs: number } {
  const waiting = waitingOf(span);
  if (typeof waiting !== 'object') return { blockedNs: 0, runnableNs: 0 };
  return { blockedNs: waiting.blockedNs, runnableNs: waiting.runnableNs };
}

/** In ns; undefined while unfinished. */
export function duration(span: Span): bigint | undefined {
  return span.endNs === undefined ? undefined : span.endNs - span.startNs;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
