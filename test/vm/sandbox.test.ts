/** The sandbox's life: start, stop, reset, status, two at once; what is kept, what is not, and what a cancelled step leaves. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CoreContext } from '../../src/core/api';
import { ensureImage } from '../../src/core/sandbox/build';
import { sandboxRoot } from '../../src/core/sandbox/files';
import {
  consoleFile,
  listSandboxes,
  resetSandbox,
  sandboxStatus,
  startSandbox,
  stopSandbox,
} from '../../src/core/sandbox/instance';
import { isProcess, processStart } from '../../src/core/sandbox/lock';
import type { SshConnection } from '../../src/core/ssh/connection';
import { quietContext } from './guest';
import { SANDBOX_GUESTS } from './instance';
import { kernelTrouble } from './trouble';

const [A, B] = SANDBOX_GUESTS;
const context = quietContext();

/** Collects the names of progress steps, and calls `on` with each report. */
function watching(
  steps: string[],
  on: (step: string, fraction: number) => void = () => undefined,
  signal = context.signal,
): CoreContext {
  return {
    ...context,
    signal,
    progress: {
      report: (step, fraction) => {
        if (steps.at(-1) !== step) steps.push(step);
        on(step, fraction ?? 0);
      },
    },
  };
}

async function run(ssh: SshConnection, script: string): Promise<string> {
  const result = await ssh.run(script, { signal: context.signal });
  expect(result.code, `${script}: ${result.stderr}`).toBe(0);
  return result.stdout.toString('utf8').trim();
}

/** Mounts below a folder, of this process's namespace. */
const mountsBelow = (folder: string): readonly string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${folder}`));

beforeAll(async () => {
  for (const name of SANDBOX_GUESTS) await resetSandbox(name, context);
});

afterAll(async () => {
  for (const name of SANDBOX_GUESTS) await resetSandbox(name, context);
});

describe('the sandbox', () => {
  it('two run at once, apart from each other; starting one that starts already joins it', async () => {
    expect((await sandboxStatus(A)).state).toBe('absent');
    const image = await ensureImage(context);
    const before = statSync(image.disk);
    expect(before.mode & 0o777).toBe(0o444);

    const steps: string[] = [];
    const joined: string[] = [];
    const [first, again, other] = await Promise.all([
      startSandbox(A, watching(steps)),
      startSandbox(A, watching(joined)),
      startSandbox(B, context),
    ]);
    expect([...steps, ...joined].sort()).toEqual([
      'Starting the sandbox',
      'Waiting for another process that starts or stops the sandbox',
    ]);
    const [a, b] = [await sandboxStatus(A), await sandboxStatus(B)];
    expect(a).toMatchObject({ state: 'running', consoleFile: consoleFile(A) });
    expect(b).toMatchObject({ state: 'running', consoleFile: consoleFile(B) });
    expect(a.sshPort).not.toBe(b.sshPort);
    expect(a.pid).not.toBe(b.pid);
    expect((await listSandboxes()).filter(({ name }) => name === A || name === B)).toEqual([a, b]);

    await run(first, 'echo kept > kept && sync');
    expect(await run(again, 'cat kept')).toBe('kept');
    expect(await run(other, 'ls')).toBe('');
    // The login is an ordinary user who may use sudo.
    expect(await run(first, 'id -u; sudo -n id -u')).toBe('1000\n0');
    for (const ssh of [first, again, other]) await ssh.dispose();

    const after = statSync(image.disk);
    expect([after.mode & 0o777, after.size, after.mtimeMs, after.ctimeMs]).toEqual([
      0o444,
      before.size,
      before.mtimeMs,
      before.ctimeMs,
    ]);
    expect(mountsBelow(sandboxRoot())).toEqual([]);
    expect(kernelTrouble(readFileSync(b.consoleFile, 'utf8'))).toEqual([]);
    await resetSandbox(B, context);
    expect(await sandboxStatus(B)).toMatchObject({ state: 'absent' });
  });

  it('keeps its disk from stop to start', async () => {
    const { pid } = await sandboxStatus(A);
    const start = processStart(pid ?? 0) ?? '';
    const steps: string[] = [];
    await stopSandbox(A, watching(steps));
    expect(steps).toEqual(['Stopping the sandbox']);
    expect(await sandboxStatus(A)).toEqual({ name: A, state: 'stopped', consoleFile: consoleFile(A) });
    expect(isProcess({ pid: pid ?? 0, start })).toBe(false);
    await stopSandbox(A, context); // Idempotent.

    const ssh = await startSandbox(A, context);
    expect(await run(ssh, 'cat kept')).toBe('kept');
    await ssh.dispose();
    expect(kernelTrouble(readFileSync(consoleFile(A), 'utf8'))).toEqual([]);
  });

  it('throws its disk away on reset; a start that is cancelled leaves no machine running', async () => {
    await resetSandbox(A, context);
    expect((await sandboxStatus(A)).state).toBe('absent');
    expect(existsSync(join(consoleFile(A), '..'))).toBe(false);

    const abort = new AbortController();
    let machine: { pid: number; start: string } | undefined;
    const cancelling = watching(
      [],
      () => {
        const record = join(consoleFile(A), '../machine.json');
        if (machine !== undefined || !existsSync(record)) return;
        machine = JSON.parse(readFileSync(record, 'utf8')) as { pid: number; start: string };
        expect(isProcess(machine)).toBe(true);
        abort.abort();
      },
      abort.signal,
    );
    await expect(startSandbox(A, cancelling)).rejects.toMatchObject({ code: 'cancelled' });
    expect(machine === undefined || isProcess(machine)).toBe(false);
    expect((await sandboxStatus(A)).state).toBe('stopped');

    const ssh = await startSandbox(A, context);
    expect(await run(ssh, 'ls')).toBe('');
    await ssh.dispose();
  });

  it('leaves nothing of a build that is cancelled', async () => {
    const saved = process.env['XDG_CACHE_HOME'];
    const cache = mkdtempSync(join(tmpdir(), 'skua-cache-'));
    process.env['XDG_CACHE_HOME'] = cache;
    try {
      const abort = new AbortController();
      const steps: string[] = [];
      const cancelling = watching(
        steps,
        (_step, fraction) => {
          // Packages are being downloaded or unpacked by then.
          if (fraction > 0.05) setTimeout(() => abort.abort(), 1000);
        },
        abort.signal,
      );
      await expect(ensureImage(cancelling)).rejects.toMatchObject({ code: 'cancelled' });
      expect(steps).toEqual(['Installing Debian for the sandbox']);
      expect(readdirSync(join(sandboxRoot(), 'images'))).toEqual([]);
      expect(mountsBelow(cache)).toEqual([]);
    } finally {
      if (saved === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = saved;
      rmSync(cache, { recursive: true, force: true });
    }
  });
});
