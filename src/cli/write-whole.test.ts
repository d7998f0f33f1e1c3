import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { writeWhole } from './write-whole';

const folder = mkdtempSync(join(tmpdir(), 'skua-write-'));
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

it('replaces a file when all of it is written, and leaves nothing half done', async () => {
  const path = join(folder, 'a.skua');
  writeFileSync(path, 'before');
  await writeWhole(path, Buffer.from('after'));
  expect(readFileSync(path, 'utf8')).toBe('after');
  // A folder cannot be replaced by a file: the write succeeds, the last step does not.
  await expect(writeWhole(folder, Buffer.from('x'))).rejects.toMatchObject({ code: 'export-failed' });
  await expect(writeWhole(join(folder, 'no/such'), Buffer.from('x'))).rejects.toMatchObject({
    code: 'export-failed',
  });
  expect(readdirSync(folder)).toEqual(['a.skua']);
  expect(
    readdirSync(tmpdir()).filter((name) => name.includes('.partial-') && name.startsWith('skua-write-')),
  ).toEqual([]);
});
