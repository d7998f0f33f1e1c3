import { describe, expect, it } from 'vitest';
import { DEFAULT_EXCLUDES, excludePatterns, excluder, mapToRemote } from './sync';

describe('mapToRemote', () => {
  const uploaded = { localRoot: '/home/me/proj', remoteRoot: '/r/work/proj-1' };
  it.each([
    ['./build/x', false, '/r/work/proj-1/build/x'],
    ['build/x', false, '/r/work/proj-1/build/x'],
    ['.', false, '/r/work/proj-1'],
    ['/home/me/proj', false, '/r/work/proj-1'],
    ['/home/me/proj/build/x', false, '/r/work/proj-1/build/x'],
    ['/home/me/project2/x', false, '/home/me/project2/x'],
    ['/usr/bin/node', false, '/usr/bin/node'],
    ['node', false, 'node'],
    ['x', true, '/r/work/proj-1/x'],
  ])('%s → %s %s', (path, isTopLevel, expected) => {
    expect(mapToRemote(path, uploaded, isTopLevel)).toBe(expected);
  });
});

describe('excludePatterns', () => {
  it('adds to the defaults, and takes back what is marked', () => {
    expect(excludePatterns(['*.log'])).toEqual([...DEFAULT_EXCLUDES, '*.log']);
    const taken = excludePatterns(['!node_modules', '*.log']);
    expect(taken).toEqual([...DEFAULT_EXCLUDES.filter((name) => name !== 'node_modules'), '*.log']);
  });
});

describe('excluder', () => {
  it.each([
    ['node_modules', 'a/node_modules', true],
    ['node_modules', 'a/node_modules2', false],
    ['*.o', 'src/a.o', true],
    ['*.o', 'src/a.oo', false],
    ['/build', 'build', true],
    ['/build', 'src/build', false],
    ['build/', 'src/build', true],
    ['src/*.c', 'src/a.c', true],
    ['src/*.c', 'src/x/a.c', false],
    ['a.b', 'axb', false],
  ])('%s against %s: %s', (pattern, path, expected) => {
    expect(excluder([pattern])(path)).toBe(expected);
  });
});
