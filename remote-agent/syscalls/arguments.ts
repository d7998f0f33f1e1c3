/** How the arguments of each system call are to be read. Names of arguments are those of LTTng's event fields. */
import * as f from './flags';

/** Decodes the number of an argument into a text. */
export type Format = (value: number) => string;

/** `fd` and `dirfd` name descriptors, `hex` pointers and opaque words, `octal` permissions. */
export type ArgumentKind = 'fd' | 'dirfd' | 'hex' | 'octal' | Format;

const bits =
  (table: f.NamedBits, zero?: string): Format =>
  (value) =>
    f.bitNames(value, table, zero);
const named =
  (table: f.NamedBits): Format =>
  (value) =>
    f.valueName(value, table);

const openLike = { flags: f.openFlags, mode: 'octal' } as const;
const sockets = { family: named(f.FAMILIES), type: f.socketType } as const;
const at = { dfd: 'dirfd', flag: bits(f.AT_FLAGS), flags: bits(f.AT_FLAGS) } as const;
const clock = { which_clock: named(f.CLOCKS), flags: bits(f.TIMER_FLAGS) } as const;
const rename = { olddfd: 'dirfd', newdfd: 'dirfd' } as const;

/** By the kernel's name of the system call, then by argument. What is not listed is read by `DEFAULT_KINDS`. */
const KINDS: Readonly<Record<string, Readonly<Record<string, ArgumentKind>>>> = {
  open: openLike,
  creat: openLike,
  openat: { dfd: 'dirfd', ...openLike },
  mq_open: { oflag: f.openFlags, mode: 'octal' },
  dup3: { flags: f.openFlags },
  pipe2: { flags: bits(f.SOCKET_FLAGS) },
  epoll_create1: { flags: bits(f.SOCKET_FLAGS) },
  eventfd2: { flags: bits(f.EVENTFD) },
  signalfd4: { flags: bits(f.SOCKET_FLAGS) },
  inotify_init1: { flags: bits(f.SOCKET_FLAGS) },
  timerfd_create: { clockid: named(f.CLOCKS), flags: bits(f.SOCKET_FLAGS) },
  timerfd_settime: { flags: bits(f.TIMER_FLAGS) },
  newfstatat: at,
  fchownat: at,
  utimensat: at,
  unlinkat: at,
  name_to_handle_at: at,
  linkat: { ...rename, flags: bits(f.AT_FLAGS) },
  renameat: rename,
  renameat2: { ...rename, flags: bits(f.RENAME) },
  symlinkat: { newdfd: 'dirfd' },
  access: { mode: bits(f.ACCESS_MODE, 'F_OK') },
  faccessat: { dfd: 'dirfd', mode: bits(f.ACCESS_MODE, 'F_OK') },
  lseek: { whence: named(f.WHENCE) },
  mmap: { prot: bits(f.PROT, 'PROT_NONE'), flags: bits(f.MAP) },
  mprotect: { start: 'hex', prot: bits(f.PROT, 'PROT_NONE') },
  mremap: { flags: bits(f.MREMAP) },
  msync: { start: 'hex', flags: bits(f.MSYNC) },
  munlock: { start: 'hex' },
  mlock: { start: 'hex' },
  mincore: { start: 'hex' },
  mbind: { start: 'hex' },
  madvise: { start: 'hex', behavior: named(f.MADVISE) },
  fadvise64: { advice: named(f.FADVISE) },
  fallocate: { mode: bits(f.FALLOCATE) },
  futex: { op: f.futexOp, val3: 'hex' },
  clock_gettime: clock,
  clock_getres: clock,
  clock_settime: clock,
  clock_nanosleep: clock,
  clock_adjtime: clock,
  timer_create: clock,
  timer_settime: { flags: bits(f.TIMER_FLAGS) },
  kill: { sig: f.signalName },
  tkill: { sig: f.signalName },
  tgkill: { sig: f.signalName },
  rt_sigaction: { sig: f.signalName },
  rt_sigqueueinfo: { sig: f.signalName },
  rt_tgsigqueueinfo: { sig: f.signalName },
  rt_sigprocmask: { how: named(f.SIGPROCMASK) },
  socket: sockets,
  socketpair: sockets,
  connect: sockets,
  accept: sockets,
  accept4: { ...sockets, flags: bits(f.SOCKET_FLAGS) },
  sendto: { flags: bits(f.MSG_FLAGS) },
  recvfrom: { flags: bits(f.MSG_FLAGS) },
  sendmsg: { flags: bits(f.MSG_FLAGS) },
  recvmsg: { flags: bits(f.MSG_FLAGS) },
  sendmmsg: { flags: bits(f.MSG_FLAGS) },
  recvmmsg: { flags: bits(f.MSG_FLAGS) },
  shutdown: { how: named(f.SHUTDOWN) },
  setsockopt: { level: named(f.SOCKET_LEVELS) },
  getsockopt: { level: named(f.SOCKET_LEVELS) },
  epoll_ctl: { op_enum: named(f.EPOLL_OPS) },
  ioctl: { cmd: 'hex', arg: 'hex' },
  fcntl: { cmd: named(f.FCNTL), arg: 'hex' },
  flock: { cmd: bits(f.FLOCK) },
  wait4: { options: bits(f.WAIT_OPTIONS) },
  waitid: { options: bits(f.WAIT_OPTIONS) },
  clone: { flags: f.cloneFlags },
  unshare: { unshare_flags: bits(f.CLONE) },
  setns: { nstype: bits(f.CLONE) },
  getrandom: { flags: bits(f.RANDOM) },
  statx: { dfd: 'dirfd', flags: bits(f.AT_FLAGS), mask: 'hex' },
  faccessat2: { dfd: 'dirfd', mode: bits(f.ACCESS_MODE, 'F_OK'), flags: bits(f.AT_FLAGS) },
  execveat: { dfd: 'dirfd', flags: bits(f.AT_FLAGS) },
  pidfd_send_signal: { sig: f.signalName },
  arch_prctl: { code: 'hex' },
  rseq: { sig_word: 'hex' },
  prlimit64: { resource: named(f.RESOURCES) },
  getrlimit: { resource: named(f.RESOURCES) },
  setrlimit: { resource: named(f.RESOURCES) },
  ptrace: { addr: 'hex', data: 'hex' },
  prctl: { arg2: 'hex', arg3: 'hex', arg4: 'hex', arg5: 'hex' },
};

const FDS =
  'fd oldfd newfd fildes epfd in_fd out_fd fd_in fd_out fdin fdout ufd fanotify_fd group_fd mqdes pidfd'.split(
    ' ',
  );
const DIRFDS = 'dfd mountdirfd olddfd newdfd'.split(' ');
const POINTERS =
  'addr buf buff vec lvec rvec uaddr uaddr2 utime rqtp rmtp tp tsp tvp sig sigmask msg mmsg statbuf act oact nset oset uaddr_len upeer_sockaddr usockaddr uservaddr umyaddr optval optlen rlim new_rlim old_rlim argv envp newsp parent_tid child_tid tidptr head uinfo utimes times iov u_attr value ovalue set uts uss uoss new_addr brk shmaddr off_in off_out peer_addrlen usockaddr_len addr_len tcache tv tz stat_addr ru infop utmr otmr ctxp iocb iocbpp timeout_ts tsops user_mask user_mask_ptr grouplist name_ptr oldname_ptr newname_ptr rseq_addr cl_args how info params uattr uargs waiters timeout_ptr events word0 word1 word2 word3 word4 word5'.split(
    ' ',
  );

/** Kinds of arguments by name alone, whatever the system call. */
const DEFAULT_KINDS = new Map<string, ArgumentKind>([
  ...FDS.map((name) => [name, 'fd'] as const),
  ...DIRFDS.map((name) => [name, 'dirfd'] as const),
  ...POINTERS.map((name) => [name, 'hex'] as const),
  ['mode', 'octal'],
]);

/** How to read an argument; undefined means as the number or text that it is. */
export function argumentKind(syscall: string, argument: string): ArgumentKind | undefined {
  const own = Object.hasOwn(KINDS, syscall) ? KINDS[syscall] : undefined;
  if (own !== undefined && Object.hasOwn(own, argument)) return own[argument];
  return DEFAULT_KINDS.get(argument);
}
