/**
 * Source lines of real programs: every marked call of test/fixtures/lines/*, compiled in many ways, must lead to its marked line or to
 * "unknown"; never to another line. Needs gcc and g++ (and clang, where it is installed).
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sourceAttributes } from '../../remote-agent/symbols/attributes';
import { Symbolizer } from '../../remote-agent/symbols/symbolizer';
import {
  expectedLines,
  build,
  describeStack,
  FIXTURES,
  judge,
  markers,
  record,
  replay,
  type Step,
  type Variant,
} from './lines-harness';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = ['plain.c', 'threads.c', 'tail.c', 'paths.c', 'objects.cpp'];

/**
 * Calls whose line no reader of DWARF can know from a stack, in some builds at least: two tail calls to one function from one function,
 * calls through pointers that may lead to a tail call, g++'s thunk with a function inlined into it, which it gives the line of the
 * declaration, calls that the compiler has merged, and glibc's vfork, which keeps its return address in a register that is not recorded.
 */
const UNKNOWABLE = new Set([
  ...['left', 'right', 'pointer', 'last', 'directpointer', 'thunk', 'vfork'],
  ...['mergedone', 'mergedother', 'casea', 'caselonger', 'casec', 'saved'],
]);
/** Not in static programs. */
const LOADED_LATER = ['fromplugin'];

const gnu = (name: string, ...flags: string[]): Variant => ({
  name,
  cc: 'gcc',
  cxx: 'g++',
  flags: ['-g', ...flags],
});
const llvm = (name: string, ...flags: string[]): Variant => ({
  name,
  cc: 'clang',
  cxx: 'clang++',
  flags: ['-g', ...flags],
});

const VARIANTS: readonly Variant[] = [
  gnu('gcc-O0', '-O0'),
  gnu('gcc-O1', '-O1'),
  gnu('gcc-O2', '-O2', '-fomit-frame-pointer'),
  gnu('gcc-O2-frame-pointer', '-O2', '-fno-omit-frame-pointer'),
  gnu('gcc-O2-no-pie', '-O2', '-fno-pie', '-no-pie'),
  { ...gnu('gcc-O2-static', '-O2'), static: '-static' },
  { ...gnu('gcc-O2-static-pie', '-O2', '-fPIE'), static: '-static-pie' },
  { ...gnu('gcc-O2-separate', '-O2'), separate: true },
  gnu('gcc-O2-lto', '-O2', '-flto'),
  gnu('gcc-O2-fortified', '-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong', '-Wl,-z,now'),
  gnu('gcc-O2-no-plt', '-O2', '-fno-plt'),
  gnu('gcc-O2-retpoline', '-O2', '-mindirect-branch=thunk'),
  gnu('gcc-O2-split-dwarf', '-O2', '-gsplit-dwarf'),
  gnu('gcc-O2-dwarf4', '-O2', '-gdwarf-4'),
  gnu('gcc-O2-compressed', '-O2', '-gz'),
  gnu('gcc-O2-no-eh-frame', '-O2', '-fno-asynchronous-unwind-tables'),
  gnu('gcc-O2-realigned', '-O2', '-mstackrealign'),
  gnu('gcc-O3', '-O3', '-march=x86-64-v3'),
  gnu('gcc-Os', '-Os'),
  gnu('gcc-Og', '-Og'),
  llvm('clang-O0', '-O0'),
  llvm('clang-O1', '-O1'),
  llvm('clang-O2', '-O2', '-fomit-frame-pointer'),
  llvm('clang-O2-frame-pointer', '-O2', '-fno-omit-frame-pointer'),
  llvm('clang-O2-dwarf4', '-O2', '-gdwarf-4'),
  llvm('clang-O3', '-O3'),
  llvm('clang-Os', '-Os'),
  llvm('clang-Oz', '-Oz'),
  llvm('clang-O2-lto', '-O2', '-flto', '-fuse-ld=lld'),
  { ...llvm('clang-O2-static', '-O2'), static: '-static' },
  { ...llvm('clang-O2-separate', '-O2'), separate: true },
];

const hasClang = (() => {
  try {
    execFileSync('clang', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // Not installed: its variants are skipped, and said so.
  }
})();

let folder: string;
let recorder: string;
let symbolizer: Symbolizer;
const changedFiles: string[] = [];
const table: string[] = [];
const total = { right: 0, unknown: 0, wrong: 0, knowable: 0, knowableRight: 0 };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-lines-'));
  recorder = join(folder, 'recorder');
  execFileSync('bash', [join(ROOT, 'tools/build-native.sh'), '--out', join(ROOT, 'out/native')]);
  execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', recorder, join(FIXTURES, 'recorder.c')]);
  // One helper for all programs: a module that is cached for the wrong file would show as wrong lines.
  symbolizer = new Symbolizer({
    helper: join(ROOT, 'out/native/skua-symbols'),
    changed: (paths) => changedFiles.push(...paths),
  });
});

afterAll(async () => {
  await symbolizer.dispose();
  rmSync(folder, { recursive: true, force: true });
  console.log(
    [
      'variant                   program      calls  right  unknown  wrong',
      ...table,
      `all: right ${String(total.right)}, unknown ${String(total.unknown)}, wrong ${String(total.wrong)}; of the knowable ` +
        `${String(total.knowableRight)}/${String(total.knowable)} right${hasClang ? '' : ' (clang is not installed: skipped)'}`,
    ].join('\n'),
  );
});

describe('source lines of compiled programs', () => {
  for (const variant of VARIANTS) {
    for (const source of SOURCES) {
      it.skipIf(variant.cc === 'clang' && !hasClang)(`${variant.name} ${source}`, async () => {
        const program = build(variant, source, folder);
        const { calls, stacks } = await replay(record(recorder, program), symbolizer);
        const verdicts = judge(calls, stacks, expectedLines(source));
        const missed = [...markers(source).keys()].filter(
          (name) =>
            !calls.some((call) => call.name === name) &&
            !(variant.static !== undefined && LOADED_LATER.includes(name)),
        );
        expect(missed, 'marked calls that were not recorded').toEqual([]);

        const count = (outcome: string) => verdicts.filter((v) => v.outcome === outcome).length;
        const knowable = verdicts.filter((v) => !UNKNOWABLE.has(v.name));
        table.push(
          `${variant.name.padEnd(25)} ${source.padEnd(12)} ${[
            calls.length,
            count('right'),
            count('unknown'),
            count('wrong'),
          ]
            .map((n) => String(n).padStart(5))
            .join('  ')}`,
        );
        total.right += count('right');
        total.unknown += count('unknown');
        total.wrong += count('wrong');
        total.knowable += knowable.length;
        total.knowableRight += knowable.filter((v) => v.outcome === 'right').length;

        const wrong = verdicts.filter((v) => v.outcome === 'wrong');
        expect(wrong.map((v) => `${v.name}: ${v.found}\n${describeStack(v.stack)}`)).toEqual([]);
        const unknown = knowable.filter((v) => v.outcome !== 'right');
        expect(unknown.map((v) => `${v.name}: ${v.found}\n${describeStack(v.stack)}`)).toEqual([]);
      });
    }
  }

  it('names the caller of the syscall, and every frame up to main, for a call in an inlined function', async () => {
    const program = build(gnu('frames', '-O2'), 'plain.c', folder);
    const { calls, stacks } = await replay(record(recorder, program), symbolizer);
    const stack = stacks[calls.findIndex((call) => call.name === 'inlined')];
    if (stack === undefined) throw new Error('not recorded');
    expect(stack.end).toBe('complete');
    const names = stack.frames.map((f) => `${f.function ?? '?'}${f.inlined ? ' inlined' : ''}`);
    const at = names.indexOf('inlined_inner inlined');
    expect(names.slice(at, at + 4)).toEqual([
      'inlined_inner inlined',
      'inlined_outer inlined',
      'inlining',
      'main',
    ]);
    expect(sourceAttributes(stack)).toMatchObject({
      'code.file.path': join(FIXTURES, 'plain.c'),
      'code.line.number': Number(markers('plain.c').get('inlined')?.split(':')[1]),
      'code.function.name': 'inlined_inner',
    });
  });
});

describe('what must not give a line', () => {
  it('a program without debug information', async () => {
    const program = build({ ...gnu('no-debug', '-O2'), flags: ['-O2', '-s'] }, 'plain.c', folder);
    const { stacks } = await replay(record(recorder, program), symbolizer);
    expect(new Set(stacks.map((s) => (s.source.known ? 'a line' : s.source.reason)))).toEqual(
      new Set(['no-debug-info']),
    );
  });

  it('a stack that was cut before the caller', async () => {
    const program = build(gnu('cut', '-O2'), 'threads.c', folder);
    const steps = record(recorder, program).map((step): Step => {
      if (step.kind !== 'call') return step;
      return { ...step, sample: { pid: step.sample.pid, bytes: step.sample.bytes.subarray(0, 64 + 16) } };
    });
    const { calls, stacks } = await replay(steps, symbolizer);
    // 16 bytes are enough where nothing lies between the call and the syscall; elsewhere nothing may be claimed.
    const verdicts = judge(calls, stacks, expectedLines('threads.c'));
    expect(verdicts.filter((v) => v.outcome === 'wrong')).toEqual([]);
    expect(new Set(verdicts.filter((v) => v.outcome === 'unknown').map((v) => v.found))).toEqual(
      new Set(['stack-truncated']),
    );
  });

  it.each([
    [
      'replaced by another file',
      'module-changed',
      (path: string) => {
        // Beside it first: a file made after the removal may get the same inode.
        writeFileSync(`${path}.new`, 'something else');
        renameSync(`${path}.new`, path);
      },
    ],
    [
      'removed',
      'module-missing',
      (path: string) => {
        rmSync(path);
      },
    ],
  ] as const)('a program that was %s before the symbolizer saw it', async (_what, reason, change) => {
    const program = build(gnu('gone', '-O2'), 'plain.c', folder);
    const copy = join(folder, `gone-${reason}`);
    copyFileSync(program, copy);
    const steps = record(recorder, copy);
    change(copy);
    const { calls, stacks } = await replay(steps, symbolizer);
    // Lines in the shared library are known all the same.
    for (const verdict of judge(calls, stacks, expectedLines('plain.c'))) {
      if (['shared', 'hidden', 'fromcallback'].includes(verdict.name)) expect(verdict.outcome).toBe('right');
      else expect(verdict.found).toBe(reason);
    }
  });

  it('JavaScript: the stack ends where V8 has no call frame information', async () => {
    const script = join(folder, 'script.js');
    writeFileSync(
      script,
      "const fs = require('fs'); fs.writeSync(fs.openSync('/dev/null', 'w'), '@javascript');\n",
    );
    const program = join(folder, 'script');
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${script}'\n`);
    chmodSync(program, 0o755);
    const { calls, stacks } = await replay(record(recorder, program), symbolizer);
    const stack = stacks[calls.findIndex((call) => call.name === 'javascript')];
    if (stack === undefined) throw new Error('not recorded');
    expect(stack.source.known).toBe(false);
    expect(['stack-truncated', 'no-cfi', 'unmapped-code']).toContain(stack.end);
    expect(stack.frames.length).toBeGreaterThan(1);
  });

  it('a file that is rewritten in place while it is known', async () => {
    const program = build(gnu('rewritten', '-O2'), 'plain.c', folder);
    const steps = record(recorder, program);
    const end = steps.findIndex((step) => step.kind === 'call' && step.name === 'shared');
    const again = steps[end];
    if (again?.kind !== 'call') throw new Error('not recorded');
    for (const step of steps.slice(0, end))
      if (step.kind === 'mapping') symbolizer.mapping(step.pid, step.mapping);
    const [before] = await symbolizer.symbolize([again.sample]);
    expect(before?.source.known).toBe(true);
    const library = join(folder, 'rewritten', 'libshared.so');
    truncateSync(library, 0);
    await setTimeout(1100); // Files are looked at once a second.
    // Asked for nothing, as when all calls refer to stacks that are known.
    await symbolizer.symbolize([]);
    expect(changedFiles.filter((path) => path === library)).toEqual([library]);
    const [after] = await symbolizer.symbolize([again.sample]);
    symbolizer.exec(again.sample.pid);
    expect(after?.source).toEqual({ known: false, reason: 'module-changed' });
  });
});
