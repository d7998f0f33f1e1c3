/** Bits of the `flags` column. One byte a span. */
export const SPAN_FLAG = {
  /** Built from kernel events (a system call); user spans have it clear. */
  kernel: 1,
  /** Status ERROR. */
  error: 2,
  /** No end is known (yet). */
  unfinished: 4,
  /** Kernel events were lost while the span was open: what it shows may be incomplete. */
  lost: 8,
  /** A source line is known. */
  hasSource: 16,
  /** Only known as somebody's parent so far: no name, no times. */
  placeholder: 32,
  /** It is known how long the thread was on a CPU, runnable and blocked: without parts, it was on a CPU all the time. */
  timed: 64,
} as const;

/** Classes by which system calls are coloured. Values of the `category` column. */
export const CATEGORY = {
  user: 0,
  file: 1,
  network: 2,
  memory: 3,
  process: 4,
  sync: 5,
  time: 6,
  other: 7,
} as const;
export type CategoryName = keyof typeof CATEGORY;
export const CATEGORY_NAMES = Object.keys(CATEGORY) as readonly CategoryName[];

const list = (names: string): readonly string[] => names.trim().split(/\s+/);

const BY_CATEGORY: readonly (readonly [CategoryName, readonly string[]])[] = [
  [
    'network',
    list(`socket socketpair bind listen accept accept4 connect shutdown sendto recvfrom sendmsg recvmsg sendmmsg
      recvmmsg getsockname getpeername setsockopt getsockopt`),
  ],
  [
    'memory',
    list(`mmap munmap mremap mprotect pkey_mprotect pkey_alloc pkey_free brk madvise process_madvise mincore msync mlock
      mlock2 munlock mlockall munlockall mbind set_mempolicy get_mempolicy migrate_pages move_pages memfd_create
      memfd_secret shmget shmat shmctl shmdt remap_file_pages userfaultfd membarrier`),
  ],
  [
    'sync',
    list(`futex futex_waitv futex_wait futex_wake futex_requeue set_robust_list get_robust_list semget semop semtimedop
      semctl poll ppoll select pselect6 epoll_wait epoll_pwait epoll_pwait2 epoll_ctl epoll_create epoll_create1 eventfd
      eventfd2 wait4 waitid waitpid pause rt_sigsuspend rt_sigtimedwait flock mq_open mq_timedsend mq_timedreceive
      mq_notify mq_unlink mq_getsetattr msgget msgsnd msgrcv msgctl io_getevents io_pgetevents`),
  ],
  [
    'time',
    list(`nanosleep clock_nanosleep clock_gettime clock_settime clock_getres clock_adjtime gettimeofday settimeofday time
      times adjtimex alarm getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete
      timerfd_create timerfd_settime timerfd_gettime utime utimes utimensat futimesat`),
  ],
  [
    'process',
    list(`clone clone3 fork vfork execve execveat exit exit_group kill tkill tgkill getpid getppid gettid getpgid setpgid
      getpgrp getsid setsid getuid geteuid getgid getegid getresuid getresgid setuid setgid setreuid setregid setresuid
      setresgid getgroups setgroups setfsuid setfsgid capget capset prctl arch_prctl ptrace sched_yield sched_setaffinity
      sched_getaffinity sched_setscheduler sched_getscheduler sched_setparam sched_getparam sched_setattr sched_getattr
      sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority setpriority getrlimit setrlimit
      prlimit64 getrusage rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigqueueinfo rt_tgsigqueueinfo
      sigaltstack signalfd signalfd4 restart_syscall set_tid_address rseq unshare setns seccomp personality pidfd_open
      pidfd_getfd pidfd_send_signal getcpu kcmp ioprio_set ioprio_get set_thread_area get_thread_area`),
  ],
  [
    'file',
    list(`read write open close creat openat openat2 close_range stat fstat lstat newfstatat statx lseek pread64 pwrite64
      readv writev preadv pwritev preadv2 pwritev2 access faccessat faccessat2 pipe pipe2 dup dup2 dup3 sendfile splice tee
      vmsplice copy_file_range fcntl ioctl fsync fdatasync sync syncfs sync_file_range truncate ftruncate fallocate
      fadvise64 readahead getdents getdents64 getcwd chdir fchdir rename renameat renameat2 mkdir mkdirat rmdir link linkat
      unlink unlinkat symlink symlinkat readlink readlinkat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask mknod
      mknodat statfs fstatfs mount umount2 pivot_root chroot swapon swapoff inotify_init inotify_init1 inotify_add_watch
      inotify_rm_watch fanotify_init fanotify_mark setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr
      llistxattr flistxattr removexattr lremovexattr fremovexattr io_setup io_destroy io_submit io_cancel io_uring_setup
      io_uring_enter io_uring_register name_to_handle_at open_by_handle_at`),
  ],
];

const CATEGORY_OF = new Map<string, number>(
  BY_CATEGORY.flatMap(([category, names]) => names.map((name) => [name, CATEGORY[category]] as const)),
);

/** Calls that work on any descriptor: on a socket they count as network. */
const DESCRIPTOR_CALLS = new Set(
  list(
    'read write readv writev preadv pwritev preadv2 pwritev2 close fcntl ioctl sendfile splice dup dup2 dup3 fstat newfstatat',
  ),
);

/**
 * The colour class of a system call. `fdPath` is what its descriptor was resolved to, when known
 * (`socket:[123]`, `tcp:127.0.0.1:80`, …), so that a `write` to a socket is shown as network.
 */
export function categoryOf(syscall: string, fdPath?: string): number {
  if (
    fdPath !== undefined &&
    DESCRIPTOR_CALLS.has(syscall) &&
    /^(socket|tcp|udp|unix|netlink|packet)/i.test(fdPath)
  ) {
    return CATEGORY.network;
  }
  return CATEGORY_OF.get(syscall) ?? CATEGORY.other;
}
