/**
 * The symbolizer's helper against bad input, built with AddressSanitizer and UndefinedBehaviorSanitizer: random and damaged stacks, damaged
 * ELF files, damaged requests. It may say "unknown"; it must not crash, hang or read outside its memory. Seeds are fixed: a failure repeats.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeMapping, encodeSymbolize } from '../../remote-agent/symbols/encoding';
import { Symbolizer } from '../../remote-agent/symbols/symbolizer';
import { build, FIXTURES, record, replay, type Step, type Variant } from './lines-harness';

const ROOT = join(import.meta.dirname, '../..');
const SANITIZED = join(ROOT, 'out/native-sanitized');
const VARIANT: Variant = { name: 'robust', cc: 'gcc', cxx: 'g++', flags: ['-g', '-O2'] };

/** Xorshift: small, and the same everywhere. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

let folder: string;
let recorder: string;
let steps: Step[];
const warnings: string[] = [];

const sanitized = () =>
  new Symbolizer({
    helper: join(SANITIZED, 'skua-symbols'),
    log: (level, message) => {
      if (level === 'warn') warnings.push(message);
    },
  });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-robust-'));
  recorder = join(folder, 'recorder');
  execFileSync('bash', [join(ROOT, 'tools/build-native.sh'), '--out', SANITIZED, '--sanitize']);
  execFileSync('gcc', ['-O1', '-o', recorder, join(FIXTURES, 'recorder.c')]);
  steps = record(recorder, build(VARIANT, 'plain.c', folder));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('damaged stacks', () => {
  it('the undamaged recording is understood by the sanitized helper', async () => {
    const symbolizer = sanitized();
    const { stacks } = await replay(steps, symbolizer);
    await symbolizer.dispose();
    expect(stacks.filter((s) => s.source.known).length).toBe(stacks.length);
  });

  it.each([1, 2, 3])('registers and stack with random words, seed %i', async (seed) => {
    const below = random(seed * 7919);
    const mappings = steps.flatMap((s) => (s.kind === 'mapping' ? [s.mapping] : []));
    const damaged = steps.flatMap((step): Step[] => {
      if (step.kind !== 'call') return [step];
      return Array.from({ length: 40 }, () => {
        const bytes = Buffer.from(step.sample.bytes.subarray(0, below(8) === 0 ? below(1100) : undefined));
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        for (let n = below(6) + 1; n > 0 && bytes.length >= 8; n -= 1) {
          const at = below(Math.floor(bytes.length / 8)) * 8;
          const mapping = mappings[below(mappings.length)];
          const stackPointer = bytes.length >= 16 ? view.getBigUint64(8, true) : 0n;
          const choices = [
            BigInt(below(0x7fffffff)) << BigInt(below(33)),
            0xffffffffffffffffn,
            // Addresses of code and of the stack lead farther than noise does.
            (mapping?.start ?? 0n) + BigInt(below(Number((mapping?.end ?? 1n) - (mapping?.start ?? 0n)))),
            stackPointer + BigInt(below(2048)),
          ];
          view.setBigUint64(at, choices[below(choices.length)] ?? 0n, true);
        }
        return { ...step, sample: { pid: step.sample.pid, bytes } };
      });
    });
    const symbolizer = sanitized();
    const { stacks } = await replay(damaged, symbolizer);
    await symbolizer.dispose();
    expect(warnings).toEqual([]);
    expect(stacks.filter((s) => s.end === 'helper-failed')).toEqual([]);
    expect(stacks.every((s) => s.frames.length <= 4096)).toBe(true);
  });

  it('a stack that leads to itself ends', async () => {
    const call = steps.find((s) => s.kind === 'call');
    if (call?.kind !== 'call') throw new Error('nothing recorded');
    const bytes = Buffer.from(call.sample.bytes);
    // Every word of the stack is the address after the syscall.
    for (let at = 64; at + 8 <= bytes.length; at += 8) bytes.copy(bytes, at, 0, 8);
    const symbolizer = sanitized();
    for (const step of steps) if (step.kind === 'mapping') symbolizer.mapping(step.pid, step.mapping);
    const [stack] = await symbolizer.symbolize([{ pid: call.sample.pid, bytes }]);
    await symbolizer.dispose();
    expect(stack?.source.known).toBe(false);
    expect(stack?.frames.length).toBeLessThan(300);
  });
});

describe('damaged files', () => {
  it.each([1, 2, 3, 4])('a program and its library with random bytes changed, seed %i', async (seed) => {
    const below = random(seed * 104729);
    const program = steps.flatMap((s) =>
      s.kind === 'mapping' && s.mapping.path.endsWith('/plain') ? [s.mapping.path] : [],
    )[0];
    if (program === undefined) throw new Error('no mapping of the program');
    const original = readFileSync(program);
    for (let round = 0; round < 12; round += 1) {
      const bytes = Buffer.from(original);
      const damage = below(3);
      // Headers first: they are what everything else hangs on.
      const region = damage === 0 ? 0x400 : bytes.length;
      for (let n = below(60) + 1; n > 0; n -= 1) bytes[below(region)] = below(256);
      const copy = join(folder, `damaged-${String(seed)}-${String(round)}`);
      writeFileSync(copy, damage === 1 ? bytes.subarray(0, below(bytes.length)) : bytes);
      const symbolizer = sanitized();
      const { stacks } = await replay(
        steps.map((s) =>
          s.kind === 'mapping' && s.mapping.path === program
            ? { ...s, mapping: { ...s.mapping, path: copy, ino: 0n } }
            : s,
        ),
        symbolizer,
      );
      await symbolizer.dispose();
      rmSync(copy);
      // libdw itself may fail on such files, contained in the helper; Skua's own code must not.
      expect(warnings.filter((text) => /native\/symbols|AddressSanitizer/.test(text))).toEqual([]);
      expect(stacks.length).toBe(steps.filter((s) => s.kind === 'call').length);
    }
  });
});

describe('damaged requests', () => {
  it('end the helper with a message, never with a signal', () => {
    const below = random(4711);
    const sample = steps.find((s) => s.kind === 'call');
    const mapping = steps.find((s) => s.kind === 'mapping');
    if (sample?.kind !== 'call' || mapping?.kind !== 'mapping') throw new Error('nothing recorded');
    const valid = Buffer.concat([
      encodeMapping(mapping.pid, mapping.mapping),
      encodeSymbolize(1, [sample.sample]),
    ]);
    for (let round = 0; round < 60; round += 1) {
      const bytes = Buffer.from(valid.subarray(0, below(4) === 0 ? below(valid.length) : undefined));
      for (let n = below(5) + 1; n > 0 && bytes.length > 0; n -= 1)
        bytes[below(Math.min(bytes.length, 120))] = below(256);
      const { status, signal, stderr } = spawnSync(join(SANITIZED, 'skua-symbols'), [], { input: bytes });
      expect(signal).toBeNull();
      expect([0, 2]).toContain(status);
      if (status === 2) expect(stderr.toString()).toMatch(/^skua-symbols: malformed request: /);
    }
  });
});

describe('a helper that fails', () => {
  const known = () => {
    const first = steps.find((s) => s.kind === 'call');
    if (first?.kind !== 'call') throw new Error('nothing recorded');
    return first.sample;
  };

  it('is replaced after a crash, and the new one knows the mappings', async () => {
    // Remembers its process id where the test finds it.
    const wrapper = join(folder, 'wrapper');
    writeFileSync(wrapper, `#!/bin/sh\necho $$ > ${folder}/pid\nexec ${SANITIZED}/skua-symbols\n`);
    chmodSync(wrapper, 0o755);
    const symbolizer = new Symbolizer({ helper: wrapper });
    for (const step of steps) if (step.kind === 'mapping') symbolizer.mapping(step.pid, step.mapping);
    const [before] = await symbolizer.symbolize([known()]);
    expect(before?.source.known).toBe(true);
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
    process.kill(pid, 'SIGSTOP');
    const unanswered = symbolizer.symbolize([known()]);
    process.kill(pid, 'SIGKILL');
    expect((await unanswered)[0]?.end).toBe('helper-failed');
    const [after] = await symbolizer.symbolize([known()]);
    expect(after).toEqual(before);
    await symbolizer.dispose();
  });

  it('ends with the agent', async () => {
    const child = spawn(process.execPath, [
      '-e',
      `const c = require('node:child_process').spawn(${JSON.stringify(join(SANITIZED, 'skua-symbols'))}, { stdio: ['pipe', 'pipe', 'inherit'] });
       c.stdout.once('data', () => console.log(c.pid)); setInterval(() => {}, 1000);`,
    ]);
    const pid = Number(
      await new Promise<string>((done) =>
        child.stdout.once('data', (d: Buffer) => {
          done(d.toString());
        }),
      ),
    );
    child.kill('SIGKILL');
    const deadline = Date.now() + 5000;
    const alive = () => {
      try {
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
      } catch {
        return false; // Gone, which is what is waited for.
      }
    };
    while (alive() && Date.now() < deadline) await new Promise((done) => setTimeout(done, 20));
    expect(alive()).toBe(false);
  });
});
