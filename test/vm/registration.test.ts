/**
 * Contexts that the kernel reads from memory, on a real kernel: threads that register the address of their pointer, processes that
 * are registered, and everything that can become of that memory meanwhile.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { integer, type TraceEvent } from './babeltrace';
import type { Guest } from './guest';
import { buildPrograms, openGuestWithModules } from './modules';
import {
  checkContexts,
  FLAG,
  flags,
  growth,
  isExit,
  readTrace,
  record,
  span,
  stats,
  syscallName,
  syscallsOf,
} from './recording';
import { closeWithoutTrouble, watchTrouble } from './trouble';

const PROGRAMS = ['register', 'register-process', 'torn'];

let guest: Guest;

beforeAll(async () => {
  guest = await openGuestWithModules();
  await buildPrograms(guest, PROGRAMS);
});

watchTrouble(() => guest);

afterAll(() => closeWithoutTrouble(guest));

/** "name value" lines. */
function said(printed: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    printed
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
}

const own = (events: readonly TraceEvent[]): readonly TraceEvent[] =>
  events.filter((e) => (flags(e) & FLAG.subject) === 0n);

/** The programs call getppid where nobody is to see it. */
function expectNothingUnseen(events: readonly TraceEvent[]): void {
  const wrong = events.filter((e) => e.name.endsWith('getppid'));
  expect(wrong.map((e) => `${e.name} ${span(e).toString(16)}`)).toEqual([]);
}

describe('a registered thread', () => {
  let printed = '';
  let events: readonly TraceEvent[] = [];
  let counters: Readonly<Record<string, number>> = {};
  const calls = (id: bigint): readonly string[] => syscallsOf(events, id);

  beforeAll(async () => {
    counters = await growth(guest, async () => {
      ({ printed, events } = await record(guest, 'skua-register', './register'));
    });
  });

  it('has the contexts that its memory says, each in force from the next syscall on', () => {
    checkContexts(events);
    expectNothingUnseen(events);
    expect([0x11n, 0x12n, 0x13n, 0x14n].map(calls)).toEqual([
      ['getpid'],
      ['getpid', 'getpid'],
      ['getpid'],
      [],
    ]);
    const hi = events.filter((e) => span(e) === 0x12n).map((e) => integer(e.context, 'skua_trace_hi'));
    expect(new Set(hi)).toEqual(new Set([0xd1d1d1d1d1d1d1d1n]));
  });

  it('keeps the ids of a syscall as they were at its entry, whatever is stored meanwhile', () => {
    expect(calls(0x21n)).toEqual(['read']);
    expect(calls(0x22n)).toEqual(['getpid']);
  });

  it('is not armed while its memory cannot be read, which is counted, and is again when it can', () => {
    expect(calls(0x31n)).toEqual(['getpid', 'munmap']);
    expect(calls(0x32n)).toEqual(['getpid', 'mprotect', 'getpid']);
    expect(calls(0x33n)).toEqual([]);
    expect(calls(0x34n)).toEqual(['getpid', 'munmap']);
    // Seven wild pointers, and what was unmapped or forbidden in eight calls.
    expect(counters['registered_unreadable']).toBeGreaterThanOrEqual(15);
    expect(counters['registered_unreadable']).toBeLessThan(40);
  });

  it('is told why an address cannot be registered, and keeps the one it had', () => {
    expect(said(printed)).toEqual({
      'page-never-touched': 'ok',
      unaligned: 'EINVAL',
      unmapped: 'EFAULT',
      'kernel-address': 'EFAULT',
      'not-canonical': 'EFAULT',
      'read-only': 'EBADF',
      'argument-unmapped': 'EFAULT',
      'other-command': 'ENOTTY',
      'other-user': 'EPERM',
      unregister: 'ok',
    });
    expect(calls(0x41n)).toEqual(['getpid']);
    expect(counters).toMatchObject({
      registrations_refused: 6,
      records_refused_user: 1,
      threads_registered: 8,
      threads_unregistered: 1,
    });
  });

  it('hands its registration on to nobody: not fork, clone, vfork or exec', () => {
    expect(calls(0x51n)).toEqual(['clone']);
    expect(calls(0x52n)).toEqual(['getpid']);
    expect(calls(0x53n)[0]).toBe('getpid');
    expect(calls(0x54n)).toEqual(['getpid']);
    expect(calls(0x81n)).toEqual(['execve']);
    expect(own(events).filter(isExit).at(-1)?.name).toBe('syscall_exit_execve');
  });

  it('goes by what it did last, writing or registering, and reads back what is in force', () => {
    expect(calls(0x61n)).toEqual(['getpid']);
    expect(calls(0x62n)).toEqual(['getpid', 'getpid']);
    expect(calls(0x63n)).toEqual(['getpid', 'getpid']);
    expect(calls(0x71n)).toEqual(['pread64']);
  });

  it('needs no system call but the one that registers', () => {
    // The other cases apart: as many of Skua's own calls as the program makes, none for a change of context.
    const control = events.filter((e) => isExit(e) && (flags(e) & FLAG.control) !== 0n);
    const writes = control.filter((e) => syscallName(e) === 'write');
    expect(writes).toHaveLength(2);
  });

  it('leaves no state behind', async () => {
    expect(counters['states_allocated']).toBe(counters['states_freed']);
    expect((await stats(guest)).get('states_live')).toBe(0);
  });
});

describe('a record in the middle of a change', () => {
  it('is never seen torn by events that interrupt the change', async () => {
    const { events } = await record(guest, 'skua-torn', './torn 2', '-e sched_switch');
    const interrupted = own(events).filter((e) => integer(e.context, 'skua_syscall') === 0n && !isExit(e));
    const spans = new Set<bigint>();
    for (const event of interrupted) {
      const first = span(event) & 0xffn;
      expect([0xaan, 0xbbn, 0xccn, 0xddn]).toContain(first);
      expect(span(event)).toBe(first * 0x101n);
      for (const half of ['skua_trace_hi', 'skua_trace_lo'])
        expect(integer(event.context, half)).toBe(first * 0x0101010101010101n);
      spans.add(first);
    }
    expect(interrupted.length).toBeGreaterThan(50);
    expect(spans.size).toBe(4);
  });
});

describe('a registered process', () => {
  it('is armed by its memory, thread by thread, until it says otherwise, executes another program or ends', async () => {
    let printed = '';
    let events: readonly TraceEvent[] = [];
    const counters = await growth(guest, async () => {
      ({ printed, events } = await record(guest, 'skua-process', './register-process'));
    });
    checkContexts(events);
    expectNothingUnseen(events);
    const calls = (id: bigint): readonly string[] => syscallsOf(events, id);
    for (const id of [0x11n, 0x12n, 0x13n, 0x21n, 0x22n]) expect(calls(id)).toEqual(['getpid']);
    // A thread that writes records is its own master from its first write on.
    expect(calls(0x23n)).toEqual(['openat']);
    expect(calls(0x14n)[0]).toBe('getpid');
    expect(calls(0x31n)).toEqual(['getpid', 'execve']);
    expect(said(printed)).toEqual({
      static: 'ok',
      dynamic: 'ok',
      'taken-back': 'ok',
      'static-again': 'ok',
      nobody: 'ESRCH',
      'no-such-kind': 'EINVAL',
      'no-module': 'EINVAL',
      'wild-offset': 'ok',
      'wild-module': 'ok',
      'module-beyond': 'ok',
    });
    expect(counters).toMatchObject({ processes_registered: 6, processes_released: 6 });
    expect(counters['registered_no_room']).toBeUndefined();
    expect(counters['states_allocated']).toBe(counters['states_freed']);
  });

  it('is armed from its first instruction on when its launcher registered it, and only that program', async () => {
    const counters = await growth(guest, async () => {
      const { printed, events } = await record(
        guest,
        'skua-launched',
        './register-process launch ./register-process',
      );
      expect(printed).toBe('launch ok\n');
      checkContexts(events);
      expectNothingUnseen(events);
      for (const id of [0x41n, 0x42n]) expect(syscallsOf(events, id)).toEqual(['getpid']);
    });
    expect(counters).toMatchObject({ processes_registered: 1, processes_released: 1 });
  });

  it('loses a registration that was meant for a program with other privileges', async () => {
    const counters = await growth(guest, async () => {
      await guest.must('install -m 755 /root/vm/register-process /tmp/register-process');
      await guest.must('install -m 4755 /root/vm/register-process /tmp/register-process-root');
      const printed = await guest.must(
        'id skua-in 2>/dev/null || useradd -G tracing skua-in; /root/vm/record.sh skua-setuid /root/trace -- setpriv --reuid=$(id -u skua-in) --regid=$(id -g skua-in) --init-groups /tmp/register-process launch /tmp/register-process-root',
      );
      expect(printed).toContain('launch ok');
    });
    expect(counters).toMatchObject({ processes_registered: 1, processes_released: 1 });
    const events = await readTrace(guest, '/root/trace');
    expect(events.filter((e) => span(e) === 0x41n)).toEqual([]);
  });

  it("must be the caller's own, and the caller in the group", async () => {
    await guest.must(
      'id skua-in 2>/dev/null || useradd -G tracing skua-in; id skua-out 2>/dev/null || useradd skua-out',
    );
    await guest.must('install -m 755 /root/vm/register-process /tmp/register-process');
    const attempt = (user: string, command: string) =>
      guest.run(`setpriv --reuid=$(id -u ${user}) --regid=$(id -g ${user}) --init-groups sh -c '${command}'`);
    expect(await attempt('skua-in', '/tmp/register-process 1')).toMatchObject({
      code: 0,
      stdout: 'static EPERM\n',
    });
    const mine = await attempt('skua-in', 'sleep 5 & /tmp/register-process $!');
    expect(mine).toMatchObject({ code: 0, stdout: 'static ok\n' });
    const outside = await attempt('skua-out', 'LC_ALL=C /tmp/register-process $$');
    expect(outside).toMatchObject({ code: 3 });
    expect(outside.stderr).toMatch(/Permission denied/);
  });
});
