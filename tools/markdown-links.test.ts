import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { brokenLinks } from './markdown-links.mjs';

const folder = mkdtempSync(join(tmpdir(), 'skua-links-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const broken = (text: string): readonly string[] => {
  const file = join(folder, 'a.md');
  writeFileSync(file, text);
  return brokenLinks([file]).map((line) => line.slice(file.length + 1));
};

describe('brokenLinks', () => {
  it('finds links, pictures and definitions that lead nowhere, with their line', () => {
    expect(broken('# A\n[x](gone.md) and ![y](gone.png "title")\n\n[r]: gone/too.md\n')).toEqual([
      '2: gone.md',
      '2: gone.png',
      '4: gone/too.md',
    ]);
  });

  it('accepts what is there: files, folders, headings', () => {
    writeFileSync(join(folder, 'b.md'), '# One `two`, three!\n\n## Same\n\n## Same\n');
    expect(broken('[a](b.md) [b](b.md#one-two-three) [c](b.md#same-1) [d](./) [e](#here)\n# Here\n')).toEqual(
      [],
    );
  });

  it('finds headings that are not there', () => {
    writeFileSync(join(folder, 'b.md'), '# One\n');
    expect(broken('[a](b.md#two) [b](#nothing)')).toEqual(['1: b.md#two', '1: #nothing']);
  });

  it('leaves other schemes and code alone', () => {
    expect(broken('[a](https://example.org/x) [b](mailto:x@y) `[c](gone)`\n```\n[d](gone)\n```\n')).toEqual(
      [],
    );
  });
});
