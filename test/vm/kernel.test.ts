/**
 * Skua's LTTng modules on a real kernel: which events a Skua session records and with which context, what other sessions see,
 * what is refused, and that nothing leaks or crashes. Traces are read with babeltrace2.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SKUA } from '../../common/model/abi';
import { parseAccount } from '../../common/model/kernelAccount';
import { bytes, integer, text, type TraceEvent, type Value } from './babeltrace';
import type { Guest } from './guest';
import { buildPrograms, loadModules, moduleFolders, openGuestWithModules, TRACING_GROUP } from './modules';
import * as recording from './recording';
import { checkContexts, FLAG, flags, ids, isEntry, isExit, span, syscallName, syscallsOf } from './recording';
import { closeWithoutTrouble, watchTrouble } from './trouble';

/** Those of test/vm/guest that are about the modules; the others use Skua's clients. */
const PROGRAMS = [
  'nested',
  'sleep',
  'inherit',
  'garbage',
  'registers',
  'files',
  'workload',
  'stress',
  'crowd',
];

let guest: Guest;

/** Skua's modules with these parameters of skua.ko's. */
const load = (parameters = TRACING_GROUP): Promise<void> => loadModules(guest, '/root/skua', parameters);

const record = (session: string, command: string, options = ''): ReturnType<typeof recording.record> =>
  recording.record(guest, session, command, options);
const readTrace = (folder: string): Promise<readonly TraceEvent[]> => recording.readTrace(guest, folder);
const stats = (): Promise<ReadonlyMap<string, number>> => recording.stats(guest);
const growth = (action: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> =>
  recording.growth(guest, action);

beforeAll(async () => {
  guest = await openGuestWithModules();
  await buildPrograms(guest, PROGRAMS);
  await guest.upload((await moduleFolders()).stock, '/root/stock');
});

watchTrouble(() => guest);

afterAll(() => closeWithoutTrouble(guest));

describe('a Skua session', () => {
  it('records the syscalls of armed threads under their span, each with an id of its own', async () => {
    const { printed, events } = await record('skua-nested', './nested');
    checkContexts(events);
    for (const thread of [1n, 2n]) {
      const outer = 0x11n + 0x10n * (thread - 1n);
      const tid = new RegExp(`thread ${thread} tid (\\d+)`).exec(printed)?.[1];
      expect(syscallsOf(events, outer)).toEqual(['getpid', 'clock_nanosleep', 'openat']);
      expect(syscallsOf(events, outer + 1n)).toEqual(['openat', 'write', 'newfstatat', 'pread64', 'close']);
      const own = events.filter((e) => (flags(e) & FLAG.subject) === 0n);
      for (const event of own.filter((e) => span(e) === outer || span(e) === outer + 1n)) {
        expect(integer(event.context, 'vtid').toString()).toBe(tid);
        expect(integer(event.context, 'skua_trace_hi')).toBe(BigInt(`0xa${thread}`) * 0x0101010101010101n);
        expect(integer(event.context, 'skua_trace_lo')).toBe(integer(event.context, 'skua_trace_hi'));
      }
    }
    expect(
      events.some((e) => e.name.endsWith('getppid')),
      'a syscall after detaching',
    ).toBe(false);
    // Every thread armed once from nothing and re-armed or detached three times.
    const control = events.filter((e) => isExit(e) && (flags(e) & FLAG.control) !== 0n);
    expect(
      control.map((e) => integer(e.context, 'skua_syscall') === 0n).filter((first) => first),
    ).toHaveLength(2);
    expect(control).toHaveLength(8);
  });

  /** The account of the newest recording of a session that has ended. */
  async function accountOf(session: string): Promise<NonNullable<ReturnType<typeof parseAccount>>> {
    const account = parseAccount(await guest.must(`cat ${SKUA.PROC_SESSIONS}`), session);
    if (account === undefined) throw new Error(`no account of ${session}`);
    expect(account.running).toBe(false);
    return account;
  }

  it.each([
    ['all', ''],
    ['filtered', `-e none -f '$ctx.skua_span == 0x11'`],
  ])('keeps an account of what it was offered, which stays when it is gone: %s', async (which, options) => {
    const session = `skua-account-${which}`;
    const { events } = await record(session, './nested', options);
    const account = await accountOf(session);
    expect(account).toMatchObject({ events: events.length, lost: 0 });
    expect(events.filter(isEntry)).toHaveLength(account.entries);
    const exits = events.filter((e) => isExit(e) && integer(e.context, 'skua_syscall') !== 0n);
    expect(exits).toHaveLength(account.exits);
    // Skua's own calls say so at both ends, so that either of them will do.
    const control = (list: readonly TraceEvent[]): readonly string[] =>
      list
        .filter((e) => (flags(e) & FLAG.control) !== 0n)
        .map((e) => ids(e))
        .sort();
    expect(control(events.filter(isEntry))).toEqual(control(exits));
    expect(control(exits)).toHaveLength(account.control);
    // Three of each of two threads; of the span that is asked for, two of one.
    expect(account.control).toBe(which === 'all' ? 6 : 2);
  });

  it('counts in its account what the buffers lost', async () => {
    const session = 'skua-account-small';
    const { events } = await record(session, './workload 1000 armed', '-b 4K');
    const account = await accountOf(session);
    expect(account.lost).toBeGreaterThan(0);
    expect(events.length + account.lost).toBe(account.events);
  });

  it('keeps an account of each recording', async () => {
    await guest.must(`rm -rf /root/trace && cd /root/vm && lttng -q create skua-account-twice -o /root/trace &&
lttng -q enable-event -s skua-account-twice -k --syscall -a &&
for i in 1 2; do lttng -q start skua-account-twice && ./nested && lttng -q stop skua-account-twice || exit 1; done
lttng -q destroy skua-account-twice`);
    const events = await readTrace('/root/trace');
    const lines = (await guest.must(`grep -w skua-account-twice ${SKUA.PROC_SESSIONS}`)).trim().split('\n');
    expect(lines.map((line) => line.split(' ')[1])).toEqual(['stopped', 'stopped']);
    const offered = lines.map((line) => Number(line.split(' ')[2]));
    expect(offered[0]).toBe(offered[1]);
    expect(events).toHaveLength((offered[0] ?? 0) * 2);
  });

  it('tells why a thread waited: switched away, woken by somebody, switched to', async () => {
    const { printed, events } = await record(
      'skua-sleep',
      './sleep',
      '-e sched_switch,sched_waking,sched_wakeup',
    );
    checkContexts(events);
    const tid = BigInt(/tid (\d+)/.exec(printed)?.[1] ?? '0');
    const sleeps = events.filter((e) => e.name === 'syscall_entry_clock_nanosleep');
    expect(sleeps).toHaveLength(3);
    for (const sleep of sleeps) {
      const meanwhile = events
        .filter((e) => e.name.startsWith('sched_') && ids(e) === ids(sleep))
        .map((e) => {
          const about = flags(e) & FLAG.subject;
          if (e.name !== 'sched_switch')
            return `${e.name} ${integer(e.payload, 'tid') === tid && about !== 0n ? 'of' : 'by'}`;
          if (integer(e.payload, 'prev_tid') === tid) return about === 0n ? 'away' : 'away, not by itself';
          return integer(e.payload, 'next_tid') === tid && about !== 0n ? 'to' : 'somebody else';
        });
      // It may be preempted or wake others before it sleeps and after it woke up; this is how the sleep itself goes.
      const story = meanwhile.join(', ');
      expect(story).toMatch(/away, sched_waking of, sched_wakeup of, to/);
    }
  });

  it('sees nothing of a program that writes no record', async () => {
    const { events } = await record('skua-idle', './workload 50');
    expect(events).toEqual([]);
  });

  it('lets nobody inherit a context: not fork, clone, vfork or exec', async () => {
    const { printed, events } = await record('skua-inherit', './inherit');
    checkContexts(events);
    expect([...printed.matchAll(/^(\w+) \d+$/gm)].map((m) => m[1])).toEqual([
      'main',
      'forked',
      'thread',
      'spawned',
      'replaced',
    ]);
    const main = BigInt(/main (\d+)/.exec(printed)?.[1] ?? '0');
    const own = events.filter((e) => (flags(e) & FLAG.subject) === 0n);
    expect(new Set(own.map((e) => integer(e.context, 'vtid')))).toEqual(new Set([main]));
    expect(syscallsOf(events, 0x31n)).toContain('getsid');
    expect(events.some((e) => e.name.endsWith('getpgid'))).toBe(false);
    // The exec itself is complete, and the last syscall of the old program.
    expect(events.filter(isExit).at(-1)?.name).toBe('syscall_exit_execve');
  });

  it('records registers and stack as they are at the syscall instruction, and says when the stack is short', async () => {
    const counters: Record<string, number> = {};
    let printed = '';
    let events: readonly TraceEvent[] = [];
    Object.assign(
      counters,
      await growth(async () => ({ printed, events } = await record('skua-registers', './registers'))),
    );
    checkContexts(events);
    const expected = [...printed.matchAll(/^(\w+) (\w+) (\w+) (\w+)$/gm)].map((m) =>
      m.slice(1).map((hex) => BigInt(`0x${hex}`)),
    );
    expect(expected).toHaveLength(4);
    for (const [spanId, ip, sp, size] of expected as [bigint, bigint, bigint, bigint][]) {
      const entry = events.find((e) => isEntry(e) && span(e) === spanId);
      if (entry === undefined) throw new Error(`no entry under span ${spanId.toString(16)}`);
      const stack = bytes(entry.context, 'skua_stack');
      const view = new DataView(stack.buffer, SKUA.SITE_BYTES);
      const registers = Array.from({ length: SKUA.REGS_COUNT }, (_, i) => view.getBigUint64(8 * i, true));
      expect(registers[1]).toBe(sp);
      if (spanId === 0x54n) {
        expect(entry.name).toBe('compat_syscall_entry_getpid');
      } else {
        expect(registers).toEqual([
          ip,
          sp,
          0x2222222222222222n,
          0x1111111111111111n,
          0xccccccccccccccccn,
          0xddddddddddddddddn,
          0xeeeeeeeeeeeeeeeen,
          0xffffffffffffffffn,
        ]);
      }
      const piece = stack.subarray(SKUA.SITE_BYTES + SKUA.REGS_BYTES);
      expect(piece.length).toBe(Math.min(1024, Number(size)));
      expect([...piece]).toEqual(Array.from(piece, (_, i) => (i * 7 + Number(spanId)) & 0xff));
      const exit = events.find(
        (e) => isExit(e) && integer(e.context, 'skua_syscall') === integer(entry.context, 'skua_syscall'),
      );
      const short = spanId === 0x52n || spanId === 0x53n ? FLAG.stackShort : 0n;
      expect([entry, exit].map((e) => (e === undefined ? -1n : flags(e) & FLAG.stackShort))).toEqual([
        short,
        short,
      ]);
    }
    expect(counters).toMatchObject({ stack_short: 1, stack_unreadable: 1 });
  });

  it('says what descriptors refer to once each, and what is mapped before it is needed', async () => {
    const { printed, events } = await record('skua-files', './files');
    checkContexts(events);
    const said = [...printed.matchAll(/^(\d+) (.*)$/gm)].map((m) => `${m[1] ?? ''} ${m[2] ?? ''}`);
    const reported = events.filter((e) => e.name === 'skua_fd' && span(e) === 0x61n);
    const names = reported.map((e) => `${integer(e.payload, 'fd')} ${text(e.payload, 'path')}`);
    expect(names.filter((name) => !name.endsWith('/proc/skua/context'))).toEqual(said);
    expect(said).toHaveLength(6);
    // Each is followed by the entry of the syscall that it was reported for.
    for (const fd of reported) {
      const next = events.slice(events.indexOf(fd) + 1).find(isEntry);
      expect(next === undefined ? '' : ids(next)).toBe(ids(fd));
    }

    const library = /^library (.*)$/m.exec(printed)?.[1];
    const mapped = events.findIndex((e) => e.name === 'skua_mapping' && text(e.payload, 'path') === library);
    const used = events.findIndex((e) => e.name === 'syscall_entry_getpid' && span(e) === 0x62n);
    expect(mapped).toBeGreaterThan(-1);
    expect(used).toBeGreaterThan(mapped);
    const first = events
      .filter((e) => e.name === 'skua_mapping' && span(e) === 0x61n)
      .map((e) => text(e.payload, 'path'));
    expect(first).toContain('/root/vm/files');
    expect(first).toContain('[vdso]');
  });

  it('gives every session that starts the mappings and descriptors anew, and pairs syscalls across its start', async () => {
    await guest.must('lttng -q create skua-first -o /root/first');
    await guest.must('lttng -q enable-event -s skua-first -k --syscall -a && lttng -q start skua-first');
    const { events } = await record('skua-second', './files');
    await guest.must('lttng -q destroy skua-first');
    checkContexts(events);
    expect(events.filter((e) => e.name === 'skua_mapping').length).toBeGreaterThan(0);
    const { events: again } = await record('skua-third', './files');
    expect(again.filter((e) => e.name === 'skua_fd').length).toBe(
      events.filter((e) => e.name === 'skua_fd').length,
    );
  });

  it('leaves lttng-tools a session like any other: list, save, load', async () => {
    await guest.must(
      'lttng -q create skua-saved -o /root/saved && lttng -q enable-event -s skua-saved -k sched_switch',
    );
    expect(await guest.must('lttng list skua-saved')).toMatch(/sched_switch/);
    await guest.must(
      'lttng -q save -f skua-saved && lttng -q destroy skua-saved && lttng -q load skua-saved',
    );
    expect(await guest.must('lttng list skua-saved')).toMatch(/sched_switch/);
    await guest.must('lttng -q start skua-saved && cd /root/vm && ./nested && lttng -q destroy skua-saved');
    expect((await readTrace('/root/saved')).every((e) => 'skua_span' in e.context)).toBe(true);
  });
});

describe('records', () => {
  it('are refused when they cannot be right, each refusal counted by its cause', async () => {
    let printed = '';
    const counters = await growth(async () => (printed = await guest.must('/root/vm/garbage')));
    expect(
      Object.fromEntries(
        printed
          .trim()
          .split('\n')
          .map((line) => line.split(' ')),
      ),
    ).toEqual({
      good: 'ok',
      empty: 'EINVAL',
      short: 'EINVAL',
      'trailing-bytes': 'ok',
      longest: 'ok',
      'too-long': 'EINVAL',
      'valid-2': 'EINVAL',
      'valid-255': 'EINVAL',
      'attrs-beyond': 'EINVAL',
      'attrs-huge': 'EINVAL',
      'attrs-fit': 'ok',
      'trace-id-zero': 'EINVAL',
      'span-id-zero': 'EINVAL',
      null: 'EFAULT',
      'kernel-address': 'EFAULT',
      'half-mapped': 'EFAULT',
      'all-ones': 'EINVAL',
      text: 'EINVAL',
      'other-user': 'EPERM',
      unsampled: 'ok',
      'detached-with-ids': 'ok',
    });
    // The kernel address never reaches the module: write(2) itself refuses it.
    expect(counters).toEqual({
      records_armed: 4,
      records_detached: 2,
      records_refused_short: 2,
      records_refused_long: 1,
      records_refused_valid: 4,
      records_refused_attrs: 2,
      records_refused_ids: 2,
      records_refused_user: 1,
      records_unreadable: 2,
      states_allocated: 1,
      states_freed: 1,
    });
  });

  it('may be written by the group and by nobody else', async () => {
    await guest.must(
      'id skua-in 2>/dev/null || useradd -G tracing skua-in; id skua-out 2>/dev/null || useradd skua-out',
    );
    const attempt = (user: string, how: string) =>
      guest.run(
        `setpriv --reuid=$(id -u ${user}) --regid=$(id -g ${user}) --init-groups sh -c 'LC_ALL=C : ${how} /proc/skua/context'`,
      );
    expect(await attempt('skua-in', '>')).toMatchObject({ code: 0 });
    expect(await attempt('skua-in', '<')).toMatchObject({ code: 0 });
    for (const how of ['>', '<']) {
      const refused = await attempt('skua-out', how);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toMatch(/Permission denied/);
    }
  });

  it('are bounded in number, and room comes back when threads end', async () => {
    await load('gid=0 max_states=16');
    let printed = '';
    const counters = await growth(async () => (printed = await guest.must('/root/vm/crowd 40')));
    expect(printed.trim()).toBe('armed 16 refused 24');
    expect(counters).toEqual({
      records_armed: 16,
      states_allocated: 16,
      states_freed: 16,
      states_refused: 24,
    });
    expect(await guest.must('/root/vm/crowd 16')).toBe('armed 16 refused 0\n');
    await load();
  });
});

describe('another session', () => {
  it('filters by the fields with stock lttng-tools and has none of them in its trace', async () => {
    const { events } = await record('other-filter', './nested', "-e none -f '$ctx.skua_span == 0x12'");
    expect(
      events
        .filter(isExit)
        .map(syscallName)
        .filter((name) => name !== 'write'),
    ).toEqual(['openat', 'newfstatat', 'pread64', 'close']);
    expect(events.every((e) => Object.keys(e.context).every((name) => !name.startsWith('skua')))).toBe(true);
    const flagged = await record(
      'skua-filter',
      './nested',
      "-e none -f '$ctx.skua_trace_lo == 0x2121212121212121'",
    );
    expect(flagged.events).toEqual([]);
  });

  it('records what it records with stock modules, also while a Skua session traces the same program', async () => {
    const events = '-e sched_process_fork,sched_process_exit,sched_process_exec';
    /**
     * The fields of each event of the workload's own calls, in order, without what differs from process to process. Its children are left
     * out: what they do meanwhile comes at another place each time.
     */
    const fields = (recorded: readonly TraceEvent[]): readonly string[] =>
      recorded
        .filter((e) => integer(e.context, 'vpid') === integer(recorded[0]?.context ?? {}, 'vpid'))
        .filter((e) =>
          /^(?:syscall_(?:entry|exit)_(?:getpid|getuid|openat|write|close|fork|wait4)|sched_.*)$/.test(
            e.name,
          ),
        )
        .map((e) => {
          const self = integer(e.context, 'vpid');
          const same = (name: string, value: Value): unknown => {
            if (typeof value !== 'bigint') return value;
            if (value === self) return 'self';
            // Addresses are random; pids, their start times and priorities are the process's and its children's own.
            return value >= 1n << 32n || /pid|tid|prio|inum/.test(name) || /_(?:fork|wait4)$/.test(e.name)
              ? 'own'
              : String(value);
          };
          const payload = Object.entries(e.payload).map(([name, value]) => [name, same(name, value)]);
          return `${e.name} ${JSON.stringify(payload, (_key, value: unknown) => (typeof value === 'bigint' ? 'n' : value))}`;
        });
    const fieldsOf = new Map<string, readonly string[]>();
    const counts = async (command: string, as = ''): Promise<Readonly<Record<string, number>>> => {
      const recorded = await record('other', command, events);
      const mine = recorded.events.filter((e) => text(e.context, 'procname') === 'workload');
      expect(recorded.events.every((e) => Object.keys(e.context).join() === 'vpid,vtid,procname')).toBe(true);
      fieldsOf.set(as, fields(mine));
      const count: Record<string, number> = {};
      for (const event of mine) count[event.name] = (count[event.name] ?? 0) + 1;
      return count;
    };
    const unarmed = await counts('./workload 200', 'unarmed');
    await guest.must(
      'lttng -q create skua-beside -o /root/beside && lttng -q enable-event -s skua-beside -k --syscall -a',
    );
    await guest.must('lttng -q start skua-beside');
    const beside = await counts('./workload 200', 'beside');
    const armed = await counts('./workload 200 armed');
    await guest.must('lttng -q destroy skua-beside');
    await loadModules(guest, '/root/stock');
    const stock = await counts('./workload 200', 'stock');
    await load();

    expect(stock).toMatchObject({
      syscall_entry_getpid: 200,
      syscall_exit_close: expect.any(Number) as number,
    });
    expect(unarmed).toEqual(stock);
    expect(beside).toEqual(stock);
    expect(fieldsOf.get('stock')?.length).toBeGreaterThan(2 * 6 * 200);
    expect(fieldsOf.get('unarmed')).toEqual(fieldsOf.get('stock'));
    expect(fieldsOf.get('beside')).toEqual(fieldsOf.get('stock'));
    // Arming is one open and one write more.
    for (const [name, n] of Object.entries(stock)) {
      expect([name, armed[name]]).toEqual([name, n + (/_(?:openat|write)$/.test(name) ? 1 : 0)]);
    }
  });

  it('has no events of the provider that exists for Skua sessions only', async () => {
    const { events } = await record('other-all', './files', "-e 'skua_*,sched_*'");
    expect(events.length).toBeGreaterThan(0);
    expect(events.some((e) => e.name.startsWith('skua_'))).toBe(false);
  });
});

describe('a live timer that ticks all the time', () => {
  // The kernel's console is looked at after each test.
  it('does not hang LTTng’s daemons at a start, nor reach into what is freed at an end', async () => {
    expect(await guest.must('/root/vm/live-sessions.sh 40')).toBe('');
  });
});

describe('under stress', () => {
  it('survives threads that arm, fork, exec and die while sessions start and stop, and leaks nothing', async () => {
    const counters = await growth(async () => {
      await guest.must(`set -e; cd /root/vm; rm -f /root/stop
        (./stress 600 8 /root/stop > /root/stress.out; echo $? >> /root/stress.out) &
        for i in 1 2 3; do
          ./record.sh skua-stress-$i /root/stress-$i -- sleep 2
          ./record.sh other-stress /root/stress-other -s getppid -- sleep 1
        done
        touch /root/stop
        wait`);
    });
    expect(await guest.must('cat /root/stress.out')).toMatch(/^threads \d+ processes \d+\n0\n$/);
    expect(counters['states_allocated']).toBeGreaterThan(100);
    expect(counters['states_freed']).toBe(counters['states_allocated']);
    expect(await stats().then((all) => all.get('states_live'))).toBe(0);
    for (const i of [1, 2, 3]) {
      const folder = `/root/stress-${i}`;
      const lost = await guest.run(`babeltrace2 ${folder} 2>&1 >/dev/null | grep -c 'discarded'`);
      const events = await readTrace(folder);
      expect(events.length).toBeGreaterThan(0);
      if (lost.stdout.trim() === '0') checkContexts(events.slice(0, 20_000), true);
    }
  });

  it('unloads while threads are armed, gives everything back and takes the files away', async () => {
    await guest.must('cd /root/vm && (./stress 8 4 > /dev/null 2>&1 &) ; sleep 2');
    // The file is open in the running program, so the unload waits for no one: procfs cuts it off.
    await guest.must('/root/vm/modules.sh unload');
    const last = (await guest.must('dmesg | grep "skua: unloaded" | tail -n 1')).trim();
    const [, allocated, freed] = /allocated (\d+) freed (\d+)$/.exec(last) ?? [];
    expect(Number(allocated)).toBeGreaterThan(0);
    expect(freed).toBe(allocated);
    expect(await guest.run('ls /proc/skua')).toMatchObject({ code: 2 });
    await load();
  });
});
