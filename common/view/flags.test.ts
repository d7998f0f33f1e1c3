import { expect, it } from 'vitest';
import { CATEGORY, categoryOf } from './flags';

it.each<[string, string | undefined, keyof typeof CATEGORY]>([
  ['openat', undefined, 'file'],
  ['write', '/tmp/x', 'file'],
  ['write', 'socket:[12]', 'network'],
  ['read', 'tcp:127.0.0.1:80', 'network'],
  ['mmap', 'socket:[12]', 'memory'],
  ['connect', undefined, 'network'],
  ['futex', undefined, 'sync'],
  ['nanosleep', undefined, 'time'],
  ['getpid', undefined, 'process'],
  ['a_call_of_tomorrow', undefined, 'other'],
])('%s on %s is %s', (name, fd, category) => {
  expect(categoryOf(name, fd)).toBe(CATEGORY[category]);
});
