/** What an LTTng event of a system call is about: its names are `syscall_entry_X`, `syscall_exit_X`, `compat_…`. */
import type { CtfFields, CtfValue } from '../../common/ctf/types';
import { syscallName, syscallNameOf, syscallNumber } from './numbers';

export interface SyscallEvent {
  readonly phase: 'entry' | 'exit';
  /** As in the kernel's table. */
  readonly name: string;
  readonly nr: number | undefined;
  /** A 32-bit call on a 64-bit kernel: numbers are of the other table. */
  readonly compat: boolean;
  /** LTTng has no table entry for it: arguments are six bare words. */
  readonly unknown: boolean;
}

const known = new Map<string, SyscallEvent | null>();

/** Reads an event's name; undefined when it is not a system call. `fields` give the number where the name is `unknown`. */
export function syscallEvent(eventName: string, fields: CtfFields): SyscallEvent | undefined {
  let event = known.get(eventName);
  if (event === undefined) {
    event = parse(eventName);
    known.set(eventName, event);
  }
  if (event === null) return undefined;
  if (!event.unknown) return event;
  const nr = Number(fields['id'] ?? -1);
  return { ...event, nr, name: event.compat ? `compat_syscall_${nr}` : syscallNameOf(nr) };
}

function parse(eventName: string): SyscallEvent | null {
  const match = /^(compat_)?syscall_(entry|exit)_(\w+)$/.exec(eventName);
  if (match === null) return null;
  const compat = match[1] !== undefined;
  const name = interned(syscallName(match[3] ?? ''));
  return {
    phase: match[2] as 'entry' | 'exit',
    name: compat ? `compat_${name}` : name,
    nr: compat ? undefined : syscallNumber(name),
    compat,
    unknown: match[3] === 'unknown',
  };
}

/** The same text as a property's name: such are compared by their address, and this one is compared with several for each event. */
const interned = (text: string): string => Object.keys({ [text]: 0 })[0] ?? text;

/** Names of the arguments of calls that are newer than LTTng's tables, in order (Linux's syscall definitions). */
const UNKNOWN_ARGUMENTS: Readonly<Record<string, string>> = {
  rt_sigreturn: '',
  getrandom: 'buf count flags',
  memfd_create: 'name_ptr flags',
  execveat: 'dfd name_ptr argv envp flags',
  statx: 'dfd name_ptr flags mask buf',
  rseq: 'rseq_addr rseq_len flags sig_word',
  clone3: 'cl_args size',
  close_range: 'first last flags',
  openat2: 'dfd name_ptr how usize',
  pidfd_open: 'pid flags',
  pidfd_send_signal: 'pidfd sig info flags',
  pidfd_getfd: 'pidfd targetfd flags',
  faccessat2: 'dfd name_ptr mode flags',
  renameat2: 'olddfd oldname_ptr newdfd newname_ptr flags',
  copy_file_range: 'fd_in off_in fd_out off_out len flags',
  preadv2: 'fd vec vlen pos_l pos_h flags',
  pwritev2: 'fd vec vlen pos_l pos_h flags',
  io_uring_setup: 'entries params',
  io_uring_enter: 'fd to_submit min_complete flags sig sigsz',
  io_uring_register: 'fd opcode arg nr_args',
  epoll_pwait2: 'epfd events maxevents timeout_ptr sigmask sigsetsize',
  membarrier: 'cmd flags cpu_id',
  mlock2: 'start len flags',
  seccomp: 'op flags uargs',
  sched_setattr: 'pid uattr flags',
  sched_getattr: 'pid uattr usize flags',
  arch_prctl: 'code addr',
  futex_waitv: 'waiters nr_futexes flags timeout_ptr clockid',
  userfaultfd: 'flags',
  bpf: 'cmd uattr size',
};

/** The bare words of an unknown call as named fields. The 32-bit ones are cut to what the kernel would read. */
export function namedWords(name: string, fields: CtfFields): CtfFields {
  const words = fields['args'];
  if (!Array.isArray(words)) return {};
  const names = Object.hasOwn(UNKNOWN_ARGUMENTS, name)
    ? (UNKNOWN_ARGUMENTS[name] ?? '').split(' ').filter((word) => word !== '')
    : undefined;
  const named: Record<string, CtfValue> = {};
  for (const [index, word] of (words as readonly CtfValue[]).entries()) {
    const argument = names === undefined ? `word${index}` : names[index];
    if (argument !== undefined) named[argument] = word;
  }
  return named;
}
