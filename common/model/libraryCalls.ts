/**
 * Functions of the C library that make a system call of another name, so that a span is not named as the source says. glibc's own history
 * of implementation (2.36 on x86-64, Debian 12); the version is the first that does so. Only what an argument or the call itself proves:
 * a program may make the system call directly too, hence "what … makes".
 */
import { ATTR, type Span } from './span';

export interface LibraryCall {
  readonly functions: readonly string[];
  readonly syscall: string;
  readonly why: string;
  /** Whether the arguments can be those that the function passes; absent: always. */
  readonly when?: (argument: (name: string) => string) => boolean;
}

export const LIBRARY_CALLS: readonly LibraryCall[] = [
  {
    functions: ['open', 'creat', 'fopen'],
    syscall: 'openat',
    why: 'glibc implements open as openat(AT_FDCWD, …) since 2.26.',
    when: (argument) => /^(AT_FDCWD|-100)$/.test(argument('dfd')),
  },
  {
    functions: ['fstat'],
    syscall: 'newfstatat',
    why: 'glibc implements fstat as newfstatat(fd, "", …, AT_EMPTY_PATH) since 2.33.',
    when: (argument) => argument('filename') === '' || argument('flag').includes('AT_EMPTY_PATH'),
  },
  {
    functions: ['stat', 'lstat'],
    syscall: 'newfstatat',
    why: 'glibc implements stat and lstat as newfstatat(AT_FDCWD, …) since 2.33.',
    when: (argument) => /^(AT_FDCWD|-100)$/.test(argument('dfd')),
  },
  {
    functions: ['nanosleep', 'usleep', 'sleep'],
    syscall: 'clock_nanosleep',
    why: 'glibc implements nanosleep as clock_nanosleep(CLOCK_REALTIME, 0, …) since 2.31.',
  },
  { functions: ['fork'], syscall: 'clone', why: 'glibc implements fork as clone(SIGCHLD, …).' },
  {
    functions: ['pthread_create'],
    syscall: 'clone3',
    why: 'glibc starts threads with clone3 since 2.34.',
  },
  { functions: ['select'], syscall: 'pselect6', why: 'glibc 2.36 implements select as pselect6.' },
  { functions: ['send'], syscall: 'sendto', why: 'On x86-64 send is sendto without an address.' },
  { functions: ['recv'], syscall: 'recvfrom', why: 'On x86-64 recv is recvfrom without an address.' },
  { functions: ['wait', 'waitpid'], syscall: 'wait4', why: 'On x86-64 wait and waitpid are wait4.' },
  {
    functions: ['exit', '_exit'],
    syscall: 'exit_group',
    why: 'glibc ends all threads of the process since 2.3.',
  },
];

const BY_SYSCALL = new Map<string, LibraryCall[]>();
for (const call of LIBRARY_CALLS)
  BY_SYSCALL.set(call.syscall, [...(BY_SYSCALL.get(call.syscall) ?? []), call]);

/** What the C library's function behind a system call span may be; undefined where the names are the same or nothing is known. */
export function libraryCallOf(span: Span): LibraryCall | undefined {
  const calls = span.origin === 'kernel' ? BY_SYSCALL.get(span.name) : undefined;
  if (calls === undefined) return undefined;
  const argument = (name: string): string => String(span.attributes[ATTR.syscallArgPrefix + name] ?? '');
  return calls.find(({ when }) => when?.(argument) ?? true);
}

/** One line that lists those whose system calls were seen; undefined when there were none. */
export function libraryCallNote(seen: ReadonlySet<LibraryCall>): string | undefined {
  if (seen.size === 0) return undefined;
  const pairs = LIBRARY_CALLS.filter((call) => seen.has(call)).map(
    ({ functions, syscall }) => `${functions.join(', ')} → ${syscall}`,
  );
  return `The C library makes some system calls under other names than its functions have: ${pairs.join('; ')}. A span has the name of the system call.`;
}
