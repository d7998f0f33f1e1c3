/** System calls of a trace by the source line that made them. Pure. */
import { ATTR, type Span } from '../../common/model/span';
import { formatDuration } from '../../common/view/format';

export interface CallStat {
  readonly name: string;
  readonly count: number;
  readonly errors: number;
  /** ns, of the finished ones. */
  readonly totalNs: number;
  readonly maxNs: number;
  /** The slowest of them. */
  readonly slowest: { readonly traceId: string; readonly spanId: string };
}

export interface LineStat {
  /** As recorded, 1-based. */
  readonly line: number;
  readonly functionName: string | undefined;
  /** Longest total first. */
  readonly calls: readonly CallStat[];
  readonly totalNs: number;
}

/** Recorded file → its lines, in order. */
export type LinesByFile = ReadonlyMap<string, readonly LineStat[]>;

interface Building {
  name: string;
  count: number;
  errors: number;
  totalNs: number;
  maxNs: number;
  slowest: { traceId: string; spanId: string };
}

export function linesByFile(spans: Iterable<Span>): LinesByFile {
  const files = new Map<string, Map<number, { fn: string | undefined; calls: Map<string, Building> }>>();
  for (const span of spans) {
    if (span.origin !== 'kernel') continue;
    const file = span.attributes[ATTR.codeFile];
    const line = Number(span.attributes[ATTR.codeLine] ?? NaN);
    if (typeof file !== 'string' || !Number.isInteger(line) || line < 1) continue;
    let lines = files.get(file);
    if (lines === undefined) {
      lines = new Map<number, { fn: string | undefined; calls: Map<string, Building> }>();
      files.set(file, lines);
    }
    let entry = lines.get(line);
    const fn = span.attributes[ATTR.codeFunction];
    if (entry === undefined)
      lines.set(line, (entry = { fn: typeof fn === 'string' ? fn : undefined, calls: new Map() }));
    count(entry.calls, span);
  }
  return new Map(
    [...files].map(([file, lines]) => [
      file,
      [...lines]
        .sort(([a], [b]) => a - b)
        .map(([line, { fn, calls }]) => {
          const sorted = [...calls.values()].sort((a, b) => b.totalNs - a.totalNs);
          return { line, functionName: fn, calls: sorted, totalNs: sum(sorted) };
        }),
    ]),
  );
}

function count(calls: Map<string, Building>, span: Span): void {
  const duration = span.endNs === undefined ? 0 : Number(span.endNs - span.startNs);
  const slowest = { traceId: span.traceId, spanId: span.spanId };
  let call = calls.get(span.name);
  if (call === undefined)
    calls.set(span.name, (call = { name: span.name, count: 0, errors: 0, totalNs: 0, maxNs: -1, slowest }));
  call.count += 1;
  call.totalNs += duration;
  if (span.status.code === 'error') call.errors += 1;
  if (duration > call.maxNs) {
    call.maxNs = duration;
    call.slowest = slowest;
  }
}

const sum = (calls: readonly CallStat[]): number => calls.reduce((total, { totalNs }) => total + totalNs, 0);

/** `write ×12 · 3.4 ms`; more than two kinds of calls are summed up. */
export function lineText({ calls, totalNs }: LineStat): string {
  const shown = calls.slice(0, 2).map(({ name, count: n, errors }) => {
    const failed = errors === 0 ? '' : errors === n ? ' failed' : ` (${errors} failed)`;
    return `${name}${n > 1 ? ` ×${n}` : ''}${failed}`;
  });
  const more = calls.length > 2 ? [`${calls.length - 2} more`] : [];
  return `${[...shown, ...more].join(', ')} · ${formatDuration(totalNs)}`;
}

/** 0 to `levels - 1`: how much of the file's heaviest line this one is, on a scale that keeps small ones visible. */
export function heat(line: LineStat, heaviestNs: number, levels: number): number {
  if (heaviestNs <= 0) return 0;
  return Math.min(levels - 1, Math.floor(Math.sqrt(line.totalNs / heaviestNs) * levels));
}

/** Totals by function, for CodeLens: the first line of each and what it did. */
export function byFunction(lines: readonly LineStat[]): readonly {
  readonly name: string;
  readonly firstLine: number;
  readonly calls: number;
  readonly totalNs: number;
}[] {
  const functions = new Map<string, { name: string; firstLine: number; calls: number; totalNs: number }>();
  for (const { functionName, line, calls, totalNs } of lines) {
    if (functionName === undefined) continue;
    const known = functions.get(functionName);
    const made = calls.reduce((total, call) => total + call.count, 0);
    if (known === undefined)
      functions.set(functionName, { name: functionName, firstLine: line, calls: made, totalNs });
    else {
      known.calls += made;
      known.totalNs += totalNs;
    }
  }
  return [...functions.values()];
}
