/** The helper's reading of x86-64 instructions against that of binutils, over the whole of libc. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FIXTURES } from './lines-harness';

const LIBRARY = '/lib/x86_64-linux-gnu/libc.so.6';
const ROOM = { encoding: 'utf8', maxBuffer: 2 ** 28 } as const;

let folder: string;
let lengths: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-instructions-'));
  lengths = join(folder, 'lengths');
  const decoder = join(FIXTURES, '../../../remote-agent/native/symbols/instruction.c');
  execFileSync('gcc', [
    '-O1',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-o',
    lengths,
    join(FIXTURES, 'lengths.c'),
    decoder,
  ]);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it('finds every instruction where objdump finds it', () => {
  const headers = execFileSync('objdump', ['-h', LIBRARY], ROOM);
  const text = /\.text\s+(\S+)\s+(\S+)\s+\S+\s+(\S+)/.exec(headers);
  if (text === null) throw new Error(`no .text in ${LIBRARY}`);
  const [, size = '', address = '', offset = ''] = text;
  const ours = execFileSync(lengths, [LIBRARY, offset, size, address], ROOM).trim().split('\n');
  const disassembly = execFileSync('objdump', ['-d', '-j', '.text', '--no-show-raw-insn', LIBRARY], ROOM);
  const theirs = [...disassembly.matchAll(/^ *([0-9a-f]+):\t/gm)].map((match) => match[1]);
  expect(ours.length).toBeGreaterThan(100_000);
  // By hand: the difference of two such lists would be printed in full.
  const first = ours.findIndex((at, index) => at !== theirs[index]);
  expect(first === -1 ? undefined : [ours[first], theirs[first]]).toBeUndefined();
  expect(ours.length).toBe(theirs.length);
});
