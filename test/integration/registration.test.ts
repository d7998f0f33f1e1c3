/**
 * Where the agent says that a program has its thread context pointer, compared with where the program itself finds it: for every way to
 * build and load it. Real compilers, real dynamic loader, no kernel of ours.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Inspector, programLocation } from '../../remote-agent/registration/inspect';
import type { Location } from '../../remote-agent/registration/location';
import { Registrar } from '../../remote-agent/registration/registrar';

const SOURCE = join(import.meta.dirname, '../fixtures/contexts');
const CONTEXT = join(SOURCE, 'context.c');
const PROGRAM = join(SOURCE, 'program.c');

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-contexts-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const gcc = (...args: string[]): void => {
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', ...args, '-pthread'], { cwd: folder });
};

interface Seen {
  readonly fsBase: number;
  readonly address: number;
}

/** Starts a program of which `where` prints two threads' addresses; ends it afterwards. */
async function running<T>(program: string, action: (pid: number, seen: readonly Seen[]) => T): Promise<T> {
  const child: ChildProcess = spawn(join(folder, program), ['where'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, LD_LIBRARY_PATH: folder },
  });
  try {
    const seen: Seen[] = [];
    if (child.stdout === null) throw new Error('no output');
    for await (const line of createInterface({ input: child.stdout })) {
      const [fsBase = 0, address = 0] = line.split(' ').map(Number);
      seen.push({ fsBase, address });
      if (seen.length === 2) break;
    }
    expect(seen).toHaveLength(2);
    return action(child.pid ?? 0, seen);
  } finally {
    child.kill('SIGKILL');
  }
}

/** What the kernel module makes of a location, on one thread. */
function resolve(pid: number, location: Location, fsBase: number): number {
  if (location.kind === 'static') return fsBase + location.offset;
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    const word = (address: number): number => {
      const data = Buffer.alloc(8);
      expect(readSync(memory, data, 0, 8, BigInt(address))).toBe(8);
      return Number(data.readBigUInt64LE());
    };
    const dtv = word(fsBase + 8);
    expect(location.module).toBeLessThanOrEqual(word(dtv - 16));
    return word(dtv + 16 * location.module) + location.offset;
  } finally {
    closeSync(memory);
  }
}

async function check(program: string, kind?: Location['kind']): Promise<void> {
  await running(program, (pid, seen) => {
    const result = new Inspector().inspect(pid);
    if (result.state !== 'found') throw new Error(JSON.stringify(result));
    if (kind !== undefined) expect(result.location.kind).toBe(kind);
    for (const { fsBase, address } of seen) expect(resolve(pid, result.location, fsBase)).toBe(address);
  });
}

describe('a variable of the main program', () => {
  it.each([
    ['position-independent', ['-fPIE', '-pie']],
    ['position-dependent', ['-no-pie']],
    ['exported, as OTEP 4947 wants it', ['-Wl,--export-dynamic-symbol=otel_thread_ctx_v1']],
    ['exported and stripped', ['-Wl,--export-dynamic-symbol=otel_thread_ctx_v1', '-s']],
    ['exported through the old hash table', ['-rdynamic', '-Wl,--hash-style=sysv', '-s']],
    ['static', ['-static']],
    ['static and position-independent', ['-static-pie', '-fPIE']],
    ['with TLS descriptors', ['-mtls-dialect=gnu2', '-fPIC', '-rdynamic']],
    ['in a large block of another alignment', ['-DPADDING=4097']],
    ['static, in a large block', ['-DPADDING=100', '-static']],
  ])('is found: %s', async (name, flags) => {
    const program = `main-${name.replaceAll(/\W/g, '')}`;
    gcc(...flags, PROGRAM, CONTEXT, '-o', program);
    await check(program, 'static');
    // Known before it runs, too.
    const before = programLocation(join(folder, program));
    await running(program, (_pid, seen) => {
      for (const { fsBase, address } of seen)
        expect(fsBase + (before?.kind === 'static' ? before.offset : NaN)).toBe(address);
    });
  });

  it('is not found in a program that hides it altogether', async () => {
    gcc('-static', '-s', PROGRAM, CONTEXT, '-o', 'hidden');
    expect(programLocation(join(folder, 'hidden'))).toBeUndefined();
    await running('hidden', (pid) => {
      expect(new Inspector().inspect(pid)).toEqual({ state: 'none' });
    });
  });
});

describe('a variable of a library', () => {
  it.each([
    ['GNU', []],
    ['TLS descriptors', ['-mtls-dialect=gnu2']],
    ['initial-exec', ['-ftls-model=initial-exec']],
    ['in a large block', ['-DPADDING=5000']],
    ['stripped', ['-s']],
  ])('is found when it is loaded at start: %s', async (name, flags) => {
    const library = `start-${name.replaceAll(/\W/g, '')}`;
    gcc('-shared', '-fPIC', ...flags, CONTEXT, '-o', `lib${library}.so`);
    gcc(PROGRAM, '-L.', `-l${library}`, '-o', library);
    await check(library, 'static');
    expect(programLocation(join(folder, library))).toBeUndefined();
  });

  it.each([
    ['GNU', [], 'dtv'],
    ['TLS descriptors', ['-mtls-dialect=gnu2'], undefined],
    ['initial-exec', ['-ftls-model=initial-exec'], 'static'],
    ['in a large block', ['-DPADDING=5000'], 'dtv'],
  ] as const)('is found when it is loaded by dlopen: %s', async (name, flags, kind) => {
    const library = `dlopen-${name.replaceAll(/\W/g, '')}`;
    gcc('-shared', '-fPIC', ...flags, CONTEXT, '-o', `lib${library}.so`);
    gcc(`-DLIBRARY="lib${library}.so"`, PROGRAM, '-o', library);
    await check(library, kind);
  });

  it('is found in programs that are not position-independent', async () => {
    gcc('-shared', '-fPIC', CONTEXT, '-o', 'libplain.so');
    gcc('-no-pie', PROGRAM, '-L.', '-lplain', '-o', 'plain');
    await check('plain', 'static');
  });

  it('is not found when the file has been deleted', async () => {
    gcc('-shared', '-fPIC', CONTEXT, '-o', 'libgone.so');
    gcc(PROGRAM, '-L.', '-lgone', '-o', 'gone');
    await running('gone', (pid) => {
      rmSync(join(folder, 'libgone.so'));
      expect(new Inspector().inspect(pid)).toEqual({ state: 'none' });
    });
  });
});

describe('the agent', () => {
  it.each(['registrar-linked', 'registrar-loading'])(
    'registers the program and its children while they run: %s',
    async (program) => {
      gcc('-shared', '-fPIC', CONTEXT, '-o', 'libregistrar.so');
      gcc(PROGRAM, '-L.', '-lregistrar', '-o', 'registrar-linked');
      gcc('-DLIBRARY="libregistrar.so"', PROGRAM, '-o', 'registrar-loading');
      // Stands for skua-launch, and says what it was asked to do.
      const launcher = join(folder, 'launcher');
      const asked = join(folder, `${program}.asked`);
      writeFileSync(launcher, `#!/bin/sh\necho "$@" >>${asked}\n`, { mode: 0o755 });
      writeFileSync(asked, '');
      const child = spawn(join(folder, program), ['spans', '1500'], {
        stdio: 'inherit',
        env: { ...process.env, LD_LIBRARY_PATH: folder },
      });
      const registrar = new Registrar(launcher, child.pid ?? 0, () => undefined);
      await once(child, 'exit');
      registrar.dispose();
      const lines = readFileSync(asked, 'utf8').trim().split('\n');
      const pids = lines.map(
        (line) => /^--register-process (\d+) --offset -?\d+( --module \d+)?$/.exec(line)?.[1],
      );
      // The program, and the child that it forks. Again, when it was seen while its libraries were still being mapped.
      expect(pids[0]).toBe(String(child.pid));
      expect(new Set(pids).size).toBe(2);
      expect(pids.length).toBeLessThan(6);
      expect(lines.every((line) => line.includes('--module') === (program === 'registrar-loading'))).toBe(
        true,
      );
    },
  );
});

describe('other programs', () => {
  it('have none', () => {
    const child = spawn('sleep', ['10']);
    try {
      expect(new Inspector().inspect(child.pid ?? 0)).toEqual({ state: 'none' });
      expect(programLocation('/etc/passwd')).toBeUndefined();
      expect(programLocation('/nonexistent')).toBeUndefined();
      expect(programLocation('/dev/null')).toBeUndefined();
      expect(programLocation('/')).toBeUndefined();
    } finally {
      child.kill();
    }
    expect(() => new Inspector().inspect(2 ** 30)).toThrow();
  });
});
