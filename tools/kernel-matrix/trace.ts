/** Boots a kernel in the sandbox's machine and traces a program that counts its own system calls. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ATTR } from '../../common/model/span';
import { installRoot } from '../../src/core/paths';
import { consoleFile, resetSandbox, startSandbox } from '../../src/core/sandbox/instance';
import { SpanCollector } from '../../src/core/session/collector';
import { prepare } from '../../src/core/session/host';
import { startRun } from '../../src/core/session/run';
import { quietContext } from './context';
import type { Kernel } from './kernel';
import type { Row } from './table';

const MACHINE = 'kernel-matrix';
const CALLS = ['getpid', 'openat', 'write', 'lseek', 'read', 'close'];
const THREADS = 2;
const ROUNDS = 50;
const TROUBLE =
  /BUG:|WARNING:|Oops|general protection|possible recursive locking|scheduling while atomic|rcu.*stall/i;

export async function traceOn(kernel: Kernel): Promise<Pick<Row, 'load' | 'trace' | 'log' | 'note'>> {
  const context = quietContext();
  const counter = join(installRoot(), 'examples/counter');
  execFileSync('make', ['-s', '-C', counter]);
  await resetSandbox(MACHINE, context);
  try {
    const ssh = await startSandbox(MACHINE, context, { boot: kernel });
    try {
      // The disk has another kernel's modules; the session daemon's libkmod wants this one's indexes, even if they are empty.
      const list =
        'cd /lib/modules && sudo mkdir -p $(uname -r) && cd $(uname -r) && sudo touch modules.order modules.builtin modules.builtin.modinfo && sudo depmod';
      const prepared = await ssh.run(`${list} && uname -r`, { signal: context.signal });
      if (prepared.stdout.toString().trim() !== kernel.release)
        throw new Error(`boots ${prepared.stdout.toString()}`);
    } finally {
      await ssh.dispose();
    }
    const target = { kind: 'sandbox', name: MACHINE } as const;
    const report = await prepare(target, context);
    const failed = report.steps.find((step) => step.state !== 'ok' && step.state !== 'skipped');
    if (failed !== undefined)
      return { load: 'no', trace: '', log: await kernelLog(), note: `${failed.id}: ${failed.found}` };
    return { load: 'yes', ...(await smokeTrace(counter)), log: await kernelLog(), note: '' };
  } finally {
    await resetSandbox(MACHINE, context);
  }
}

async function smokeTrace(counter: string): Promise<Pick<Row, 'trace'>> {
  const spans = new SpanCollector();
  const program = join(counter, 'build/counter');
  const args = ['--threads', String(THREADS), '--rounds', String(ROUNDS)];
  const run = await startRun(
    {
      target: { kind: 'sandbox', name: MACHINE },
      session: { tracepoints: [] },
      upload: { kind: 'file', localPath: program },
      launch: { program: 'counter', args, env: {}, vdsoSyscalls: false },
    },
    {
      spans: (batch) => {
        spans.add(batch);
      },
      output: () => undefined,
      loss: () => undefined,
      exited: () => undefined,
      failed: () => undefined,
    },
    quietContext(),
  );
  const { exit, summary } = await run.done;
  if (exit.code !== 0) throw new Error(`the program ended with ${String(exit.code)}`);
  const calls = spans.spans().filter((span) => span.origin === 'kernel' && CALLS.includes(span.name));
  const issued = THREADS * ROUNDS * CALLS.length;
  const withLine = calls.filter((span) => ATTR.codeLine in span.attributes).length;
  const lost = summary.loss.ringBuffer + summary.loss.packetsMissing;
  const share = calls.length === issued ? `all ${issued}` : `${calls.length} of ${issued}`;
  return { trace: `${share} calls, ${withLine} with line${lost > 0 ? `, ${lost} events lost` : ''}` };
}

async function kernelLog(): Promise<string> {
  const lines = (await readFile(consoleFile(MACHINE), 'utf8'))
    .split('\n')
    .filter((line) => TROUBLE.test(line));
  return lines.length === 0 ? 'clean' : `${lines.length}: ${lines[0]?.trim().slice(0, 80) ?? ''}`;
}
