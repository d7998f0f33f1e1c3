import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../base/run';
import { Program, runShell, type OutputSink } from './program';

let folder: string;
/** Stands for skua-launch: becomes the program, or reports on the status descriptor, as the real one does. */
let launcher: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skua-program-'));
  launcher = join(folder, 'skua-launch');
  await writeFile(
    launcher,
    `#!/bin/bash
while [ "$1" != -- ]; do shift; done; shift
if ! command -v "$1" >/dev/null; then echo '{"error":"not-found","errno":2,"message":"no such file"}' >&3; exit 127; fi
exec "$@" 3>&-
`,
  );
  await chmod(launcher, 0o755);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function sink(): OutputSink & { text: { stdout: string; stderr: string } } {
  const text = { stdout: '', stderr: '' };
  return {
    text,
    output: (stream, data) => {
      text[stream] += Buffer.from(data).toString();
    },
    whenReady: () => undefined,
  };
}
const options = (program: string, ...args: string[]) => ({
  program,
  args,
  env: { A: 'own' },
  vdsoSyscalls: false,
});
const alive = async (pattern: string): Promise<boolean> => (await run('pgrep', ['-f', pattern])).code === 0;

describe('Program', () => {
  it('passes input, environment, output and exit status, however short the program', async () => {
    const out = sink();
    const program = await Program.launch(
      options('sh', '-c', 'read x; echo "$x $A $B"; echo err >&2; exit 3'),
      { A: 'session', B: 'b' },
      launcher,
      out,
    );
    program.input(Buffer.from('hi\n'));
    program.input(new Uint8Array(0));
    expect(await program.exited).toEqual({ code: 3, signal: null });
    expect(out.text).toEqual({ stdout: 'hi own b\n', stderr: 'err\n' });
    const short = sink();
    expect(await (await Program.launch(options('echo', 'x'), {}, launcher, short)).exited).toEqual({
      code: 0,
      signal: null,
    });
    expect(short.text.stdout).toBe('x\n');
  });

  it('has started before it ends, also where the launcher is missing', async () => {
    const nowhere = join(folder, 'no-launcher');
    const out = sink();
    const program = await Program.launch(options('sh', '-c', 'read x; echo "$x"'), {}, nowhere, out);
    program.input(Buffer.from('hi\n'));
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(out.text.stdout).toBe('hi\n');
    const missing = Program.launch(options('no-such-program-here'), {}, nowhere, sink());
    await expect(missing).rejects.toMatchObject({ code: 'program-not-found' });
  });

  it('says when there is no such program or folder', async () => {
    const missing = Program.launch(options('no-such-program-here'), {}, launcher, sink());
    await expect(missing).rejects.toMatchObject({ code: 'program-not-found' });
    const cwd = Program.launch({ ...options('true'), cwd: join(folder, 'nowhere') }, {}, launcher, sink());
    await expect(cwd).rejects.toMatchObject({ code: 'config-invalid' });
  });

  it('signals the group, and leaves no descendant behind', async () => {
    const mark = `skua-test-${process.pid}-${Date.now()}`;
    const program = await Program.launch(
      options('bash', '-c', `exec -a ${mark} sleep 100 & exec -a ${mark} sleep 100`),
      {},
      launcher,
      sink(),
    );
    program.signal('SIGINT');
    await program.dispose();
    expect((await program.exited).signal).toBeTruthy();
    expect(await alive(mark)).toBe(false);
  });

  it('ends one that ignores the gentle signal', async () => {
    const out = sink();
    const program = await Program.launch(
      options('bash', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'),
      {},
      launcher,
      out,
    );
    for (let i = 0; i < 200 && out.text.stdout === ''; i += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await program.dispose();
    expect(await program.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('runShell', () => {
  it('streams output and gives the status', async () => {
    const out = sink();
    const status = await runShell(
      { command: 'echo $GREETING; exit 4', env: { GREETING: 'hello' } },
      out,
      new AbortController().signal,
    );
    expect([status, out.text.stdout]).toEqual([{ code: 4, signal: null }, 'hello\n']);
  });

  it('ends everything it started when cancelled', async () => {
    const mark = `skua-shell-${process.pid}-${Date.now()}`;
    const abort = new AbortController();
    const running = runShell(
      { command: `bash -c 'exec -a ${mark} sleep 100' & wait`, env: {} },
      sink(),
      abort.signal,
    );
    setTimeout(() => {
      abort.abort();
    }, 100);
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    expect(await alive(mark)).toBe(false);
  });
});
