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
interface AgentResult {
  readonly bytesPerSpan: number;
  readonly decode: Median;
  readonly build: Median;
  readonly encode: Median;
  readonly total: Median;
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
    `${whole(r.clientMs.p50)} / ${whole(r.clientMs.p99)}`,
    `${whole(r.webviewMs.p50)} / ${whole(r.webviewMs.p99)}`,
    `± ${r.clock.boundMs.toFixed(1)}`,
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

function agentTable(agent: AgentResult): string {
  const row = (name: string, { median, q1, q3 }: Median): string[] => [
    name,
    median.toFixed(1),
    `${q1.toFixed(1)} to ${q3.toFixed(1)}`,
  ];
  return table(
    ['a system call span', 'µs', 'quartiles'],
    [
      row('its two events decoded (CTF)', agent.decode),
      row('paired and built', agent.build),
      row(`encoded for the client, ${whole(agent.bytesPerSpan)} bytes`, agent.encode),
      row('in all', agent.total),
    ],
  );
}

/** What is later than this waits in a queue that grows. */
const BEHIND_MS = 5000;

/** What matters to somebody who thinks of using it, in instructions where that was measured; aims are those of the project. */
function summaryTable(
  cost: CostHalf,
  web: Scenarios | undefined,
  latency: LatencyResult | undefined,
  agent: AgentResult | undefined,
): string {
  const rows: (readonly string[])[] = [];
  const of = (costs: Costs, name: string): number => costs[name]?.all.median ?? NaN;
  const bare = of(cost.getppid, 'Skua modules, no session');
  const untraced = of(cost.getppid, 'Skua modules, Skua session') - bare;
  rows.push([
    'a system call of a thread that is not traced, while Skua records',
    `+${whole(untraced)} instructions (a bare \`getppid\`: ${whole(bare)}; where that takes 134 ns: +${whole((untraced / bare) * 134)} ns)`,
    '+50 ns',
  ]);
  rows.push([
    'one that another LTTng session records: Skua’s modules beside stock ones',
    percent(
      of(cost.getppid, 'Skua modules, ordinary session') /
        of(cost.getppid, 'stock modules, ordinary session'),
    ),
    'nothing measurable',
  ]);
  const page = cost.writeLoop['4 KiB to ext4'];
  const ratio = (name: string): string => `${times(page?.[name]?.ratio ?? NaN)}×`;
  rows.push([
    'the write loop, 4 KiB to ext4, each call in a span of its own',
    `${ratio('spans, Skua session')} the untraced loop (strace -f ${ratio('strace -f')}, perf trace ${ratio('perf trace')}, bpftrace ${ratio('bpftrace')})`,
    '2.5×',
  ]);
  const server = (name: string): number => web?.[name]?.['server']?.median ?? NaN;
  if (web !== undefined) {
    const none = server('no tracing');
    rows.push([
      'a web server, 0.1 % of requests traced, beside no tracing',
      `${percent(server('Skua session, 0.1 %') / none)} instructions a request (the unmodified client alone: ${percent(server('unmodified client, 0.1 %') / none)}; a stock LTTng session beside it: ${percent(server('stock LTTng session, output ignored, 0.1 %') / none)})`,
      '+1 %',
    ]);
    rows.push([
      '1 % traced, beside the unmodified client',
      `${percent(server('Skua session, 1 %') / server('unmodified client, 1 %'))} instructions a request`,
      '+3 %',
    ]);
  }
  for (const each of latency?.results ?? [])
    rows.push([
      `from the end of a system call to its span in the timeline, ${whole(each.rate)} a second, emulated, ${each.name}`,
      each.delivered < each.made || each.webviewMs.p50 > BEHIND_MS
        ? `the emulated agent falls behind, by ${whole(each.webviewMs.p99 / 1000)} s after ${whole(each.made / each.reachedPerSecond)} s`
        : `p50 ${whole(each.webviewMs.p50)} ms, p99 ${whole(each.webviewMs.p99)} ms`,
      'p99 250 ms',
    ]);
  if (agent !== undefined)
    rows.push([
      'the agent’s work for a system call span, not emulated',
      `${agent.total.median.toFixed(0)} µs (10,000 a second: ${agent.total.median.toFixed(0)} % of one processor)`,
      '',
    ]);
  return table(['cost of', 'measured', 'aim'], rows);
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
  const agent = result('agent') as AgentResult | undefined;
  if (agent !== undefined) found.set('agent', agentTable(agent));
  if (i !== undefined) found.set('summary', summaryTable(i, web?.instructions?.scenarios, latency, agent));
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
