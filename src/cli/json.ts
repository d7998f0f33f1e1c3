import type { SkuaError } from '../../common/base/errors';
import type { MissingParent, TraceTree, TreeNode } from './tree';

/** Prints bigints as strings: JSON has no integers beyond 2^53. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? v.toString() : v), 2);
}

/** `{ traceId, service, spanCount, syscallCount, startNs, endNs, roots }`; shapes in docs/cli.md. */
export function traceJson(tree: TraceTree): object {
  return { ...tree, roots: tree.roots.map(nodeJson) };
}

function nodeJson(node: TreeNode | MissingParent): object {
  if ('missing' in node) return { missing: node.missing, children: node.children.map(nodeJson) };
  const { span } = node;
  return {
    ...span,
    durationNs: span.endNs === undefined ? null : span.endNs - span.startNs,
    children: node.children.map(nodeJson),
  };
}

export function errorJson(error: SkuaError): object {
  return { error: error.toData() };
}
