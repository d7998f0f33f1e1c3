/**
 * The five scenarios of the 2018 paper on a small web server, ten connections, one request in a thousand traced, and one in a hundred.
 * All scenarios run in every round, in turns. With instructions the load comes from inside the guest, always the same requests; with time
 * from autocannon on this machine through a forwarded port: inside the guest it would share two emulated processors with the server that it
 * is to measure, and its own work, being JavaScript under emulation, would hide what the server loses.
 */
import autocannon from 'autocannon';
import { lostSyscalls } from '../common/model/loss';
import type { RunEvents } from '../src/core/api';
import { startRun } from '../src/core/session/run';
import { quietContext, type Guest } from '../test/vm/guest';
import { BENCH, guestName, loadModules, openBenchGuest } from './lab/guest';
import { beginResult, rounded, summarize, writeResult, type Summary } from './lab/numbers';
import { freePort } from '../tools/editor/server';

interface Scenario {
  readonly name: string;
  readonly modules: 'stock' | 'skua';
  readonly session?: string;
  /** Of the server. */
  readonly args: string;
  readonly env?: string;
  /** Through Skua's own agent, with everything that belongs to a run. */
  readonly product?: true;
}

const UNPUBLISHED = 'SKUA_CONTEXT=/nonexistent';
const CONNECTIONS = 10;

/** In the order in which a round takes them: the modules change once. */
const SCENARIOS: readonly Scenario[] = [
  {
    name: 'stock LTTng session, output ignored, 0.1 %',
    modules: 'stock',
    session: 'other',
    args: 'jaeger 1000',
    env: UNPUBLISHED,
  },
  { name: 'no tracing', modules: 'skua', args: 'none' },
  { name: 'unmodified client, 0.1 %', modules: 'skua', args: 'jaeger 1000', env: UNPUBLISHED },
  { name: 'modified client, 0.1 %', modules: 'skua', args: 'jaeger 1000' },
  { name: 'Skua session, 0.1 %', modules: 'skua', session: 'skua-bench', args: 'jaeger 1000' },
  { name: 'unmodified client, 1 %', modules: 'skua', args: 'jaeger 100', env: UNPUBLISHED },
  { name: 'modified client, 1 %', modules: 'skua', args: 'jaeger 100' },
  { name: 'Skua session, 1 %', modules: 'skua', session: 'skua-bench', args: 'jaeger 100' },
];
const PRODUCT: readonly Scenario[] = [
  { name: 'Skua run with its agent, 0.1 %', modules: 'skua', args: 'jaeger 1000', product: true },
  { name: 'Skua run with its agent, 1 %', modules: 'skua', args: 'jaeger 100', product: true },
];
const BASE = 'no tracing';

/** One measurement of one scenario. */
type Figures = Readonly<Record<string, number>>;

async function serving<T>(guest: Guest, scenario: Scenario, during: () => Promise<T>): Promise<T> {
  const { session, env = '', args } = scenario;
  const start = session === undefined ? 'true' : `${BENCH}/session.sh start ${session}`;
  await guest.must(`${start} && ${env} ${BENCH}/serve.sh start ${args}`);
  try {
    return await during();
  } finally {
    await guest.must(
      `${BENCH}/serve.sh stop${session === undefined ? '' : `; ${BENCH}/session.sh stop ${session}`}`,
    );
  }
}

/** The same load, in instructions: of the server alone, and of everything that the machine did, per request. */
async function instructions(guest: Guest, scenario: Scenario, requests: number): Promise<Figures> {
  const printed = await serving(guest, scenario, () =>
    guest.must(`${BENCH}/load 8080 ${CONNECTIONS} ${requests} $(cat ${BENCH}/webserver.pid)`),
  );
  const load = JSON.parse(printed) as { count: number; ticks: number; server_ns: number };
  return { server: load.server_ns / load.count, all: load.ticks / load.count };
}

async function cannon(port: number, seconds: number): Promise<autocannon.Result> {
  return autocannon({ url: `http://127.0.0.1:${port}/`, connections: CONNECTIONS, duration: seconds });
}

async function time(guest: Guest, scenario: Scenario, port: number, seconds: number): Promise<Figures> {
  const shoot = async (): Promise<Figures> => {
    await cannon(port, 2); // warms up
    const before = Number(await guest.must(`${BENCH}/serve.sh used`));
    const result = await cannon(port, seconds);
    const after = Number(await guest.must(`${BENCH}/serve.sh used`));
    if (result.errors > 0 || result.non2xx > 0) throw new Error(`${scenario.name}: ${result.errors} errors`);
    return {
      requestsPerSecond: result.requests.total / result.duration,
      p50Ms: result.latency.p50,
      p99Ms: result.latency.p99,
      serverUs: (after - before) / 1000 / result.requests.total,
    };
  };
  return scenario.product === true ? traced(scenario, shoot) : serving(guest, scenario, shoot);
}

/** As `skua run` does it: session, agent in the guest, spans over SSH to here. */
async function traced(scenario: Scenario, during: () => Promise<Figures>): Promise<Figures> {
  let spans = 0;
  const ignore = (): void => undefined;
  const events: RunEvents = {
    spans: (batch) => {
      spans += batch.length;
    },
    output: ignore,
    loss: ignore,
    exited: ignore,
    failed: ignore,
  };
  const run = await startRun(
    {
      target: { kind: 'sandbox', name: guestName('time') },
      session: {},
      launch: {
        program: '/opt/skua-web/webserver',
        args: ['8080', '/opt/skua-web/page.html', ...scenario.args.split(' ')],
        env: {},
        vdsoSyscalls: false,
      },
    },
    events,
    quietContext(),
  );
  try {
    const figures = await during();
    await run.signal('SIGTERM');
    const { summary } = await run.done;
    return { ...figures, spans, lost: lostSyscalls(summary.loss) };
  } finally {
    await run.dispose();
  }
}

type Table = Record<string, Record<string, Summary & { readonly ratio: number }>>;

/** Ratio: to "no tracing" of the same round, so that what changes slowly on this machine cancels out; the median of the rounds'. */
function tabulate(rounds: readonly ReadonlyMap<string, Figures>[]): Table {
  const table: Table = {};
  for (const name of rounds[0]?.keys() ?? []) {
    const row: Record<string, Summary & { readonly ratio: number }> = {};
    for (const figure of Object.keys(rounds[0]?.get(name) ?? {})) {
      const values = rounds.map((round) => round.get(name)?.[figure] ?? NaN);
      const ratios = rounds.map((round, i) => (values[i] ?? NaN) / (round.get(BASE)?.[figure] ?? NaN));
      row[figure] = { ...summarize(values), ratio: rounded(summarize(ratios).median) };
    }
    table[name] = row;
  }
  return table;
}

async function rounds(
  guest: Guest,
  scenarios: readonly Scenario[],
  count: number,
  measure: (scenario: Scenario) => Promise<Figures>,
): Promise<Table> {
  const all: Map<string, Figures>[] = [];
  for (let round = 0; round < count; round += 1) {
    const figures = new Map<string, Figures>();
    let loaded: string | undefined;
    for (const scenario of scenarios) {
      if (loaded !== scenario.modules) await guest.must(loadModules(scenario.modules));
      loaded = scenario.modules;
      figures.set(scenario.name, await measure(scenario));
      process.stderr.write(
        `round ${round + 1}: ${scenario.name} ${JSON.stringify(figures.get(scenario.name))}\n`,
      );
    }
    all.push(figures);
  }
  return tabulate(all);
}

/** Measures instructions and time and writes bench/results/web.json. */
export async function benchWeb(options: {
  readonly kinds: readonly ('time' | 'instructions')[];
  readonly quick: boolean;
}): Promise<void> {
  const result: Record<string, unknown> = { ...beginResult('web', options.kinds), connections: CONNECTIONS };
  if (options.kinds.includes('instructions')) {
    const guest = await openBenchGuest('instructions');
    const requests = options.quick ? 2000 : 10_000;
    result['instructions'] = {
      unit: 'instructions per request; server: on the account of its process; all: of the whole machine, load included',
      requests,
      scenarios: await rounds(guest, SCENARIOS, options.quick ? 1 : 2, (s) =>
        instructions(guest, s, requests),
      ),
    };
    writeResult('web', result);
  }
  if (options.kinds.includes('time')) {
    const port = await freePort();
    const guest = await openBenchGuest('time', [{ host: port, guest: 8080 }]);
    await guest.must(
      `install -d /opt/skua-web && install -m 755 ${BENCH}/webserver /opt/skua-web/ && head -c 4096 /dev/zero | tr '\\0' x > /opt/skua-web/page.html`,
    );
    const seconds = options.quick ? 3 : 8;
    result['time'] = {
      unit: 'requests per second and ms as autocannon saw them; serverUs: processor time of the server per request, µs',
      seconds,
      scenarios: await rounds(guest, [...SCENARIOS, ...PRODUCT], options.quick ? 1 : 5, (s) =>
        time(guest, s, port, seconds),
      ),
    };
    writeResult('web', result);
  }
  process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
}
