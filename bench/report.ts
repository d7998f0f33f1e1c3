/**
 * Writes the tables of README.md and docs/performance.md from bench/results, between the marks
 * `<!-- bench:NAME -->` and `<!-- /bench -->`. Nothing in a table is typed by hand.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../test/vm/guest';

interface Median {
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
}
interface Cost {
  readonly all: Median;
  readonly thread: Median;
  readonly ratio: number;
}
type Costs = Readonly<Record<string, Cost>>;
interface CostHalf {
  readonly getppid: Costs;
  readonly write: Costs;
  readonly writeLoop: Readonly<Record<string, Costs>>;
  readonly parts?: Costs;
}
interface CostResult {
  readonly instructions?: CostHalf;
  readonly time?: CostHalf;
}
type Scenarios = Readonly<Record<string, Readonly<Record<string, Median & { readonly ratio: number }>>>>;
interface WebResult {
  readonly instructions?: { readonly scenarios: Scenarios };
  readonly time?: { readonly scenarios: Scenarios };
}
interface LatencyResult {
  readonly results: readonly {
    readonly name: string;
    readonly rate: number;
    readonly reachedPerSecond: number;
    readonly made: number;
    readonly delivered: number;
    readonly clock: { readonly boundMs: number };
    /** Age of events when the agent read them, as it says. */
    readonly read: string;
    readonly clientMs: Readonly<Record<'p50' | 'p99', number>>;
    readonly webviewMs: Readonly<Record<'p50' | 'p99', number>>;
  }[];
}

function result(name: string): unknown {
  const file = join(REPOSITORY, 'bench/results', `${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as unknown) : undefined;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

const whole = (n: number): string => Math.round(n).toLocaleString('en');
const times = (n: number): string => (n >= 100 ? whole(n) : n.toFixed(n >= 10 ? 1 : 2));
const percent = (ratio: number): string =>
  `${ratio >= 1 ? '+' : '−'}${Math.abs((ratio - 1) * 100).toFixed(1)} %`;

/** Instructions beside time; the ratios are to the first row. */
function costTable(instructions: Costs | undefined, time: Costs | undefined): string {
  const names = [...new Set([...Object.keys(instructions ?? {}), ...Object.keys(time ?? {})])];
  const rows = names.map((name) => {
    const [i, t] = [instructions?.[name], time?.[name]];
    return [
      name,
      i === undefined ? '' : whole(i.all.median),
      i === undefined ? '' : whole(i.thread.median),
      i === undefined ? '' : times(i.ratio),
      t === undefined ? '' : times(t.ratio),
    ];
  });
  return table(['per call', 'instructions, all', 'of the thread', 'ratio', 'ratio of time'], rows);
}

function webTable(web: WebResult): string {
  const [instructions, time] = [web.instructions?.scenarios ?? {}, web.time?.scenarios ?? {}];
  const names = [...new Set([...Object.keys(instructions), ...Object.keys(time)])];
  const rows = names.map((name) => {
    const [i, t] = [instructions[name], time[name]];
    const cell = (text: string | undefined): string => text ?? '';
    return [
      name,
      cell(i?.['server'] && whole(i['server'].median)),
      cell(i?.['server'] && percent(i['server'].ratio)),
      cell(t?.['requestsPerSecond'] && whole(t['requestsPerSecond'].median)),
      cell(t?.['requestsPerSecond'] && percent(t['requestsPerSecond'].ratio)),
      cell(t?.['serverUs'] && percent(t['serverUs'].ratio)),
      cell(t?.['p50Ms'] && String(t['p50Ms'].median)),
      cell(t?.['p99Ms'] && String(t['p99Ms'].median)),
    ];
  });
  return table(
    ['', 'instructions / request', '', 'requests / s', '', 'server µs / request', 'p50 ms', 'p99 ms'],
    rows,
  );
}

function latencyTable({ results }: LatencyResult): string {
  const rows = results.map((r) => [
    r.name,
    whole(r.rate),
    whole(r.reachedPerSecond),
    `${r.delivered} of ${r.made}`,
    r.read,
    `${r.clientMs.p50} / ${r.clientMs.p99}`,
    `${r.webviewMs.p50} / ${r.webviewMs.p99}`,
    `± ${r.clock.boundMs}`,
  ]);
  return table(
    [
      '',
      'calls / s asked',
      'reached',
      'delivered',
      'read by the agent',
      'client p50 / p99 ms',
      'webview p50 / p99 ms',
      'clock ms',
    ],
    rows,
  );
}

function tables(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const cost = result('cost') as CostResult | undefined;
  const [i, t] = [cost?.instructions, cost?.time];
  if (i !== undefined) {
    found.set('syscalls', costTable(i.getppid, t?.getppid));
    found.set('syscalls-write', costTable(i.write, t?.write));
    if (i.parts !== undefined) found.set('parts', costTable(i.parts, undefined));
    for (const [name, mark] of [
      ['1 byte to /dev/null', 'writes-null'],
      ['4 KiB to ext4', 'writes-page'],
    ] as const)
      found.set(mark, costTable(i.writeLoop[name], t?.writeLoop[name]));
  }
  const web = result('web') as WebResult | undefined;
  if (web !== undefined) found.set('web', webTable(web));
  const latency = result('latency') as LatencyResult | undefined;
  if (latency !== undefined) found.set('latency', latencyTable(latency));
  return found;
}

/** Fills the marked places of both files; one for which there is no result says so. */
export function writeTables(): void {
  const known = tables();
  for (const name of ['README.md', 'docs/performance.md']) {
    const file = join(REPOSITORY, name);
    const text = readFileSync(file, 'utf8').replace(
      /(<!-- bench:([\w-]+) -->)[^]*?(<!-- \/bench -->)/g,
      (_all, begin: string, mark: string, end: string) => {
        const filled = known.get(mark) ?? 'Not measured yet: there is no result in `bench/results`.';
        return `${begin}\n\n${filled}\n\n${end}`;
      },
    );
    writeFileSync(file, text);
    execFileSync(join(REPOSITORY, 'node_modules/.bin/prettier'), ['--log-level=warn', '--write', file]);
  }
}
