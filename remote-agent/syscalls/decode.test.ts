import { describe, expect, it } from 'vitest';
import type { CtfFields } from '../../common/ctf/types';
import { ATTR } from '../../common/model/span';
import { decodeEntry, decodeExitArguments, decodeOutcome, shortIpv6 } from './decode';
import { errnoName } from './errno';
import { namedWords, syscallEvent } from './event';
import { bitNames, signalName } from './flags';
import { syscallNumber } from './numbers';

function args(syscall: string, entry: CtfFields, exit: CtfFields = {}): Record<string, unknown> {
  const decoded = decodeEntry(syscall, entry);
  decodeExitArguments(syscall, exit, decoded);
  return Object.fromEntries(decoded.names.map((name, index) => [name, decoded.values[index]]));
}

describe('arguments', () => {
  // Field names and values as LTTng 2.13.9 records them on Linux 6.1.
  it.each<[string, CtfFields, Record<string, unknown>, CtfFields?]>([
    [
      'openat',
      { dfd: -100, filename: '/run/udev/links', flags: 591872, mode: 0 },
      {
        dfd: 'AT_FDCWD',
        filename: '/run/udev/links',
        flags: 'O_RDONLY|O_NONBLOCK|O_DIRECTORY|O_CLOEXEC',
        mode: '0',
      },
    ],
    [
      'openat',
      { dfd: 5, filename: 'x', flags: 0o1101, mode: 0o644 },
      { dfd: 5, filename: 'x', flags: 'O_WRONLY|O_CREAT|O_TRUNC', mode: '0644' },
    ],
    [
      'open',
      { filename: 'x', flags: 0o4010002 | 0x40000000, mode: 0 },
      { filename: 'x', flags: 'O_RDWR|O_SYNC|0x40000000', mode: '0' },
    ],
    [
      'mmap',
      { addr: 0n, len: 8192n, prot: 3, flags: 34, fd: -1, offset: 0n },
      {
        addr: '0x0',
        len: 8192,
        prot: 'PROT_READ|PROT_WRITE',
        flags: 'MAP_PRIVATE|MAP_ANONYMOUS',
        fd: -1,
        offset: 0,
      },
    ],
    ['mprotect', { start: 0x1000n, len: 4096n, prot: 0n }, { start: '0x1000', len: 4096, prot: 'PROT_NONE' }],
    [
      'futex',
      { uaddr: 140128975845964n, op: 129, val: 2147483647, utime: 0n, uaddr2: 3n, val3: 0 },
      {
        uaddr: '0x7f7251d3fa4c',
        op: 'FUTEX_WAKE|FUTEX_PRIVATE_FLAG',
        val: 2147483647,
        utime: '0x0',
        uaddr2: '0x3',
        val3: '0x0',
      },
    ],
    [
      'connect',
      {
        fd: 19,
        uservaddr: 0x7ffdn,
        addrlen: 16,
        family: 2,
        dport: 45051,
        v4addr: Uint8Array.of(127, 0, 0, 1),
        v6addr: [],
      },
      { fd: 19, uservaddr: '0x7ffd', addrlen: 16, family: 'AF_INET', address: '127.0.0.1:45051' },
    ],
    [
      'socket',
      { family: 2, type: 526337, protocol: 0 },
      { family: 'AF_INET', type: 'SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK', protocol: 0 },
    ],
    [
      'epoll_ctl',
      {
        epfd: 9,
        op_enum: 1,
        fd: 15,
        event: { data_union: { u64: 7n, fd: 7 }, raw_events: 0x80000001, events: { EPOLLIN: 1 } },
      },
      { epfd: 9, op_enum: 'EPOLL_CTL_ADD', fd: 15, event: 'EPOLLIN|EPOLLET, data 0x7' },
    ],
    [
      'poll',
      {
        timeout_msecs: -1,
        nfds: 1,
        fds_length: 1,
        overflow: 0,
        fds: [{ fd: 10, raw_events: 3, events: {} }],
      },
      { timeout_msecs: -1, nfds: 1, fds: ['10:POLLIN|POLLPRI'], 'fds.out': ['10:POLLIN'] },
      { ret: 1, nfds: 1, fds_length: 1, fds: [{ fd: 10, raw_events: 1, events: {} }] },
    ],
    [
      'pipe2',
      { flags: 526336 },
      { flags: 'SOCK_CLOEXEC|SOCK_NONBLOCK', fildes: [6, 7] },
      { ret: 0, fildes: [6, 7] },
    ],
    [
      'read',
      { fd: 4, count: 128n },
      { fd: 4, count: 128, buf: '0x7ffd2a1b' },
      { ret: 128n, buf: 0x7ffd2a1bn },
    ],
    ['kill', { pid: -1, sig: 15 }, { pid: -1, sig: 'SIGTERM' }],
    ['lseek', { fd: 3, offset: -8n, whence: 2 }, { fd: 3, offset: -8, whence: 'SEEK_END' }],
    [
      'clock_nanosleep',
      { which_clock: 1, flags: 1, rqtp: 1n },
      { which_clock: 'CLOCK_MONOTONIC', flags: 'TIMER_ABSTIME', rqtp: '0x1' },
    ],
    [
      'clone',
      { flags: 0x1200011n, newsp: 0n },
      { flags: 'CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD', newsp: '0x0' },
    ],
    ['wait4', { upid: -1, options: 0x40000001 }, { upid: -1, options: 'WNOHANG|__WALL' }],
    // A call that no table knows keeps its own names and numbers.
    ['frobnicate', { size: 3, fd: 4, text: 'x' }, { size: 3, fd: 4, text: 'x' }],
  ])('%s', (syscall, entry, expected, exit = {}) => {
    expect(args(syscall, entry, exit)).toEqual(expected);
  });

  it('lists descriptors, without AT_FDCWD and -1', () => {
    expect(decodeEntry('openat', { dfd: -100, filename: 'x' }).fds).toEqual([]);
    expect(decodeEntry('mmap', { fd: -1 }).fds).toEqual([]);
    expect(decodeEntry('sendfile', { out_fd: 4, in_fd: 5 }).fds).toEqual([4, 5]);
    expect(
      decodeEntry('openat2', namedWords('openat2', { args: [0xffffff9cn, 1n, 2n, 3n, 0n, 0n] })).fds,
    ).toEqual([]);
  });
});

describe('decodeOutcome', () => {
  it.each<[string, bigint | number, unknown, string | undefined, string]>([
    ['read', 42n, 42, undefined, 'unset'],
    ['openat', -2n, -2, 'ENOENT', 'error'],
    ['read', -11n, -11, 'EAGAIN', 'unset'],
    ['read', -4, -4, 'EINTR', 'unset'],
    ['read', -512n, -512, 'ERESTARTSYS', 'unset'],
    ['mmap', 0x7f7251d51000n, '0x7f7251d51000', undefined, 'unset'],
    ['mmap', 0xfffffffffffffff4n, -12, 'ENOMEM', 'error'],
    ['lseek', -4096n, -4096, undefined, 'unset'],
  ])('%s → %s', (syscall, ret, shown, errno, status) => {
    const outcome = decodeOutcome(syscall, ret);
    expect(outcome.attributes[ATTR.syscallRet]).toBe(shown);
    expect(outcome.attributes[ATTR.syscallErrno]).toBe(errno);
    expect(outcome.status.code).toBe(status);
  });
});

describe('names', () => {
  it("knows the kernel's numbers and LTTng's other names", () => {
    expect([syscallNumber('read'), syscallNumber('openat'), syscallNumber('clone3')]).toEqual([0, 257, 435]);
    expect(syscallEvent('syscall_entry_newfstat', {})).toMatchObject({
      phase: 'entry',
      name: 'fstat',
      nr: 5,
    });
    expect(syscallEvent('syscall_exit_newuname', {})).toMatchObject({ phase: 'exit', name: 'uname', nr: 63 });
    expect(syscallEvent('syscall_exit_unknown', { id: 9999 })).toMatchObject({
      name: 'syscall_9999',
      nr: 9999,
    });
    expect(syscallEvent('compat_syscall_entry_open', {})).toMatchObject({
      name: 'compat_open',
      compat: true,
      nr: undefined,
    });
    expect(syscallEvent('sched_switch', {})).toBeUndefined();
  });

  it('names errors, signals and bits', () => {
    expect([errnoName(2), errnoName(11), errnoName(110), errnoName(4000)]).toEqual([
      'ENOENT',
      'EAGAIN',
      'ETIMEDOUT',
      '4000',
    ]);
    expect([signalName(9), signalName(34), signalName(0)]).toEqual(['SIGKILL', 'SIGRT_2', '0']);
    expect(bitNames(0x80000001, [[1, 'A']])).toBe('A|0x80000000');
  });

  it('writes IPv6 as RFC 5952 says', () => {
    expect(shortIpv6([0, 0, 0, 0, 0, 0, 0, 1])).toBe('::1');
    expect(shortIpv6([0x2001, 0xdb8, 0, 0, 1, 0, 0, 1])).toBe('2001:db8::1:0:0:1');
    expect(shortIpv6([1, 2, 3, 4, 5, 6, 7, 8])).toBe('1:2:3:4:5:6:7:8');
  });
});
