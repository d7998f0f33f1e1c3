import { describe, expect, it } from 'vitest';
import { ns } from '../base/time';
import { libraryCallNote, libraryCallOf, LIBRARY_CALLS, type LibraryCall } from './libraryCalls';
import { ATTR, type Span, type SpanId, type TraceId } from './span';

function syscall(name: string, args: Readonly<Record<string, string | number>> = {}): Span {
  return {
    traceId: '1'.repeat(32) as TraceId,
    spanId: '1'.repeat(16) as SpanId,
    name,
    kind: 'internal',
    origin: 'kernel',
    service: 'shop',
    startNs: ns(1n),
    endNs: ns(2n),
    status: { code: 'unset' },
    attributes: Object.fromEntries(
      Object.entries(args).map(([key, value]) => [ATTR.syscallArgPrefix + key, value]),
    ),
    events: [],
    links: [],
  };
}

describe('libraryCallOf', () => {
  it.each<[string, Readonly<Record<string, string | number>>, string | undefined]>([
    ['openat', { dfd: 'AT_FDCWD' }, 'open'],
    ['openat', { dfd: -100 }, 'open'],
    ['openat', { dfd: 5 }, undefined],
    ['newfstatat', { dfd: 3, filename: '', flag: 'AT_EMPTY_PATH' }, 'fstat'],
    ['newfstatat', { dfd: 'AT_FDCWD', filename: '/etc', flag: '0' }, 'stat'],
    ['newfstatat', { dfd: 3, filename: 'x', flag: '0' }, undefined],
    ['clock_nanosleep', {}, 'nanosleep'],
    ['write', {}, undefined],
  ])('%s(%j) may be %s', (name, args, expected) => {
    expect(libraryCallOf(syscall(name, args))?.functions[0]).toBe(expected);
  });

  it('explains system calls only', () => {
    expect(libraryCallOf({ ...syscall('fork'), name: 'clone', origin: 'user' })).toBeUndefined();
  });
});

describe('libraryCallNote', () => {
  it('lists what was seen, in the order of the table', () => {
    const seen = new Set<LibraryCall>();
    expect(libraryCallNote(seen)).toBeUndefined();
    for (const name of ['clock_nanosleep', 'clone3']) {
      const call = LIBRARY_CALLS.find((one) => one.syscall === name);
      if (call !== undefined) seen.add(call);
    }
    expect(libraryCallNote(seen)).toBe(
      'The C library makes some system calls under other names than its functions have: nanosleep, usleep, sleep → clock_nanosleep; pthread_create → clone3. A span has the name of the system call.',
    );
  });
});
