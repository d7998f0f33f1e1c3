import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { Symbolizer } from './symbolizer';

/**
 * A helper of a few lines: answers each `symbolize` request with stacks that end "complete", and writes the type of every request
 * that it gets to a file. What it does instead for the first bytes of a sample: "x" exits, "h" hangs, "g" sends garbage.
 */
const HELPER = `#!${process.execPath}
const { appendFileSync } = require('node:fs');
const send = (message) => {
  const text = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(text.length);
  process.stdout.write(Buffer.concat([head, text]));
};
send({ protocol: PROTOCOL, libdw: 'none' });
let data = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  data = Buffer.concat([data, chunk]);
  while (data.length >= 4 && data.length >= 4 + data.readUInt32LE()) {
    const body = data.subarray(4, 4 + data.readUInt32LE());
    data = data.subarray(4 + body.length);
    appendFileSync(__filename + '.log', String(body[0]));
    if (body[0] !== 3) continue;
    const stacks = [];
    let at = 9;
    for (let n = body.readUInt32LE(5); n > 0; n--) {
      const what = String.fromCharCode(body[at + 8]);
      if (what === 'x') { process.stderr.write('the reason'); process.exitCode = 3; process.stdin.destroy(); return; }
      if (what === 'h') return;
      if (what === 'g') { process.stdout.write(Buffer.alloc(8, 255)); return; }
      stacks.push({ end: 'complete', frames: [], unknown: String(body.readUInt32LE(at)) });
      at += 8 + body.readUInt32LE(at + 4);
    }
    send({ batch: body.readUInt32LE(1), locations: [], stacks });
  }
});
`;

let folder: string;
let helper: string;
/** Longer than a helper takes to start on a busy machine. */
const HANG_MS = 3000;

let symbolizer: Symbolizer;
const warnings: string[] = [];
const sample = (pid: number, what = '.') => ({ pid, bytes: Buffer.from(what) });
const MAPPING = { start: 0n, end: 1n, pgoff: 0n, ino: 1n, devMajor: 0, devMinor: 0, path: '/a' };

function start(options: { protocol?: number; timeoutMs?: number; queueBytes?: number } = {}): Symbolizer {
  const { protocol = 1, ...rest } = options;
  writeFileSync(helper, HELPER.replace('PROTOCOL', String(protocol)));
  chmodSync(helper, 0o755);
  return new Symbolizer({
    helper,
    log: (level, message) => {
      if (level === 'warn') warnings.push(message);
    },
    ...rest,
  });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-symbolizer-'));
  helper = join(folder, 'helper.cjs');
  warnings.length = 0;
});

afterEach(async () => {
  await symbolizer.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('Symbolizer', () => {
  it('answers in the order asked, also for more than one request holds', async () => {
    symbolizer = start();
    const samples = Array.from({ length: 200 }, (_, pid) => ({ pid, bytes: Buffer.alloc(60_000, '.') }));
    const stacks = await symbolizer.symbolize(samples);
    expect(stacks.map((s) => !s.source.known && s.source.reason)).toEqual(samples.map((s) => String(s.pid)));
  });

  it('sends mappings and ends of processes before the samples that follow them', async () => {
    symbolizer = start();
    symbolizer.mapping(1, MAPPING);
    await symbolizer.symbolize([sample(1)]);
    symbolizer.exec(1);
    symbolizer.exec(2); // never seen: nothing to forget
    await symbolizer.symbolize([sample(1)]);
    expect(readFileSync(`${helper}.log`, 'utf8')).toBe('1323');
  });

  it('says what a crash cost, starts again and repeats the mappings that still hold', async () => {
    symbolizer = start();
    symbolizer.mapping(1, MAPPING);
    symbolizer.mapping(2, MAPPING);
    symbolizer.exec(2);
    const [lost] = await symbolizer.symbolize([sample(1, 'x')]);
    expect(lost?.end).toBe('helper-failed');
    expect(warnings).toEqual(['skua-symbols ended with status 3: the reason.']);
    const [again] = await symbolizer.symbolize([sample(1)]);
    expect(again?.end).toBe('complete');
    expect(readFileSync(`${helper}.log`, 'utf8')).toBe('1313');
  });

  it('gives up a helper that hangs', async () => {
    symbolizer = start({ timeoutMs: HANG_MS });
    expect((await symbolizer.symbolize([sample(1, 'h')]))[0]?.end).toBe('helper-failed');
    expect((await symbolizer.symbolize([sample(1)]))[0]?.end).toBe('complete');
  });

  it('gives up a helper that hangs, also while questions go on', async () => {
    symbolizer = start({ timeoutMs: HANG_MS });
    const hung = symbolizer.symbolize([sample(1, 'h')]);
    const more = setInterval(() => void symbolizer.symbolize([sample(2, 'h')]), 50);
    expect((await hung)[0]?.end).toBe('helper-failed');
    clearInterval(more);
  });

  it('gives up a helper that sends garbage', async () => {
    symbolizer = start();
    // One that sends garbage before anything else counts as one that cannot run at all.
    await symbolizer.symbolize([sample(1)]);
    expect((await symbolizer.symbolize([sample(1, 'g')]))[0]?.end).toBe('helper-failed');
    expect((await symbolizer.symbolize([sample(1)]))[0]?.end).toBe('complete');
  });

  it('refuses what does not fit its queue, and takes more once that is empty', async () => {
    symbolizer = start({ queueBytes: 10 });
    const [one, two] = await Promise.all([
      symbolizer.symbolize([sample(1, '........')]),
      symbolizer.symbolize([sample(2, '........')]),
    ]);
    expect([one[0]?.end, two[0]?.end]).toEqual(['complete', 'queue-full']);
    expect((await symbolizer.symbolize([sample(3)]))[0]?.end).toBe('complete');
  });

  it.each([
    ['missing', () => new Symbolizer({ helper: '/nonexistent/skua-symbols' })],
    ['of another version', () => start({ protocol: 99 })],
    [
      'not a program of this machine',
      () => {
        writeFileSync(helper, 'garbage');
        chmodSync(helper, 0o755);
        return new Symbolizer({ helper });
      },
    ],
  ] as const)('rejects with symbols-failed when the helper is %s', async (_what, make) => {
    symbolizer = make();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const error: unknown = await symbolizer.symbolize([sample(1)]).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(SkuaError);
      expect((error as SkuaError).code).toBe('symbols-failed');
    }
  });

  it('answers what is open when it is disposed', async () => {
    symbolizer = start();
    const open = symbolizer.symbolize([sample(1, 'h')]);
    await symbolizer.dispose();
    expect((await open)[0]?.end).toBe('helper-failed');
    expect((await symbolizer.symbolize([sample(1)]))[0]?.end).toBe('helper-failed');
  });
});
