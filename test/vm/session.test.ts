/** The whole chain on a real kernel: sandbox, SSH, agent, LTTng, spans. Programs are built here and uploaded, as a user's would be. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ATTR } from '../../common/model/span';
import { sandboxKeys } from '../../src/core/sandbox/files';
import { doctor } from '../../src/core/session/host';
import { readCallTable } from '../../tools/check-correctness';
import { compare } from '../../tools/correctness/compare';
import { parseExpected } from '../../tools/correctness/expected';
import { REPOSITORY } from './guest';
import { NO_SYSCALL_LOST, openMachine, SANDBOX, trace, uploaded, vmContext, type Machine } from './machine';
import { openProxy } from './proxy';
import { closeWithoutTrouble } from './trouble';
import { openSshHome, type SshHome } from './sshTarget';

const EXAMPLES = join(REPOSITORY, 'examples');
let machine: Machine;
let blocked: string;

beforeAll(async () => {
  execFileSync('make', ['-s', '-C', join(EXAMPLES, 'correctness')]);
  execFileSync('make', [
    ...['-s', '-C', join(EXAMPLES, 'correctness')],
    ...['BUILD=build/frame-pointers', 'FRAME_POINTERS=-fno-omit-frame-pointer'],
  ]);
  blocked = join(mkdtempSync(join(tmpdir(), 'skua-vm-')), 'blocked');
  const include = ['-I', join(REPOSITORY, 'clients/c'), '-I', join(REPOSITORY, 'kernel/include')];
  execFileSync('gcc', [
    '-O2',
    '-g',
    '-Wall',
    ...include,
    join(REPOSITORY, 'test/vm/guest/blocked.c'),
    '-o',
    blocked,
    '-pthread',
  ]);
  machine = await openMachine();
});

afterAll(() => closeWithoutTrouble(machine));

/** No session, relay daemon or traced program of ours is left in the guest. */
async function nothingLeft(): Promise<string> {
  return machine.must(
    `sudo lttng list 2>/dev/null | grep -c 'skua-' ; pgrep -c lttng-relayd; pgrep -xc 'blocked|counter|correctness'; pgrep -fc '[a]gent.js'; true`,
  );
}

describe('correctness', () => {
  it.each([
    [false, 'build'],
    [true, 'build/frame-pointers'],
  ])('every call is one span in its place (vDSO calls made real: %s; %s)', async (vdsoSyscalls, build) => {
    const run = await trace(uploaded(join(EXAMPLES, 'correctness', build, 'correctness'), [], vdsoSyscalls));
    expect(run.error).toBeUndefined();
    expect(run.exit).toEqual({ code: 0, signal: null });
    const report = compare(parseExpected(run.stdout), run.spans, readCallTable(), {
      vdsoHidden: vdsoSyscalls,
    });
    expect(report.problems.slice(0, 10)).toEqual([]);
    expect(report.callsMade).toBeGreaterThan(4500);
    if (vdsoSyscalls) expect(report.callsRight).toBe(report.callsMade);
    // The tool itself says which calls have another name, and which never enter the kernel.
    const notes = run.summary?.notes.join('\n') ?? '';
    for (const { call, syscall } of readCallTable().calls)
      if (call !== syscall) expect(notes).toMatch(new RegExp(`\\b${call}\\b[^;]* → ${syscall}\\b`));
    const vdso = /answered by the vDSO in user space and never enter the kernel/;
    if (vdsoSyscalls) expect(notes).not.toMatch(vdso);
    else expect(notes).toMatch(vdso);
    expect(run.summary?.loss).toMatchObject({ ...NO_SYSCALL_LOST, receiver: 0, receiverFull: 0 });
  });
});

describe('programs', () => {
  it('says that a program is not there, or cannot be run', async () => {
    const launch = { args: [], env: {}, vdsoSyscalls: false };
    const missing = await trace({ session: {}, launch: { ...launch, program: '/no/such/program' } });
    expect(missing.error?.code).toBe('program-not-found');
    const plain = await trace({ session: {}, launch: { ...launch, program: '/etc/passwd' } });
    expect(plain.error?.code).toBe('program-not-executable');
    expect(plain.error?.remedy).not.toBe('');
  });

  it('says that the build command failed, with its output', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-build-'));
    writeFileSync(join(folder, 'x.c'), 'int main(void) { return y; }\n');
    const run = await trace({
      session: {},
      upload: { kind: 'folder', localPath: folder },
      build: 'gcc x.c -o x',
      launch: { program: './x', args: [], env: {}, vdsoSyscalls: false },
    });
    expect(run.error?.code).toBe('build-command-failed');
    expect(run.stderr + run.stdout).toContain("'y' undeclared");
  });

  it('ends the call in which its program was killed, by the kernel’s own result', async () => {
    const run = await trace({ session: { tracepoints: [] }, ...uploaded(blocked) }, async (live, soFar) => {
      await expect.poll(soFar.stdout, { timeout: 60_000 }).toContain('waiting');
      await expect
        .poll(() => soFar.spans().some((span) => span.name === 'pause'), { timeout: 60_000 })
        .toBe(true);
      await live.signal('SIGKILL');
    });
    expect(run.error).toBeUndefined();
    expect(run.exit).toEqual({ code: null, signal: 'SIGKILL' });
    // The kernel ends the call before it ends the thread. The program never sees this result.
    const pause = run.spans.find((span) => span.name === 'pause');
    expect(pause).toMatchObject({
      origin: 'kernel',
      parentSpanId: '00000000000000b2',
      attributes: { [ATTR.syscallErrno]: 'ERESTARTNOHAND' },
    });
    expect(pause).toHaveProperty('endNs');
    expect(run.spans.filter((span) => span.name === 'getpid')).toHaveLength(1);
  });

  it('passes input on, and the program’s own exit code back', async () => {
    const launch = {
      program: 'sh',
      args: ['-c', 'read x; echo "got $x"; exit 7'],
      env: {},
      vdsoSyscalls: false,
    };
    const run = await trace({ session: { tracepoints: [] }, launch }, (live) => {
      live.input(Buffer.from('hello\n'));
    });
    expect(run).toMatchObject({ exit: { code: 7, signal: null }, stdout: 'got hello\n' });
  });
});

describe('over the user’s own ssh', () => {
  let home: SshHome;

  beforeAll(() => {
    home = openSshHome();
  });

  afterAll(() => {
    home.dispose();
  });

  it('keeps what arrived when the connection is cut, and the target cleans up by itself', async () => {
    const proxy = await openProxy(machine.sshPort);
    const target = await home.target('skua', proxy.port);
    const run = await trace(
      { target, session: { tracepoints: [] }, ...uploaded(blocked) },
      async (_live, soFar) => {
        // Not the first span that comes: that may be what is known so far of the call in progress.
        await expect
          .poll(() => soFar.spans().some(({ name }) => name === 'getpid'), { timeout: 60_000 })
          .toBe(true);
        proxy.cut();
      },
    );
    await proxy.close();
    expect(run.error?.code).toBe('connection-lost');
    expect(run.spans.map((span) => span.name)).toContain('getpid');
    await expect.poll(nothingLeft, { timeout: 120_000, interval: 3000 }).toBe('0\n0\n0\n0\n');
  });

  it('tells a user without sudo what is missing, and who can help', async () => {
    const key = (await sandboxKeys()).login.publicKey;
    await machine.must(`id nosudo >/dev/null 2>&1 || sudo useradd -m -s /bin/bash nosudo
sudo install -d -m 700 -o nosudo -g nosudo /home/nosudo/.ssh
echo '${key}' | sudo tee /home/nosudo/.ssh/authorized_keys >/dev/null
sudo chown nosudo:nosudo /home/nosudo/.ssh/authorized_keys`);
    const target = await home.target('nosudo', machine.sshPort);
    const report = await doctor(target, vmContext());
    // Whether a password would help, only sudo knows, once it has one; nobody gives one here.
    const sudo = report.steps.find((step) => step.id === 'sudo');
    expect(sudo).toMatchObject({ state: 'fixable', found: 'sudo asks for a password' });
    const run = await trace({ target, session: {}, ...uploaded(blocked) });
    expect(run.error?.code).toBe('no-sudo');
  });
});

describe('cancelling', () => {
  it('works at any step, and leaves nothing behind', async () => {
    for (const step of ['Copying', 'Starting the tracing session', 'Starting blocked']) {
      const abort = new AbortController();
      const context = {
        ...vmContext(abort.signal),
        progress: {
          report: (text: string) => {
            if (text.startsWith(step)) abort.abort();
          },
        },
      };
      // What follows an executable's sections changes nothing but that it has to be copied: an unchanged file is not.
      appendFileSync(blocked, step);
      const run = await trace({ session: { tracepoints: [] }, ...uploaded(blocked) }, undefined, context);
      expect(run.error?.code, step).toBe('cancelled');
    }
    await expect.poll(nothingLeft, { timeout: 120_000, interval: 3000 }).toBe('0\n0\n0\n0\n');
  });
});

describe('the sandbox as a target', () => {
  it('is ready after the runs above', async () => {
    const report = await doctor(SANDBOX, vmContext());
    expect(
      report.steps.filter((step) => step.state !== 'ok').map((step) => `${step.id}: ${step.found}`),
    ).toEqual([]);
    expect(report.kernelRelease).toBe((await machine.must('uname -r')).trim());
  });
});
