/**
 * What kernel tracing costs a system call: of threads that nobody traces, of threads that another LTTng session traces, and of a thread
 * that works in a span. Every case runs in every round, one after the other, in the same guest, so that what else the machine does is
 * shared out evenly.
 */
import type { Guest } from '../test/vm/guest';
import { BENCH, loadModules, openBenchGuest, type GuestKind } from './lab/guest';
import { beginResult, rounded, summarize, writeResult, type Summary } from './lab/numbers';
import { mountTracers, type Tracers } from './lab/tracers';

/** One line of the guest's programs (bench/guest/measure.h). */
interface Reading {
  readonly what: string;
  readonly count: number;
  readonly ticks: number;
  readonly wall_ns: number;
  readonly thread_ns: number;
}

interface Case {
  readonly name: string;
  /** Session that runs meanwhile, an ordinary one or one named skua-…. */
  readonly session?: string;
  /** The session's events without LTTng's own fields. */
  readonly bare?: true;
  readonly command: string;
}

/** Per call. `all`: everything that the machine did meanwhile; `thread`: on the measured thread's account. */
interface Cost {
  readonly all: Summary;
  readonly thread: Summary;
}

const SKUA = 'skua-bench';
const OTHER = 'other';
const NULL = '/dev/null 1';
const PAGE = '/root/bench.out 4096';
/** Keeps the client from finding the module: the same tracer without publication to the kernel. */
const UNPUBLISHED = 'SKUA_CONTEXT=/nonexistent';

function syscallCases(
  quick: boolean,
): readonly { readonly modules: 'stock' | 'skua'; readonly cases: readonly Case[] }[] {
  const command = `${BENCH}/syscalls ${quick ? 10 : 30} 1000`;
  return [
    {
      modules: 'skua',
      cases: [
        { name: 'Skua modules, no session', command },
        { name: 'Skua modules, ordinary session', session: OTHER, command },
        { name: 'Skua modules, Skua session', session: SKUA, command },
        {
          name: 'Skua modules, Skua session, another process in a span',
          session: SKUA,
          command: `${command} beside`,
        },
      ],
    },
    {
      modules: 'stock',
      cases: [
        { name: 'stock modules, no session', command },
        { name: 'stock modules, ordinary session', session: OTHER, command },
      ],
    },
  ];
}

function writeCases(file: string, loops: number): readonly Case[] {
  const writes = (mode: string, count = loops): string => `${BENCH}/writes ${mode} ${file} ${count}`;
  return [
    { name: 'untraced', command: writes('plain') },
    { name: 'untraced, Skua session', session: SKUA, command: writes('plain') },
    { name: 'context, no session', command: writes('context') },
    { name: 'context, Skua session', session: SKUA, command: writes('context') },
    { name: 'spans, unmodified client', command: `${UNPUBLISHED} ${writes('spans')}` },
    { name: 'spans, modified client', command: writes('spans') },
    { name: 'spans, Skua session', session: SKUA, command: writes('spans') },
    { name: 'ordinary LTTng session', session: OTHER, command: writes('plain') },
  ];
}

/** What a recorded call is made of: the same calls with parts left out. Each needs the modules loaded in its own way. */
function partCases(
  loops: number,
): readonly { readonly parameters: string; readonly cases: readonly Case[] }[] {
  const command = `${BENCH}/writes context ${NULL} ${loops}`;
  const plain = `${BENCH}/writes plain ${NULL} ${loops}`;
  return [
    {
      parameters: '',
      cases: [
        { name: 'context, no session', command },
        { name: 'context, Skua session', session: SKUA, command },
        { name: "context, Skua session without LTTng's own fields", session: SKUA, bare: true, command },
        { name: 'ordinary LTTng session', session: OTHER, command: plain },
        {
          name: "ordinary LTTng session without LTTng's own fields",
          session: OTHER,
          bare: true,
          command: plain,
        },
      ],
    },
    {
      parameters: 'skua_stack_bytes=0',
      cases: [{ name: 'context, Skua session without stacks', session: SKUA, command }],
    },
  ];
}

function tracerCases(file: string, tracers: Tracers): readonly Case[] {
  const command = `${BENCH}/writes plain ${file} 3`;
  return [
    { name: 'bpftrace', command: tracers.bpftrace(command) },
    { name: 'strace -f', command: `strace -f -o /dev/null ${command}` },
    { name: 'perf trace', command: `${tracers.perfTrace} ${command}` },
  ];
}

/** Runs one case and adds what its program printed to `into`, under the case's name. */
async function measure(guest: Guest, one: Case, into: Map<string, Reading[]>): Promise<void> {
  const script =
    one.session === undefined
      ? one.command
      : `${BENCH}/session.sh start ${one.session}${one.bare === true ? ' bare' : ''} && ${one.command}; ${BENCH}/session.sh stop ${one.session}`;
  const printed = await guest.must(script);
  const readings = printed
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Reading)
    .filter(({ count }) => count > 0);
  if (readings.length === 0) throw new Error(`${one.name} measured nothing: ${printed}`);
  process.stderr.write(`${one.name}: ${JSON.stringify(readings[0])}\n`);
  into.set(one.name, [...(into.get(one.name) ?? []), ...readings]);
}

function cost(readings: readonly Reading[], kind: GuestKind): Cost {
  const per = (pick: (reading: Reading) => number): Summary =>
    summarize(readings.map((reading) => pick(reading) / reading.count));
  return {
    all: per((reading) => (kind === 'time' ? reading.wall_ns : reading.ticks)),
    thread: per((reading) => reading.thread_ns),
  };
}

function costs(
  measured: ReadonlyMap<string, readonly Reading[]>,
  kind: GuestKind,
): Record<string, Cost & { ratio: number }> {
  const all = [...measured].map(([name, readings]) => [name, cost(readings, kind)] as const);
  const base = all[0]?.[1].all.median ?? NaN;
  return Object.fromEntries(
    all.map(([name, one]) => [name, { ...one, ratio: rounded(one.all.median / base) }]),
  );
}

/** `save` gets what is known so far after each part, so that a run that is cut short keeps what it has. */
async function measureGuest(
  kind: GuestKind,
  rounds: number,
  quick: boolean,
  save: (result: object) => void,
): Promise<void> {
  const guest = await openBenchGuest(kind);
  const tracers = await mountTracers(guest);
  const syscalls = new Map<string, Reading[]>();
  const writes = { null: new Map<string, Reading[]>(), page: new Map<string, Reading[]>() };
  const parts = new Map<string, Reading[]>();
  const loops = quick ? 5 : 10;
  const of = (what: string): Map<string, Reading[]> =>
    new Map(
      [...syscalls].map(([name, readings]) => [name, readings.filter((reading) => reading.what === what)]),
    );
  const measureAll = async (cases: readonly Case[], into: Map<string, Reading[]>): Promise<void> => {
    for (const one of cases) await measure(guest, one, into);
    save({
      unit: kind === 'time' ? 'ns per call' : 'instructions per call',
      getppid: costs(of('getppid'), kind),
      write: costs(of('write'), kind),
      ...(parts.size > 0 ? { parts: costs(parts, kind) } : {}),
      writeLoop: {
        '1 byte to /dev/null': costs(writes.null, kind),
        '4 KiB to ext4': costs(writes.page, kind),
      },
    });
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const { modules, cases } of syscallCases(quick)) {
      await guest.must(loadModules(modules));
      // With Skua's modules only: the programs are the same everywhere, what they are compared with too.
      if (modules === 'skua') {
        await measureAll(writeCases(NULL, loops), writes.null);
        await measureAll(writeCases(PAGE, loops), writes.page);
      }
      await measureAll(cases, syscalls);
    }
    process.stderr.write(`${kind}: round ${round + 1} of ${rounds}\n`);
  }
  // These differ by whole factors: once is enough.
  await measureAll(tracerCases(NULL, tracers), writes.null);
  await measureAll(tracerCases(PAGE, tracers), writes.page);
  for (const { parameters, cases } of kind === 'instructions' ? partCases(loops) : []) {
    await guest.must(loadModules('skua', parameters));
    await measureAll(cases, parts);
  }
}

/** Measures time and instructions and writes bench/results/cost.json. */
export async function benchCost(options: {
  readonly kinds: readonly GuestKind[];
  readonly quick: boolean;
}): Promise<void> {
  const result = beginResult('cost', options.kinds);
  const rounds = options.quick ? { time: 1, instructions: 1 } : { time: 4, instructions: 2 };
  for (const kind of options.kinds) {
    await measureGuest(kind, rounds[kind], options.quick, (half) => {
      result[kind] = half;
      writeResult('cost', result);
    });
  }
  process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
}
