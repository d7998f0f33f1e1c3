/**
 * The clients on a real kernel with Skua's modules, read with babeltrace2: which system calls end up under which span, and that the
 * programs' own counts agree with what was recorded and dropped.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExpected } from '../../tools/correctness/expected';
import { readCallTable } from '../../tools/check-correctness';
import { integer, parseTrace, type TraceEvent } from './babeltrace';
import { REPOSITORY, type Guest } from './guest';
import { openGuestWithModules } from './modules';
import { nodeSample } from './nodePackage';
import { closeWithoutTrouble } from './trouble';

const CONTROL = 4n;

let guest: Guest;

interface Recording {
  readonly printed: string;
  readonly events: readonly TraceEvent[];
  readonly discarded: number;
}

/** Records a command of the folder /root/clients in a Skua session without tracepoints. */
async function record(command: string, channel = ''): Promise<Recording> {
  const session = 'skua-clients';
  await guest.must(
    `rm -rf /root/trace && lttng -q create ${session} -o /root/trace && lttng -q enable-channel -s ${session} -k channel ${channel || '--subbuf-size=4M --num-subbuf=8'} && lttng -q add-context -s ${session} -k -c channel -t vpid -t vtid -t procname && lttng -q enable-event -s ${session} -k -c channel --syscall -a && lttng -q start ${session}`,
  );
  try {
    const printed = await guest.must(`cd /root/clients && ${command}`);
    await guest.must(`lttng -q stop ${session}`);
    // The stacks are most of the text, and nothing here reads them.
    const trace = await guest.must(
      "babeltrace2 --clock-seconds --no-delta /root/trace 2>/root/trace.err | sed 's/skua_stack = \\[ .* \\], vpid/skua_stack = [ ], vpid/'",
    );
    const warnings = await guest.must('cat /root/trace.err');
    const discarded = [...warnings.matchAll(/discarded (\d+) event/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
    return { printed, events: parseTrace(trace), discarded };
  } finally {
    await guest.run(`lttng -q destroy ${session}`);
  }
}

const syscallName = (event: TraceEvent): string => event.name.replace(/^syscall_(?:entry|exit)_/, '');
const spanOf = (event: TraceEvent): string =>
  integer(event.context, 'skua_span').toString(16).padStart(16, '0');
const isControl = (event: TraceEvent): boolean => (integer(event.context, 'skua_flags') & CONTROL) !== 0n;

/** Names of the program's system calls by user span, in order. */
function callsBySpan(events: readonly TraceEvent[]): ReadonlyMap<string, readonly string[]> {
  const calls = new Map<string, string[]>();
  for (const event of events) {
    if (!event.name.startsWith('syscall_exit_') || isControl(event)) continue;
    const span = spanOf(event);
    const list = calls.get(span);
    if (list === undefined) calls.set(span, [syscallName(event)]);
    else list.push(syscallName(event));
  }
  return calls;
}

beforeAll(async () => {
  execFileSync(join(REPOSITORY, 'tools/build-clients.sh'), { stdio: 'ignore' });
  for (const example of ['correctness', 'counter']) {
    execFileSync('make', ['-s', '-C', join(REPOSITORY, 'examples', example)], { stdio: 'ignore' });
  }
  const folder = mkdtempSync(join(tmpdir(), 'skua-clients-'));
  try {
    cpSync(join(REPOSITORY, 'examples/correctness/build/correctness'), join(folder, 'correctness'));
    cpSync(join(REPOSITORY, 'examples/counter/build/counter'), join(folder, 'counter'));
    nodeSample(folder);
    guest = await openGuestWithModules();
    await guest.upload(folder, '/root/clients');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

afterAll(() => closeWithoutTrouble(guest));

describe('C++: OpenTracing tracer', () => {
  it('gives every work span exactly its calls, in order, and its request nothing', async () => {
    const { printed, events, discarded } = await record('./correctness --threads 20 --works 10');
    expect(discarded).toBe(0);
    const expected = parseExpected(printed);
    const table = readCallTable();
    const calls = callsBySpan(events);
    const works = new Set(expected.works.map(({ spanId }) => spanId));
    // Whether the vDSO answers depends on the machine's clock source; the clock read of Finish is the program's, see calls.json.
    const asked = [...calls].some(([, names]) => names.includes('gettimeofday'));
    const inOrder = table.calls.filter(({ vdso }) => vdso !== true || asked).map(({ syscall }) => syscall);
    for (const { spanId, thread, index } of expected.works) {
      expect(calls.get(spanId), `thread ${thread} work ${index}`).toEqual(
        asked ? [...inOrder, 'clock_gettime'] : inOrder,
      );
    }
    const elsewhere = [...calls].filter(([span]) => !works.has(span)).flatMap(([, names]) => names);
    expect(elsewhere.filter((name) => name !== 'clock_gettime')).toEqual([]);
  });

  it('records each call on the thread that made it', async () => {
    const { printed, events } = await record('./correctness --threads 3 --works 2');
    const threads = new Map(parseExpected(printed).works.map(({ spanId, tid }) => [spanId, tid]));
    for (const event of events) {
      const tid = threads.get(spanOf(event));
      if (tid !== undefined) expect(integer(event.context, 'vtid')).toBe(BigInt(tid));
    }
  });
});

describe('C: skua.h', () => {
  // Per round six calls with entry and exit. Changes of context are no calls, and a thread registers before it is armed.
  const EVENTS_PER_ROUND = 6 * 2;
  const THREADS = 4;

  it.each([
    ['enough', '--subbuf-size=4M --num-subbuf=8', false],
    ['too few', '--subbuf-size=64k --num-subbuf=2', true],
  ])('issued = recorded + discarded with %s buffers', async (_name, channel, loses) => {
    const { printed, events, discarded } = await record(
      `./counter --threads ${THREADS} --rounds 100`,
      channel,
    );
    const rounds = THREADS * 100;
    const total = printed.split('\n').find((line) => line.includes('"total"')) ?? '';
    expect(JSON.parse(total)).toMatchObject({
      total: 6 * rounds,
      failed: 0,
      kernel: true,
      refusedRecords: 0,
    });
    expect(events.length + discarded).toBe(EVENTS_PER_ROUND * rounds);
    expect(events.filter(isControl)).toEqual([]);
    expect(discarded > 0).toBe(loses);
  });

  it('arms nobody without permission, and the program runs', async () => {
    const before = await guest.must('grep -E "records_armed|threads_registered" /proc/skua/stats');
    const printed = await guest.must(
      'install -m 755 /root/clients/counter /tmp/counter && setpriv --reuid=65534 --regid=65534 --clear-groups /tmp/counter --threads 1 --rounds 2; rm /tmp/counter',
    );
    expect(printed).toContain('"total":12');
    expect(printed).toContain('"kernel":false,"lastError":13');
    expect(await guest.must('grep -E "records_armed|threads_registered" /proc/skua/stats')).toBe(before);
  });
});

describe('Node: jaeger-client', () => {
  it('puts the calls of synchronous code under their spans', async () => {
    const { events, printed } = await record('node -r @skua/jaeger-client/register notes.js');
    expect(printed).toContain('5 notes');
    const calls = [...callsBySpan(events).values()];
    const saves = calls.filter((names) => names.includes('fsync'));
    expect(saves).toHaveLength(5);
    for (const names of saves) {
      // What else Node's threads do at the time (futex, madvise) is not ours to fix.
      expect(
        names.filter((name) => ['openat', 'write', 'pwrite64', 'fsync', 'close'].includes(name)),
      ).toEqual(['openat', 'write', 'fsync', 'close']);
    }
    expect(
      new Set(
        events.filter((e) => e.name.startsWith('syscall_entry_')).map((e) => integer(e.context, 'vtid')),
      ).size,
    ).toBe(1);
  });
});
