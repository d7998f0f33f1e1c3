import { describe, expect, it } from 'vitest';
import { mappingFor, mapSource, normalize } from './mapping';

async function check(
  recorded: string,
  files: readonly string[],
  expected: string | undefined,
  options: { sourceMap?: readonly (readonly [string, string])[]; folders?: readonly string[] } = {},
): Promise<void> {
  const present = new Set(files);
  const found = await mapSource(recorded, {
    sourceMap: options.sourceMap ?? [],
    folders: options.folders ?? [],
    exists: (path) => present.has(path),
  });
  expect(found).toBe(expected);
}

describe('mapSource', () => {
  it('tries the source map in order and takes the first file that exists', () =>
    check('/work/app/src/a.c', ['/two/src/a.c', '/three/a.c'], '/two/src/a.c', {
      sourceMap: [
        ['/work/app', '/one'],
        ['/work/app', '/two'],
        ['/work/app/src', '/three'],
      ],
    }));

  it('ends a prefix at a separator', () =>
    check('/work/application/a.c', ['/local/lication/a.c'], undefined, {
      sourceMap: [['/work/app', '/local/']],
    }));

  it('does not mind trailing slashes on either side', () =>
    check('/work/app/a.c', ['/local/a.c'], '/local/a.c', { sourceMap: [['/work/app/', '/local/']] }));

  it('maps a single file', () =>
    check('/x/a.c', ['/y/b.c'], '/y/b.c', { sourceMap: [['/x/a.c', '/y/b.c']] }));

  it('prefers a mapping over the same path here', () =>
    check('/usr/a.c', ['/usr/a.c', '/ws/a.c'], '/ws/a.c', { sourceMap: [['/usr', '/ws']] }));

  it('takes the path as it is when it exists', () => check('/home/me/a.c', ['/home/me/a.c'], '/home/me/a.c'));

  it('takes the longest suffix over all workspace folders', () =>
    check('/build/x/src/net/a.c', ['/ws1/a.c', '/ws2/src/net/a.c', '/ws1/net/a.c'], '/ws2/src/net/a.c', {
      folders: ['/ws1', '/ws2'],
    }));

  it('resolves what a compiler leaves unresolved', () =>
    check('/src/build/.././lib//a.c', ['/src/lib/a.c'], '/src/lib/a.c'));

  it('finds nothing rather than something wrong', () =>
    check('/build/src/a.c', ['/ws/b.c'], undefined, { folders: ['/ws'] }));
});

describe('mappingFor', () => {
  it.each([
    ['/remote/app/src/a.c', '/home/me/app/src/a.c', ['/remote', '/home/me']],
    ['/remote/app/src/a.c', '/home/me/other/a.c', ['/remote/app/src', '/home/me/other']],
    ['/a.c', '/home/me/a.c', ['/a.c', '/home/me/a.c']],
    ['/remote/a.c', '/home/b.c', ['/remote/a.c', '/home/b.c']],
    ['/x/src/a.c', '/src/a.c', ['/x/src', '/src']],
  ] as const)('%s ← %s', async (recorded, picked, expected) => {
    const mapping = mappingFor(recorded, picked);
    expect(mapping).toEqual(expected);
    await check(recorded, [picked], picked, { sourceMap: [mapping] });
  });
});

describe('normalize', () => {
  it.each([
    ['/', '/'],
    ['/..', '/'],
    ['a/../../b', '../b'],
    ['/a/b/', '/a/b'],
    ['C:\\x\\a.c', 'C:/x/a.c'],
  ])('%s → %s', (path, expected) => expect(normalize(path)).toBe(expected));
});
