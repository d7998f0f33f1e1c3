/**
 * What the table of call sites saves: the write loop of the 2018 paper, and a program that does all it can to have different stacks
 * (test/vm/guest/callsites.c), each with the table and without it in turns. Bytes of trace for each system call, what a write costs
 * the machine and its thread, and what reading costs the agent.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { CtfItem } from '../common/ctf/types';
import { openCtfFolder } from '../remote-agent/live/folder';
import { KernelSpans } from '../remote-agent/spans/kernelSpans';
import { CallSites } from '../remote-agent/symbols/callSites';
import { Symbolizer } from '../remote-agent/symbols/symbolizer';
import { quote, REPOSITORY, runLocal, type Guest } from '../test/vm/guest';
import { BENCH, loadModules, openBenchGuest, type GuestKind } from './lab/guest';
import { beginResult, summarize, writeResult } from './lab/numbers';

const SESSION = 'skua-bench';
const TRACE = '/dev/shm/sites';
const CASES = { withTable: 8192, withoutTable: 0 } as const;
type Case = keyof typeof CASES;

/** One line of the guest's programs (bench/guest/measure.h). */
interface Reading {
  readonly count: number;
  readonly ticks: number;
  readonly wall_ns: number;
  readonly thread_ns: number;
}

/** A session takes the size of its table from the parameter when it starts. */
const setTable = (entries: number): string => `echo ${entries} > /sys/module/skua/parameters/skua_sites`;

async function timeWrites(guest: Guest, one: Case, loops: number): Promise<readonly Reading[]> {
  const printed = await guest.must(`${setTable(CASES[one])} && ${BENCH}/session.sh start ${SESSION} &&
    ${BENCH}/writes context /dev/null 1 ${loops}; ${BENCH}/session.sh stop ${SESSION}`);
  return printed
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Reading)
    .filter(({ count }) => count > 0);
}

interface Traced {
  readonly syscalls: number;
  readonly references: number;
  readonly traceBytesPerSyscall: number;
  readonly agentMicrosecondsPerSyscall: number;
}

/** Records a command into files, whole, and reads them as the agent does. */
async function traceOnce(guest: Guest, one: Case, command: string): Promise<Traced> {
  await guest.must(`${setTable(CASES[one])}
    rm -rf ${TRACE}; lttng -q create ${SESSION} -o ${TRACE}
    lttng -q enable-channel -s ${SESSION} -k c --subbuf-size=1M --num-subbuf=16
    lttng -q add-context -s ${SESSION} -k -c c -t vpid -t vtid -t procname
    lttng -q enable-event -s ${SESSION} -k -c c --syscall -a
    lttng -q enable-event -s ${SESSION} -k -c c skua_mapping
    lttng -q start ${SESSION}; cd ${BENCH}; ${command} > /dev/null 2>&1; lttng -q destroy ${SESSION}`);
  const folder = mkdtempSync(join(tmpdir(), 'skua-bench-'));
  try {
    await download(guest, `${TRACE}/kernel`, ['c_0', 'c_1'], folder);
    const bytes = Number(await guest.must(`cat ${TRACE}/kernel/c_* | wc -c`));
    const read = await readAsAgent(guest, folder);
    return {
      syscalls: read.syscalls,
      references: read.references,
      traceBytesPerSyscall: bytes / read.syscalls,
      agentMicrosecondsPerSyscall: read.microseconds / read.syscalls,
    };
  } finally {
    rmSync(folder, { recursive: true });
    await guest.must(`rm -rf ${TRACE}`);
  }
}

/** Files of a folder of the guest, as far as they are there. */
async function download(guest: Guest, from: string, names: readonly string[], to: string): Promise<void> {
  const list = [...names, 'metadata'].map(quote).join(' ');
  const encoded = await guest.must(
    `cd ${quote(from)}; tar --dereference --ignore-failed-read -czf - $(ls -d ${list} 2>/dev/null) | base64 -w0`,
  );
  await runLocal('tar', ['-C', to, '-xzf', '-'], Buffer.from(encoded, 'base64'));
}

async function readAsAgent(
  guest: Guest,
  folder: string,
): Promise<{ readonly syscalls: number; readonly references: number; readonly microseconds: number }> {
  const items: CtfItem[] = [];
  const ctf = openCtfFolder(folder);
  for (const batch of ctf.batches()) items.push(...batch);
  ctf.dispose();
  const paths = new Set<string>();
  for (const item of items) {
    if (item.kind !== 'event') throw new Error('Events were lost: the buffers are too small to compare.');
    const path = item.fields['path'];
    if (item.name === 'skua_mapping' && typeof path === 'string' && path.startsWith('/'))
      paths.add(path.slice(1));
  }
  // The programs' files, below another root and under another inode.
  const root = join(folder, 'root');
  mkdirSync(root);
  await download(guest, '/', [...paths], root);

  const symbolizer = new Symbolizer({
    helper: join(REPOSITORY, 'out/native/skua-symbols'),
    queueBytes: 2 ** 31,
  });
  const sites = new CallSites((samples) => symbolizer.symbolize(samples));
  const asked: Promise<unknown>[] = [];
  let batch: { pid: number; bytes: Uint8Array }[] = [];
  let syscalls = 0;
  let references = 0;
  const flush = (): void => {
    if (batch.length > 0) asked.push(sites.resolve(batch));
    batch = [];
  };
  const kernel = new KernelSpans((output) => {
    if (output.kind === 'mapping') {
      flush();
      const { mapping } = output;
      const path = mapping.path.startsWith('/') ? join(root, mapping.path) : mapping.path;
      symbolizer.mapping(output.pid, { ...mapping, ino: 0n, path });
    } else if (output.kind === 'sample') {
      syscalls += 1;
      if (output.stack.length === 8) references += 1;
      batch.push({ pid: output.pid, bytes: output.stack });
      if (batch.length === 512) flush();
    }
  }, false);
  const began = performance.now();
  for (const item of items) kernel.item(item);
  flush();
  await Promise.all(asked);
  const microseconds = (performance.now() - began) * 1000;
  await symbolizer.dispose();
  return { syscalls, references, microseconds };
}

async function inTurns<T>(rounds: number, one: (which: Case) => Promise<T>): Promise<Record<Case, T[]>> {
  const all: Record<Case, T[]> = { withTable: [], withoutTable: [] };
  for (let round = 0; round < rounds; round += 1) {
    all.withTable.push(await one('withTable'));
    all.withoutTable.push(await one('withoutTable'));
  }
  return all;
}

function traced(runs: readonly Traced[]): object {
  const of = (pick: (run: Traced) => number): object => summarize(runs.map(pick));
  return {
    syscalls: of((run) => run.syscalls),
    references: of((run) => run.references),
    traceBytesPerSyscall: of((run) => run.traceBytesPerSyscall),
    agentMicrosecondsPerSyscall: of((run) => run.agentMicrosecondsPerSyscall),
  };
}

/** Measures and writes bench/results/callsites.json. */
export async function benchCallSites(options: {
  readonly kinds: readonly GuestKind[];
  readonly quick: boolean;
}): Promise<void> {
  execFileSync('bash', [join(REPOSITORY, 'tools/build-native.sh'), '--out', join(REPOSITORY, 'out/native')]);
  const rounds = options.quick ? 2 : 5;
  const result = beginResult('callsites', options.kinds);
  for (const kind of options.kinds) {
    const guest = await openBenchGuest(kind);
    await guest.must(loadModules('skua'));
    const times = await inTurns(rounds, (which) => timeWrites(guest, which, options.quick ? 5 : 20));
    const costs = Object.fromEntries(
      Object.entries(times).map(([which, readings]) => [
        which,
        {
          all: summarize(readings.flat().map((r) => (kind === 'time' ? r.wall_ns : r.ticks) / r.count)),
          thread: summarize(readings.flat().map((r) => r.thread_ns / r.count)),
        },
      ]),
    );
    result[kind] = {
      unit: kind === 'time' ? 'ns per write with its change of context' : 'instructions, likewise',
      writes: costs,
    };
    if (kind === 'time') {
      await guest.upload(join(REPOSITORY, 'test/vm/guest'), `${BENCH}/sites`);
      await guest.upload(join(REPOSITORY, 'kernel/include'), `${BENCH}/abi`);
      await guest.must(`cd ${BENCH} && gcc -O2 -g -pthread -I abi -o varied sites/callsites.c`);
      for (const [name, command] of [
        ['loop', './writes context /dev/null 1 10'],
        ['varied', './varied 60'],
      ] as const) {
        const runs = await inTurns(rounds, (which) => traceOnce(guest, which, command));
        result[name] = { withTable: traced(runs.withTable), withoutTable: traced(runs.withoutTable) };
      }
    }
    await guest.must(setTable(CASES.withTable));
    writeResult('callsites', result);
  }
  process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
}
