/**
 * What the tests of the kernel modules share: recording a program of test/vm/guest with stock lttng-tools, and what to ask of the
 * events. Traces are read with babeltrace2.
 */
import { expect } from 'vitest';
import { SKUA } from '../../common/model/abi';
import { bytes, integer, parseTrace, type TraceEvent } from './babeltrace';
import { quote, type Guest } from './guest';

export const FLAG = {
  sampled: BigInt(SKUA.FLAG_SAMPLED),
  inSyscall: BigInt(SKUA.FLAG_IN_SYSCALL),
  control: BigInt(SKUA.FLAG_CONTROL),
  stackShort: BigInt(SKUA.FLAG_STACK_SHORT),
  subject: BigInt(SKUA.FLAG_SUBJECT),
};
/** These never have an exit event: the thread ends, or signal return replaces the syscall number. */
export const WITHOUT_EXIT = ['exit', 'exit_group', 'rt_sigreturn'];

/** Records `command` in a session of stock lttng-tools and returns what it printed and the trace. */
export async function record(
  guest: Guest,
  session: string,
  command: string,
  options = '',
): Promise<{ readonly printed: string; readonly events: readonly TraceEvent[] }> {
  const printed = await guest.must(
    `cd /root/vm && ./record.sh ${session} /root/trace ${options} -- ${command}`,
  );
  return { printed, events: await readTrace(guest, '/root/trace') };
}

export async function readTrace(guest: Guest, folder: string): Promise<readonly TraceEvent[]> {
  return parseTrace(await guest.must(`babeltrace2 --clock-seconds --no-delta ${quote(folder)}`));
}

export async function stats(guest: Guest): Promise<ReadonlyMap<string, number>> {
  const lines = (await guest.must('cat /proc/skua/stats')).trim().split('\n');
  return new Map(lines.map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]));
}

/** How much each counter grew, those that did. */
export async function growth(
  guest: Guest,
  action: () => Promise<unknown>,
): Promise<Readonly<Record<string, number>>> {
  const before = await stats(guest);
  await action();
  const after = await stats(guest);
  return Object.fromEntries(
    [...after]
      .map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const)
      .filter(([, n]) => n !== 0),
  );
}

export const syscallName = (event: TraceEvent): string =>
  event.name.replace(/^(?:compat_)?syscall_(?:entry|exit)_/, '');
export const isEntry = (event: TraceEvent): boolean => event.name.includes('syscall_entry_');
export const isExit = (event: TraceEvent): boolean => event.name.includes('syscall_exit_');
export const ids = (event: TraceEvent): string =>
  ['skua_trace_hi', 'skua_trace_lo', 'skua_span', 'skua_syscall']
    .map((name) => integer(event.context, name).toString(16))
    .join(' ');
export const span = (event: TraceEvent): bigint => integer(event.context, 'skua_span');
export const flags = (event: TraceEvent): bigint => integer(event.context, 'skua_flags');

/** What must hold of a trace of a Skua session that lost nothing. `cut`: it ends while threads are in syscalls. */
export function checkContexts(events: readonly TraceEvent[], cut = false): void {
  const open = new Map<bigint, TraceEvent>();
  const seen = new Set<bigint>();
  for (const event of events) {
    if ((flags(event) & FLAG.subject) !== 0n) {
      // About an armed thread, on another one's time.
      expect(event.name).toMatch(/^sched_(?:switch|waking|wakeup)$/);
      continue;
    }
    const thread = integer(event.context, 'vtid');
    const id = integer(event.context, 'skua_syscall');
    const inProgress = open.get(thread);
    expect(flags(event) & FLAG.sampled, event.name).toBe(FLAG.sampled);
    expect((flags(event) & FLAG.inSyscall) !== 0n, event.name).toBe(id !== 0n);
    if (isEntry(event)) {
      expect(id).not.toBe(0n);
      expect(seen.has(id), `syscall id ${id} used twice`).toBe(false);
      expect(
        inProgress === undefined || WITHOUT_EXIT.includes(syscallName(inProgress)),
        'an exit is missing',
      ).toBe(true);
      seen.add(id);
      open.set(thread, event);
    } else {
      expect(bytes(event.context, 'skua_stack').length, 'stack outside an entry').toBe(0);
    }
    if (!isExit(event)) continue;
    if (id === 0n) {
      expect(flags(event) & FLAG.control, 'an exit without an entry is the arming write or ioctl').toBe(
        FLAG.control,
      );
      expect(syscallName(event)).toMatch(/^(?:write|ioctl)$/);
      continue;
    }
    if (inProgress === undefined) throw new Error(`${event.name} has no entry`);
    expect(ids(event)).toBe(ids(inProgress));
    expect(syscallName(event)).toBe(syscallName(inProgress));
    open.delete(thread);
  }
  if (cut) return;
  for (const left of open.values()) expect(WITHOUT_EXIT).toContain(syscallName(left));
}

/** Names of the syscalls of a span, in order, without Skua's own writes. */
export function syscallsOf(events: readonly TraceEvent[], spanId: bigint): readonly string[] {
  return events
    .filter((e) => isExit(e) && span(e) === spanId && integer(e.context, 'skua_syscall') !== 0n)
    .filter((e) => (flags(e) & FLAG.control) === 0n)
    .map(syscallName);
}
