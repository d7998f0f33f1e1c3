/**
 * Programs that publish their thread contexts as OTEP 4947 says and know nothing of Skua: the agent finds where, and they are traced.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Span } from '../../common/model/span';
import { REPOSITORY } from './guest';
import { openMachine, trace, type Machine, type Traced } from './machine';
import { closeWithoutTrouble } from './trouble';

const SOURCE = join(REPOSITORY, 'test/fixtures/contexts');
const TRACE = 'e1'.repeat(16);
/** What the program waits before its first span, where that comes from a library: the agent has to notice the library. */
const LIBRARY_MS = 10_000;

let machine: Machine;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skua-contexts-'));
  const gcc = (...args: string[]): void => {
    execFileSync('gcc', ['-O2', '-g', '-Wall', '-Wextra', '-Werror', ...args, '-pthread'], { cwd: folder });
  };
  const [program, context] = [join(SOURCE, 'program.c'), join(SOURCE, 'context.c')];
  gcc('-static', program, context, '-o', 'static');
  gcc('-rdynamic', program, context, '-o', 'dynamic');
  gcc('-shared', '-fPIC', context, '-o', 'libcontext.so');
  gcc(program, '-L.', '-lcontext', '-Wl,-rpath,$ORIGIN', '-o', 'linked');
  gcc('-DLIBRARY="libcontext.so"', program, '-Wl,-rpath,$ORIGIN', '-o', 'loading');
  machine = await openMachine();
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await closeWithoutTrouble(machine);
});

const run = (program: string, ms: number): Promise<Traced> =>
  trace({
    upload: { kind: 'folder', localPath: folder },
    launch: { program: `./${program}`, args: ['spans', String(ms)], env: {}, vdsoSyscalls: false },
    session: { tracepoints: [] },
  });

/** Names of the program's system calls by the user span that they belong to. */
function calls(spans: readonly Span[]): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, string[]> = {};
  for (const span of spans.filter(({ origin, traceId }) => origin === 'kernel' && traceId === TRACE))
    (found[span.parentSpanId ?? 'none'] ??= []).push(span.name);
  return found;
}

const id = (n: number): string => String(n).padStart(16, '0');

describe('a program that publishes thread contexts', () => {
  it.each(['static', 'dynamic'])('has its system calls from its very first span on: %s', async (program) => {
    const { spans, error } = await run(program, 0);
    expect(error).toBeUndefined();
    expect(calls(spans)).toMatchObject({ [id(1)]: ['getpid'], [id(2)]: ['getpid'] });
  });

  it.each(['linked', 'loading'])(
    'has them when a library does so, in threads and in children: %s',
    async (program) => {
      const { spans, error } = await run(program, LIBRARY_MS);
      expect(error).toBeUndefined();
      expect(calls(spans)).toEqual({ [id(1)]: ['getpid'], [id(2)]: ['getpid'], [id(3)]: ['getpid'] });
    },
  );
});
