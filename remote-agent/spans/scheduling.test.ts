/**
 * Times and wakers of system calls, on schedules that a small model of a machine makes up: CPUs, threads that are traced or not,
 * interrupts. The model writes down which state each thread is in, and separately records the events that the kernel module would.
 */
import { describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import type { CtfFields, CtfItem } from '../../common/ctf/types';
import { SKUA } from '../../common/model/abi';
import { ATTR, type Span } from '../../common/model/span';
import { statesOf, waitingOf } from '../../common/model/waiting';
import { KernelSpans } from './kernelSpans';
import type { KernelOutput } from './output';

const PREEMPTED = 0x100;
const SLEEPING = 1;

interface Thread {
  readonly tid: number;
  readonly armed: boolean;
  state: 'on-cpu' | 'runnable' | 'blocked';
  /** Of the call in progress; 0 outside of one. */
  call: bigint;
  /** A waker has decided to wake it, but it is not off its CPU yet. */
  overtaken: boolean;
}

interface Expected {
  start: bigint;
  end: bigint;
  readonly sums: Record<Thread['state'], bigint>;
  readonly wakers: { readonly ns: bigint; readonly name: string; readonly span: string | undefined }[];
  asleepSince: bigint;
}

/** A machine, and what the module records of it. */
class Machine {
  now = 1000n;
  readonly items: CtfItem[] = [];
  readonly calls = new Map<bigint, Expected>();
  readonly threads: Thread[];
  readonly running: Thread[];
  private readonly idle: Thread[];
  private nextCall = 100n;

  constructor(cpus: number, armed: number, unarmed: number) {
    this.idle = Array.from({ length: cpus }, () => thread(0, false));
    this.running = [...this.idle];
    this.threads = Array.from({ length: armed + unarmed }, (_, i) => thread(i + 10, i < armed));
  }

  pass(time: number): void {
    this.now += BigInt(time);
    for (const { call, state } of this.threads) {
      const expected = this.calls.get(call);
      if (expected !== undefined) expected.sums[state] += BigInt(time);
    }
  }

  enter(cpu: number): void {
    const current = this.at(cpu);
    current.call = this.nextCall++;
    this.calls.set(current.call, {
      start: this.now,
      end: 0n,
      sums: { 'on-cpu': 0n, runnable: 0n, blocked: 0n },
      wakers: [],
      asleepSince: 0n,
    });
    this.record(cpu, 'syscall_entry_read', { fd: 3, count: 1n });
  }

  exit(cpu: number): void {
    const current = this.at(cpu);
    const expected = this.calls.get(current.call);
    if (expected !== undefined) expected.end = this.now;
    this.record(cpu, 'syscall_exit_read', { ret: 1n });
    current.call = 0n;
  }

  /** `how`: what the thread that runs is switched away for; `signalled` is a sleep that a pending signal does not let happen. */
  switch(cpu: number, next: Thread | undefined, how: 'asleep' | 'preempted' | 'yields' | 'signalled'): void {
    const prev = this.at(cpu);
    const to = next ?? this.idle[cpu] ?? this.at(cpu);
    const state = { asleep: SLEEPING, signalled: SLEEPING, preempted: PREEMPTED, yields: 0 }[how];
    const more = how === 'asleep' ? 0 : SKUA.FLAG_RUNNABLE;
    this.record(
      cpu,
      'sched_switch',
      { prev_tid: prev.tid, prev_state: BigInt(state), next_tid: to.tid },
      to,
      more,
    );
    prev.state = how === 'asleep' ? 'blocked' : 'runnable';
    const expected = this.calls.get(prev.call);
    if (how === 'asleep' && expected !== undefined) expected.asleepSince = this.now;
    to.state = 'on-cpu';
    this.running[cpu] = to;
  }

  /** By the thread that runs on the CPU, or by an interrupt on top of it. A wake-up that overtakes the sleep takes effect later. */
  wake(cpu: number, wakee: Thread, interrupt: boolean): void {
    const fields = { tid: wakee.tid, comm: 'x' };
    this.record(cpu, 'sched_waking', fields, wakee, interrupt ? SKUA.FLAG_INTERRUPT : 0);
    if (wakee.state === 'on-cpu') wakee.overtaken = true;
    else this.woken(cpu, wakee, interrupt);
    this.lastWaking = { cpu, interrupt };
  }

  /** The second half of a wake-up, on whichever CPU. */
  queue(cpu: number, wakee: Thread): void {
    if (wakee.overtaken) {
      wakee.overtaken = false;
      this.woken(this.lastWaking.cpu, wakee, this.lastWaking.interrupt);
    }
    this.record(cpu, 'sched_wakeup', { tid: wakee.tid, comm: 'x' }, wakee, SKUA.FLAG_INTERRUPT);
  }

  private lastWaking = { cpu: 0, interrupt: false };

  private woken(cpu: number, wakee: Thread, interrupt: boolean): void {
    wakee.state = 'runnable';
    const waker = this.at(cpu);
    const expected = this.calls.get(wakee.call);
    expected?.wakers.push({
      ns: this.now - expected.asleepSince,
      name: interrupt || waker.tid === 0 ? 'interrupt' : `t${waker.tid}`,
      span: interrupt || !waker.armed ? undefined : hex(waker.call === 0n ? BigInt(waker.tid) : waker.call),
    });
  }

  at(cpu: number): Thread {
    return this.running[cpu] as Thread;
  }

  /** As kernel/overlay/src/skua decides it: under the ids of the thread that runs, else of the one that the event is about. */
  private record(cpu: number, name: string, fields: CtfFields, about?: Thread, more = 0): void {
    const current = this.at(cpu);
    const subject = !current.armed;
    const of = subject ? about : current;
    if (of?.armed !== true) return;
    this.items.push({
      kind: 'event',
      timestampNs: ns(this.now),
      cpu,
      name,
      id: 0,
      eventClass: { id: 0, streamId: 0, name },
      context: {
        skua_trace_hi: 1n,
        skua_trace_lo: 2n,
        skua_span: BigInt(of.tid),
        skua_syscall: of.call,
        skua_flags:
          SKUA.FLAG_SAMPLED |
          (of.call === 0n ? 0 : SKUA.FLAG_IN_SYSCALL) |
          (subject ? SKUA.FLAG_SUBJECT | (more & ~SKUA.FLAG_RUNNABLE) : more),
        skua_stack: new Uint8Array(),
        pid: current.tid,
        tid: current.tid,
        procname: `t${current.tid}`,
      },
      fields,
    });
  }
}

function thread(tid: number, armed: boolean): Thread {
  return { tid, armed, state: tid === 0 ? 'on-cpu' : 'runnable', call: 0n, overtaken: false };
}

const hex = (value: bigint): string => value.toString(16).padStart(16, '0');

function build(items: readonly CtfItem[], scheduling = true): Map<bigint, Span> {
  const outputs: KernelOutput[] = [];
  const builder = new KernelSpans((output) => outputs.push(output), scheduling);
  for (const item of items) builder.item(item);
  builder.finish('session-stopped');
  return new Map(outputs.filter((o) => o.kind === 'span').map((o) => [o.span.id, o.span]));
}

/** mulberry32. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A thousand steps of two CPUs, five traced threads and four others. */
function randomMachine(seed: number): Machine {
  const random = randomFrom(seed);
  const machine = new Machine(2, 5, 4);
  const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length)];
  for (let step = 0; step < 1000; step += 1) {
    machine.pass(random(4) === 0 ? 0 : 1 + random(50));
    const cpu = random(2);
    const current = machine.at(cpu);
    const what = random(6);
    if (what === 0 && current.armed) {
      if (current.call === 0n) machine.enter(cpu);
      else machine.exit(cpu);
    } else if (what === 1) {
      const wakee = pick(machine.threads.filter((t) => t.state === 'blocked'));
      if (wakee === undefined) continue;
      machine.wake(cpu, wakee, random(3) === 0);
      machine.pass(random(3));
      machine.queue(random(2), wakee);
    } else if (what === 2 && machine.at(1 - cpu).call !== 0n) {
      // A wake-up overtakes the sleep of the thread on the other CPU.
      const wakee = machine.at(1 - cpu);
      machine.wake(cpu, wakee, random(3) === 0);
      machine.pass(1 + random(5));
      machine.switch(1 - cpu, pick(machine.threads.filter((t) => t.state === 'runnable')), 'asleep');
      machine.pass(1 + random(5));
      machine.queue(cpu, wakee);
    } else {
      // Traced threads sleep in system calls only: nothing else puts one to sleep that this model knows.
      const ways =
        current.tid === 0 || (current.armed && current.call === 0n)
          ? (['preempted', 'yields'] as const)
          : (['preempted', 'yields', 'asleep', 'asleep', 'signalled'] as const);
      const next = pick(machine.threads.filter((t) => t.state === 'runnable'));
      if (next !== undefined || random(2) === 0) machine.switch(cpu, next, pick(ways) ?? 'yields');
    }
  }
  return machine;
}

describe('times of system calls', () => {
  it('add up, are those of the machine, and name who woke, for random schedules', () => {
    let checked = 0;
    let waits = 0;
    let linked = 0;
    for (let seed = 1; seed <= 15; seed += 1) {
      const machine = randomMachine(seed);
      const spans = build(machine.items);
      for (const [id, expected] of machine.calls) {
        const span = spans.get(id);
        if (span?.endNs === undefined || expected.end === 0n) continue;
        const { 'on-cpu': onCpuNs, runnable, blocked } = expected.sums;
        const waiting = waitingOf(span);
        expect(waiting, `seed ${seed}, call ${id}`).toMatchObject({
          onCpuNs: Number(onCpuNs),
          runnableNs: Number(runnable),
          blockedNs: Number(blocked),
        });
        expect(onCpuNs + runnable + blocked).toBe(span.endNs - span.startNs);
        const longest = expected.wakers.reduce<Expected['wakers'][number] | undefined>(
          (best, waker) => (best === undefined || waker.ns > best.ns ? waker : best),
          undefined,
        );
        if (typeof waiting !== 'object') throw new Error('checked above');
        expect(waiting.waker?.name).toBe(longest?.name);
        expect(waiting.waker?.span?.spanId).toBe(longest?.span);
        const wakers = new Set(expected.wakers.flatMap((waker) => waker.span ?? []));
        expect(span.links.map((link) => link.spanId)).toEqual([...wakers].slice(0, 16));
        const states = statesOf(span.attributes, Number(span.endNs - span.startNs));
        if (runnable + blocked > 0n) expect(states.length).toBeGreaterThan(0);
        checked += 1;
        waits += expected.wakers.length;
        linked += wakers.size;
      }
    }
    // The model makes what it is for.
    expect(checked).toBeGreaterThan(250);
    expect(waits).toBeGreaterThan(150);
    expect(linked).toBeGreaterThan(50);
  });

  it('are right or absent when events were lost, for random schedules', () => {
    let absent = 0;
    let right = 0;
    for (let seed = 1; seed <= 15; seed += 1) {
      const random = randomFrom(seed + 1000);
      const machine = randomMachine(seed);
      const from = random(machine.items.length);
      const to = Math.min(machine.items.length - 1, from + 1 + random(30));
      const [first, last] = [machine.items[from], machine.items[to]];
      if (first?.kind !== 'event' || last?.kind !== 'event') continue;
      const loss: CtfItem = {
        kind: 'lost',
        count: 1,
        exact: true,
        beginNs: first.timestampNs,
        endNs: last.timestampNs,
        cpu: random(2),
      };
      // Of the CPU that lost events some are there all the same; of the other one all are.
      const kept = machine.items
        .slice(from, to)
        .filter((item) => item.kind === 'event' && (item.cpu !== loss.cpu || random(2) === 0));
      const spans = build([...machine.items.slice(0, from), loss, ...kept, ...machine.items.slice(to)]);
      for (const [id, expected] of machine.calls) {
        const span = spans.get(id);
        if (span?.endNs === undefined || span.attributes[ATTR.unfinished] !== undefined) continue;
        const waiting = waitingOf(span);
        if (typeof waiting === 'string') {
          absent += 1;
          expect(waiting).toBe('events-lost');
        } else {
          right += 1;
          expect(waiting, `seed ${seed}, call ${id}`).toMatchObject({
            onCpuNs: Number(expected.sums['on-cpu']),
            runnableNs: Number(expected.sums.runnable),
            blockedNs: Number(expected.sums.blocked),
          });
        }
      }
    }
    expect(absent).toBeGreaterThan(20);
    expect(right).toBeGreaterThan(100);
  });

  it('are absent, with the reason, when the session does not record what they need', () => {
    const machine = new Machine(1, 1, 0);
    machine.switch(0, machine.threads[0], 'yields');
    machine.enter(0);
    machine.exit(0);
    const [span] = [...build(machine.items, false).values()];
    expect(span && waitingOf(span)).toBe('tracepoints-off');
    expect(span?.attributes[ATTR.onCpuNs]).toBeUndefined();
  });

  it('puts a wake-up of one traced thread by another into the spans of both, with the waker on that of the woken one', () => {
    const machine = new Machine(2, 2, 0);
    const [wakee, waker] = machine.threads as [Thread, Thread];
    machine.switch(0, wakee, 'yields');
    machine.switch(1, waker, 'yields');
    machine.enter(0);
    machine.pass(10);
    machine.switch(0, undefined, 'asleep');
    machine.pass(100);
    machine.enter(1);
    machine.pass(5);
    machine.wake(1, wakee, false);
    machine.queue(1, wakee);
    machine.pass(7);
    machine.switch(0, wakee, 'yields');
    machine.exit(0);
    machine.exit(1);
    const spans = build(machine.items);
    const [woken, woke] = [spans.get(100n), spans.get(101n)];
    expect(woken?.attributes).toMatchObject({
      [ATTR.onCpuNs]: 10,
      [ATTR.blockedNs]: 105,
      [ATTR.runnableNs]: 7,
      [ATTR.states]: 'c10 b105 r7',
      [ATTR.wakerName]: 't11',
      [ATTR.wakerTid]: 11,
      [ATTR.wakerSpanId]: hex(101n),
      [ATTR.wakerUserSpanId]: hex(11n),
    });
    expect(woken?.links).toEqual([
      {
        traceId: woke?.traceId,
        spanId: hex(101n),
        attributes: { 'skua.link': 'waker', [ATTR.blockedNs]: 105 },
      },
    ]);
    const waking = (span: Span | undefined): unknown =>
      span?.events.find((e) => e.name === 'sched_waking')?.attributes[ATTR.wakerTid];
    expect(waking(woken)).toBe(11);
    expect(woke?.events.map((e) => e.name)).toEqual(['sched_waking', 'sched_wakeup']);
    expect(waking(woke)).toBeUndefined();
  });
});
