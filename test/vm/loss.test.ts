/**
 * Loss accounting on a real kernel, under real failures. The workload counts the system calls that it makes; whatever happens to the
 * trace on its way, that number is the sum of what arrived and what was lost to each cause, or the report says how many nobody can
 * explain. docs/loss.md has the equation.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LossReport } from '../../common/model/loss';
import { ATTR } from '../../common/model/span';
import { CREDIT_PORTION_BYTES } from '../../common/protocol/agent';
import type { RunOptions, TraceRun } from '../../src/core/api';
import { REPOSITORY } from './guest';
import { NO_SYSCALL_LOST, openMachine, trace, vmContext, type Machine, type Traced } from './machine';
import { openProxy } from './proxy';
import { openSshHome } from './sshTarget';
import { closeWithoutTrouble } from './trouble';

const COUNTER = join(REPOSITORY, 'examples/counter/build/counter');
/** Kinds of calls of which the counter makes one each in a round. */
const KINDS = 6;
/** By files and not through the agent: a test may have stopped it. */
const GO = '/tmp/skua-loss-go';
const DONE = '/tmp/skua-loss-done';
const TINY = { subbufferBytes: 4096, subbuffers: 2 };

let machine: Machine;

beforeAll(async () => {
  execFileSync('make', ['-s', '-C', join(REPOSITORY, 'examples/counter')]);
  machine = await openMachine();
});

afterAll(() => closeWithoutTrouble(machine));

interface Workload {
  readonly threads: number;
  readonly rounds: number;
}

/**
 * The counter under tracing. It begins when the test says so, and the run ends when its input is closed: in between, the test has
 * the session to itself, before or after the calls were made.
 */
function counter(
  { threads, rounds }: Workload,
  session: RunOptions['session'] = {},
): Parameters<typeof trace>[0] {
  const script = `rm -f ${GO} ${DONE}; until test -e ${GO}; do sleep 0.1; done; ./counter --threads ${threads} --rounds ${rounds} >${DONE}.tmp; mv ${DONE}.tmp ${DONE}; cat ${DONE}; cat`;
  return {
    upload: { kind: 'file', localPath: COUNTER },
    launch: { program: 'sh', args: ['-c', script], env: {}, vdsoSyscalls: false },
    session: { tracepoints: [], ...session },
  };
}

const go = (): Promise<string> => machine.must(`sleep 0.5; touch ${GO}`);
const end = (run: TraceRun): void => run.input(new Uint8Array(0));

/** Waits in the guest until the workload has made all of its calls. Returns how many. */
async function made(): Promise<number> {
  const text = await machine.must(
    `for i in $(seq 600); do test -e ${DONE} && break; sleep 0.2; done; cat ${DONE}`,
  );
  const total = /"total":(\d+).*"failed":0,.*"refusedRecords":0/.exec(text)?.[1];
  if (total === undefined) throw new Error(`the workload did not end well:\n${text}`);
  return Number(total);
}

/** Of the agent and its children, the processes with this name. */
const pids = async (pattern: string): Promise<string> =>
  (await machine.must(`pgrep -f '${pattern}' | tr '\\n' ' '`)).trim();

async function signal(name: string, pattern: string): Promise<void> {
  const found = await pids(pattern);
  expect(found, `a process like ${pattern}`).not.toBe('');
  await machine.must(`sudo kill -${name} ${found}`);
}

const AGENT = '[n]ode.*agent.*\\.js';
const RELAYD = '[l]ttng-relayd --output';
const SESSIOND = '[l]ttng-sessiond';
const CONSUMERD = '[l]ttng-consumerd';

/** The two equations, exactly. */
function balances(run: Traced, issued: number): LossReport {
  const { loss } = run;
  expect(loss.issued).toBe(issued);
  expect(loss.eventsDecoded + loss.ringBuffer + loss.stream).toBe(loss.eventsOffered);
  const lost = loss.entryLost + loss.bothLost + loss.ssh + loss.store + loss.unexplained;
  expect(run.received.syscalls + lost).toBe(issued);
  return loss;
}

async function ordinary(
  workload: Workload,
  session: RunOptions['session'] = {},
  during: (run: TraceRun) => Promise<void> = () => go().then(() => undefined),
  maxSpans?: number,
): Promise<Traced> {
  let issued = 0;
  const run = await trace(
    counter(workload, session),
    async (live) => {
      await during(live);
      issued = await made();
      end(live);
    },
    vmContext(),
    maxSpans,
  );
  expect(run.error).toBeUndefined();
  expect(issued).toBe(workload.threads * workload.rounds * KINDS);
  expect(balances(run, issued).unexplained).toBe(0);
  return run;
}

describe('every call that the program made is accounted for', () => {
  it('when nothing is lost', async () => {
    const run = await ordinary({ threads: 4, rounds: 100 });
    expect(run.received.syscalls).toBe(2400);
    expect(run.loss).toMatchObject(NO_SYSCALL_LOST);
  });

  it('when the buffers are far too small: by which of its events were lost', async () => {
    const { loss, received, spans } = await ordinary({ threads: 4, rounds: 1000 }, TINY);
    expect(loss.ringBuffer).toBeGreaterThan(0);
    expect(loss.stream).toBe(0);
    // Each case happens, and together they are what is missing.
    for (const cause of ['entryLost', 'exitLost', 'bothLost'] as const)
      expect(loss[cause], cause).toBeGreaterThan(0);
    expect(received.syscalls).toBe(loss.issued - loss.entryLost - loss.bothLost);
    const unfinished = spans.filter(
      (span) => span.origin === 'kernel' && span.attributes[ATTR.unfinished] === 'lost',
    );
    expect(unfinished).toHaveLength(loss.exitLost);
    expect(spans.some((span) => ATTR.lostEvents in span.attributes)).toBe(true);
  });

  it('under as many calls as the guest can make, which never wait', async () => {
    const began = Date.now();
    const run = await ordinary({ threads: 2, rounds: 5000 });
    expect(run.loss.issued).toBe(60_000);
    console.info(
      `overload: ${run.received.syscalls} of ${run.loss.issued} delivered in ${Date.now() - began} ms`,
      run.loss,
    );
  });

  it('when the reader stalls: the program goes on, and what was late is delivered', async () => {
    const workload = { threads: 2, rounds: 1000 };
    const run = await ordinary(workload, {}, async (live) => {
      await signal('STOP', AGENT);
      await go();
      await made(); // With the agent stopped.
      // Meanwhile the client library's reports overrun the receiver's socket.
      const port = live.info.session.jaegerUdpPort;
      await machine.must(
        `bash -c 'for i in $(seq 2000); do printf %02000d 0 >/dev/udp/127.0.0.1/${port}; done'`,
      );
      await signal('CONT', AGENT);
    });
    expect(run.loss.receiverFull).toBeGreaterThan(0);
    expect(run.loss.receiver + run.loss.receiverFull).toBe(2000);
  });

  it('when the client stalls: what its connection cannot take is dropped, and counted', async () => {
    const home = openSshHome();
    const proxy = await openProxy(machine.sshPort);
    try {
      const target = await home.target('skua', proxy.port);
      const workload = { threads: 4, rounds: 1500 };
      let issued = 0;
      const run = await trace(
        { ...counter(workload, { queueBytes: CREDIT_PORTION_BYTES }), target },
        async (live) => {
          await go();
          proxy.stall();
          issued = await made();
          await machine.must('sleep 8'); // What the agent may hold and have under way fills.
          proxy.resume();
          end(live);
        },
      );
      expect(run.error).toBeUndefined();
      expect(balances(run, issued)).toMatchObject({ unexplained: 0 });
      expect(run.loss.ssh).toBeGreaterThan(0);
    } finally {
      await proxy.close();
      home.dispose();
    }
  });

  it('when the client holds as many spans as it may', async () => {
    const run = await ordinary({ threads: 4, rounds: 100 }, {}, undefined, 1000);
    expect(run.spans.length).toBe(1000);
    expect(run.loss.store).toBe(2400 - run.received.syscalls);
    expect(run.loss.store).toBeGreaterThan(1300);
  });

  it("when the relay daemon's disk fills at once", async () => {
    const run = await withFill(2_000_000, { threads: 4, rounds: 2000 }, AGENT);
    // Not even the workload's report may find room: the kernel's count stands for it.
    expect(balances(run, run.loss.issued)).toMatchObject({ unexplained: 0 });
    expect(run.loss.stream).toBeGreaterThan(0);
  });

  it('when the disk is nearly full: recording ends, the program does not', async () => {
    const run = await withFill(30_000_000, { threads: 1, rounds: 10 });
    expect(run.error).toBeUndefined();
    expect(run.exit).toEqual({ code: 0, signal: null });
    expect(run.summary?.notes.join()).toContain('Recording ended early');
    expect(balances(run, 0)).toMatchObject({ stream: 0 });
  });
});

/** The workload, with only so many bytes left on the guest's disk. `stopped`: a part that must not see it fill. */
async function withFill(left: number, workload: Workload, stopped?: string): Promise<Traced> {
  try {
    return await trace(counter(workload), async (live) => {
      if (stopped !== undefined) await signal('STOP', stopped);
      await machine.must(`fallocate -l $(($(stat -f -c '%a * %S' ~) - ${left})) ~/skua-loss-fill; sleep 3`);
      await go();
      await machine.must(`sleep 2; while pgrep -x counter >/dev/null; do sleep 0.2; done`);
      if (stopped !== undefined) await signal('CONT', stopped);
      end(live);
    });
  } finally {
    await machine.must('rm -f ~/skua-loss-fill');
  }
}

describe('what is known when a part dies', () => {
  const workload = { threads: 4, rounds: 500 };
  const ISSUED = 4 * 500 * KINDS;

  // Whatever the case has found: the next one, and the next file, meet daemons that work.
  afterEach(async () => {
    await machine.must('sudo systemctl restart lttng-sessiond');
  });

  /** Stops the part, lets the program make its calls, and kills it: what it held is lost. */
  async function killed(part: string, session: RunOptions['session'] = {}): Promise<Traced> {
    return trace(counter(workload, session), async (live) => {
      await signal('STOP', part);
      await go();
      expect(await made()).toBe(ISSUED);
      await signal('KILL', part);
      end(live);
      await live.done.catch(() => undefined);
    });
  }

  it('the relay daemon', async () => {
    const run = await killed(RELAYD);
    expect(run.error?.code).toBe('relayd-failed');
    expect(balances(run, ISSUED)).toMatchObject({ unexplained: 0 });
    expect(run.loss.stream).toBeGreaterThan(0);
    expect(run.loss.bothLost).toBeGreaterThan(0);
  });

  it('the consumer daemon', async () => {
    const run = await killed(CONSUMERD);
    expect(balances(run, ISSUED)).toMatchObject({ unexplained: 0 });
    expect(run.loss.stream + run.loss.ringBuffer).toBeGreaterThan(0);
  });

  it('the session daemon', async () => {
    const run = await killed(SESSIOND);
    expect(balances(run, ISSUED)).toMatchObject({ unexplained: 0 });
  });

  it('the agent: the client asks the kernel, and says how many calls it knows nothing of', async () => {
    const run = await killed(AGENT);
    expect(run.error?.code).toBe('agent-start-failed');
    expect(run.loss.issued).toBe(ISSUED);
    expect(run.received.syscalls + run.loss.unexplained).toBe(ISSUED);
    expect(run.loss.unexplained).toBeGreaterThan(0);
  });
});
