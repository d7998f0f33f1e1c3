/**
 * The kernel module's call sites (compiled for user space) against the unwinder: stacks with equal sites must get equal answers, of a
 * program that does all it can to have different ones. test/vm/callsites.test.ts does the same on a real kernel.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ATTR } from '../../common/model/span';
import { sourceAttributes } from '../../remote-agent/symbols/attributes';
import { Symbolizer } from '../../remote-agent/symbols/symbolizer';
import { FIXTURES, record, replay, type Step } from './lines-harness';

const ROOT = join(import.meta.dirname, '../..');
/** The recorder names calls by these numbers less 2,000,000,000. */
const LINES = 1000;
const NO_LINES = 1500;
/** Other system calls may find a number of the last close() in their registers. */
const CLOSE = 3;

let folder: string;
let symbolizer: Symbolizer;
const program = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-sites-'));
  execFileSync('bash', [join(ROOT, 'tools/build-native.sh'), '--out', join(ROOT, 'out/native')]);
  symbolizer = new Symbolizer({ helper: join(ROOT, 'out/native/skua-symbols') });
  execFileSync('gcc', ['-O1', '-o', program('recorder'), join(FIXTURES, 'recorder.c')]);
  // What skua-site.c includes of the kernel is in sites.c.
  mkdirSync(program('include/linux'), { recursive: true });
  for (const header of ['random.h', 'siphash.h']) writeFileSync(program(`include/linux/${header}`), '');
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  execFileSync('gcc', [
    '-O1',
    ...warnings,
    '-I',
    program('include'),
    '-o',
    program('sites'),
    join(FIXTURES, 'sites.c'),
  ]);
  // There is no module here: contexts are written into nothing.
  const abi = readFileSync(join(ROOT, 'kernel/include/skua_abi.h'), 'utf8');
  writeFileSync(program('skua_abi.h'), abi.replace('"/proc/skua/context"', '"/dev/null"'));
});

afterAll(async () => {
  await symbolizer.dispose();
  rmSync(folder, { recursive: true, force: true });
});

function build(name: string, flags: readonly string[]): string {
  const guest = join(ROOT, 'test/vm/guest');
  execFileSync(
    'gcc',
    [
      ...[
        '-g',
        '-pthread',
        `-DLINE_BASE=(2000000000 + ${LINES})`,
        `-DNO_LINE_BASE=(2000000000 + ${NO_LINES})`,
      ],
      ...['-I', folder, '-I', guest, ...flags, '-o', program(name), join(guest, 'callsites.c')],
    ],
    { stdio: 'ignore' },
  );
  const script = program(`${name}.sh`);
  writeFileSync(script, `#!/bin/sh\nexec ${program(name)} 20\n`, { mode: 0o755 });
  return script;
}

/** The site of each recorded call, in order. An epoch is a set of mappings of one process, as in the module. */
function sitesOf(steps: readonly Step[]): readonly string[] {
  const mappings = new Map<number, Map<bigint, bigint>>();
  const epochs = new Map<string, number>();
  const input: string[] = [];
  for (const step of steps) {
    if (step.kind === 'exec') mappings.delete(step.pid);
    else if (step.kind === 'mapping') {
      const known = mappings.get(step.pid) ?? new Map<bigint, bigint>();
      mappings.set(step.pid, known.set(step.mapping.start, step.mapping.end));
    } else {
      const ranges = [...(mappings.get(step.sample.pid) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)).flat();
      const key = `${String(step.sample.pid)} ${ranges.join(' ')}`;
      const epoch = epochs.get(key) ?? epochs.size + 1;
      epochs.set(key, epoch);
      input.push(`ranges ${String(epoch)} ${ranges.join(' ')}`);
      input.push(`stack ${Buffer.from(step.sample.bytes).toString('hex')}`);
    }
  }
  const printed = execFileSync(program('sites'), { input: input.join('\n'), maxBuffer: 2 ** 26 });
  return printed.toString().trim().split('\n');
}

describe('stacks with one call site', () => {
  it.each([
    ['gcc-O2', ['-O2']],
    ['gcc-O0', ['-O0']],
    ['gcc-O2-frame-pointer', ['-O2', '-fno-omit-frame-pointer']],
    ['gcc-O2-realigned', ['-O2', '-mstackrealign']],
    ['gcc-O2-static', ['-O2', '-static', '-no-pie', '-fno-pie']],
  ] as const)('have one answer: %s', async (name, flags) => {
    const steps = record(program('recorder'), build(name, flags));
    const sites = sitesOf(steps);
    const { calls, stacks } = await replay(steps, symbolizer);
    expect(sites.length).toBe(calls.length);
    expect(calls.length).toBeGreaterThan(500);

    const first = new Map<string, string>();
    let references = 0;
    for (const [index, call] of calls.entries()) {
      const [site = '0', stack] = [sites[index], stacks[index]];
      if (stack === undefined) throw new Error('a stack is missing');
      const attributes = sourceAttributes(stack);
      const number = Number(call.name);
      const line = number > NO_LINES ? undefined : number - LINES;
      if (call.nr === CLOSE)
        expect([call.name, attributes[ATTR.codeLine]], JSON.stringify(attributes)).toEqual([call.name, line]);
      if (site === '0') continue;
      expect(stack.reusable, JSON.stringify(attributes)).toBe(true);
      const known = first.get(site);
      if (known === undefined) first.set(site, JSON.stringify(attributes));
      else {
        references += 1;
        expect(JSON.stringify(attributes)).toBe(known);
      }
    }
    console.log(
      `${name}: ${String(calls.length)} calls, ${String(first.size)} sites, ${String(references)} by reference`,
    );
    // The program does all it can to differ; a loop of the same call is a reference but for the first time.
    expect(references).toBeGreaterThan(500);
  });

  it('tells apart what differs in one word that may be an address, and nothing else', () => {
    const sp = 0x7ffd00001000n;
    const stack = (change: (words: BigUint64Array) => void): string => {
      const words = new BigUint64Array(8 + 16);
      words.set([0x1010n, sp]);
      change(words);
      return `stack ${Buffer.from(words.buffer).toString('hex')}`;
    };
    const lines = [
      'ranges 1 4096 8192',
      stack(() => undefined),
      stack((w) => (w[10] = 0x123456789n)), // data
      stack((w) => (w[10] = 0x987654321n)), // other data
      stack((w) => (w[10] = 0x1020n)), // a code address
      stack((w) => (w[11] = 0x1020n)), // the same elsewhere
      stack((w) => (w[10] = 0x1021n)), // another
      stack((w) => (w[2] = sp + 16n)), // a frame pointer
      stack((w) => (w[2] = sp + 24n)),
      stack((w) => w.set([sp + 32n, sp + 48n], 1)), // the first one on another stack
      stack((w) => (w[1] = sp + 1n)), // unaligned
      'ranges 2 4096 8192',
      stack((w) => (w[10] = 0x123456789n)),
    ];
    const sites = execFileSync(program('sites'), { input: lines.join('\n') })
      .toString()
      .trim()
      .split('\n');
    const [zeros, data, otherData, code, moved, otherCode, pointer, otherPointer, shifted, unaligned, epoch] =
      sites;
    expect(otherData).toBe(data);
    expect(shifted).toBe(pointer);
    expect(unaligned).toBe('0');
    const different = [zeros, data, code, moved, otherCode, pointer, otherPointer, epoch];
    expect(new Set(different).size).toBe(different.length);
  });
});
