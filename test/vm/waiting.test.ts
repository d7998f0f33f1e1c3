/** Why system calls waited, on a real kernel: test/vm/guest/waiting.c makes each kind of wait, and says who was to end it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ATTR, type Span } from '../../common/model/span';
import { statesOf, waitingOf, type Waiting } from '../../common/model/waiting';
import { readTrace, writeTrace } from '../../common/file/skua-file';
import { REPOSITORY } from './guest';
import { openMachine, trace, uploaded, type Machine, type Traced } from './machine';
import { closeWithoutTrouble } from './trouble';

/** The waker sleeps for so long before it acts, ns; what the other thread does until it sleeps is much shorter. */
const LONG_NS = 15_000_000;

let machine: Machine;
let program: string;
let run: Traced;

beforeAll(async () => {
  program = join(mkdtempSync(join(tmpdir(), 'skua-vm-')), 'waiting');
  const include = ['-I', join(REPOSITORY, 'clients/c'), '-I', join(REPOSITORY, 'kernel/include')];
  const source = join(REPOSITORY, 'test/vm/guest/waiting.c');
  execFileSync('gcc', ['-O2', '-g', '-Wall', '-Wextra', ...include, source, '-o', program, '-pthread']);
  machine = await openMachine();
  run = await trace(uploaded(program));
});

afterAll(async () => {
  rmSync(dirname(program), { recursive: true, force: true });
  await closeWithoutTrouble(machine);
});

const calls = (): readonly Span[] => run.spans.filter((span) => span.origin === 'kernel');
/** Of a user span, by the byte that names it in the program. */
const callsIn = (span: number): readonly Span[] =>
  calls().filter((call) => call.parentSpanId === span.toString(16).padStart(16, '0'));

function theCall(span: number, name: string): { readonly call: Span; readonly waiting: Waiting } {
  const found = callsIn(span).filter((call) => call.name === name);
  // A futex call may return at once when the word changed meanwhile; the wait is the longest.
  const call = found.sort((a, b) => Number(lengthOf(b) - lengthOf(a)))[0];
  if (call === undefined) throw new Error(`no call ${name}`);
  const waiting = waitingOf(call);
  if (typeof waiting !== 'object') throw new Error(`no times of ${name}: ${waiting ?? 'no reason'}`);
  return { call, waiting };
}

const lengthOf = (call: Span): bigint => (call.endNs ?? call.startNs) - call.startNs;

function tidOf(who: string): number {
  const tid = new RegExp(`^${who} tid (\\d+)$`, 'm').exec(run.stdout)?.[1];
  if (tid === undefined) throw new Error(`the program does not say the tid of ${who}:\n${run.stdout}`);
  return Number(tid);
}

describe('why system calls waited', () => {
  it('is recorded without loss', () => {
    expect(run.error).toBeUndefined();
    expect(run.exit).toEqual({ code: 0, signal: null });
    expect(run.summary?.loss).toMatchObject({
      ringBuffer: 0,
      packetsMissing: 0,
      ssh: 0,
      entryLost: 0,
      exitLost: 0,
    });
  });

  it('adds up to the nanosecond for every call', () => {
    // Of a call that never returns, such as rt_sigreturn, there is no length to split.
    const finished = calls().filter(
      (call) => call.endNs !== undefined && call.attributes[ATTR.unfinished] === undefined,
    );
    expect(finished.length).toBeGreaterThan(400);
    const without = finished.filter((call) => typeof waitingOf(call) !== 'object');
    expect(without.map((call) => `${call.name} ${String(call.attributes[ATTR.timesUnknown])}`)).toEqual([]);
    for (const call of finished) {
      const waiting = waitingOf(call) as Waiting;
      const length = Number(lengthOf(call));
      expect(waiting.onCpuNs + waiting.runnableNs + waiting.blockedNs, call.name).toBe(length);
      expect(waiting.onCpuNs, `${call.name} ${JSON.stringify(waiting)}`).toBeGreaterThan(0);
      expect(waiting.waker === undefined).toBe(waiting.blockedNs === 0);
      if (waiting.blockedNs > 0) {
        const states = statesOf(call.attributes, length);
        const blocked = states.reduce((sum, [state, ns]) => sum + (state === 'blocked' ? ns : 0), 0);
        expect(blocked).toBe(waiting.blockedNs);
      }
    }
  });

  it('names a traced thread that wrote to the pipe, with its system call', () => {
    const { call, waiting } = theCall(0x11, 'read');
    const [write] = callsIn(0x21).filter(({ name }) => name === 'write');
    expect(waiting.blockedNs).toBeGreaterThan(LONG_NS);
    expect(waiting.waker).toEqual({
      name: 'writer',
      pid: Number(call.attributes[ATTR.pid]),
      tid: tidOf('waker 21'),
      span: { traceId: call.traceId, spanId: write?.spanId, userSpanId: '0000000000000021' },
    });
    expect(call.links).toEqual([
      {
        traceId: call.traceId,
        spanId: write?.spanId,
        attributes: { [ATTR.link]: 'waker', [ATTR.blockedNs]: waiting.blockedNs },
      },
    ]);
    // The wake-up is an event of both; it was while the other one wrote.
    const waking = call.events.find((event) => event.name === 'sched_waking');
    expect(waking?.attributes[ATTR.wakerTid]).toBe(tidOf('waker 21'));
    expect(write?.events.find((event) => event.timeNs === waking?.timeNs)?.name).toBe('sched_waking');
    expect(waking?.timeNs).toBeGreaterThan(write?.startNs ?? 0n);
    expect(waking?.timeNs).toBeLessThan(write?.endNs ?? 0n);
  });

  it('names a thread that is not traced', () => {
    const { call, waiting } = theCall(0x12, 'read');
    expect(waiting.blockedNs).toBeGreaterThan(LONG_NS);
    expect(waiting.waker).toEqual({
      name: 'outsider',
      pid: Number(call.attributes[ATTR.pid]),
      tid: tidOf('waker 00'),
    });
    expect(call.links).toEqual([]);
  });

  it("names the timer's interrupt, not the thread that it stopped", () => {
    const { call, waiting } = theCall(0x13, 'clock_nanosleep');
    expect(waiting.blockedNs).toBeGreaterThan(LONG_NS);
    expect(waiting.waker).toEqual({ name: 'interrupt' });
    expect(call.links).toEqual([]);
  });

  it('names the thread that handed a futex over', () => {
    const { call, waiting } = theCall(0x14, 'futex');
    const [wake] = callsIn(0x24).filter(({ name }) => name === 'futex');
    expect(waiting.blockedNs).toBeGreaterThan(LONG_NS);
    expect(waiting.waker).toMatchObject({
      name: 'handing-over',
      tid: tidOf('waker 24'),
      span: { spanId: wake?.spanId, userSpanId: '0000000000000024' },
    });
    expect(call.links.map((link) => link.spanId)).toEqual([wake?.spanId]);
  });

  it('takes waiting for a CPU for what it is', () => {
    const competing = callsIn(0x15).filter(({ name }) => name === 'getrandom');
    expect(competing).toHaveLength(8);
    const times = competing.map((call) => waitingOf(call) as Waiting);
    const sum = (of: (waiting: Waiting) => number): number => times.reduce((total, t) => total + of(t), 0);
    expect(sum((t) => t.runnableNs)).toBeGreaterThan(1_000_000);
    expect(sum((t) => t.runnableNs)).toBeGreaterThan(sum((t) => t.blockedNs));
    expect(sum((t) => t.onCpuNs)).toBeGreaterThan(1_000_000);
  });

  it('keeps adding up when signals end sleeps and CPUs are contended', () => {
    const sleeps = callsIn(0x16).filter(({ name }) => name === 'clock_nanosleep');
    expect(sleeps.length).toBeGreaterThan(399);
    expect(sleeps.some((call) => call.attributes[ATTR.syscallErrno] !== undefined)).toBe(true);
    expect(sleeps.filter((call) => (waitingOf(call) as Waiting).runnableNs > 0).length).toBeGreaterThan(100);
  });

  it('survives a saved file', () => {
    const saved = readTrace(
      writeTrace({ meta: { title: 't', skuaVersion: '0', loss: run.loss }, spans: run.spans }),
    );
    expect(saved.spans.map((span) => [span.spanId, waitingOf(span), span.links])).toEqual(
      run.spans.map((span) => [span.spanId, waitingOf(span), span.links]),
    );
  });
});
