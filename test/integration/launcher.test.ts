/** skua-launch: the program is the child, the vDSO is gone, failures are told apart. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseClock } from '../../remote-agent/symbols/clock';

const ROOT = join(import.meta.dirname, '../..');
const LAUNCH = join(ROOT, 'out/native/skua-launch');

/**
 * Prints which of four time calls enter the kernel: a seccomp filter makes the system calls fail with EBADE, which the vDSO knows nothing
 * of. Then the number of children that it did not make, and its parent.
 */
const PROBE = `
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define FAIL(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EBADE)
int main(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		FAIL(SYS_gettimeofday), FAIL(SYS_clock_gettime), FAIL(SYS_time), FAIL(SYS_getcpu),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
	struct timeval tv;
	struct timespec ts;
	unsigned cpu;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	printf("%d %d %d %d ", gettimeofday(&tv, NULL) == -1, clock_gettime(CLOCK_MONOTONIC, &ts) == -1, time(NULL) == -1,
	       getcpu(&cpu, NULL) == -1);
	printf("%d %d\\n", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, getppid());
	return 23;
}
`;

let folder: string;
let probe: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-launcher-'));
  execFileSync('bash', [join(ROOT, 'tools/build-native.sh'), '--out', join(ROOT, 'out/native')]);
  probe = join(folder, 'probe');
  writeFileSync(`${probe}.c`, PROBE);
  execFileSync('gcc', ['-O1', '-o', probe, `${probe}.c`]);
  execFileSync('gcc', ['-O1', '-static', '-o', `${probe}-static`, `${probe}.c`]);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => spawnSync(LAUNCH, args, { encoding: 'utf8' });

interface Launched {
  readonly child: ChildProcess;
  readonly status: Promise<string>;
  readonly wait: Writable;
}

/** As the agent starts programs: status on descriptor 3, the go-ahead on descriptor 4. */
function launch(...args: string[]): Launched {
  const child = spawn(LAUNCH, ['--status-fd', '3', '--wait-fd', '4', ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const status = new Promise<string>((done) => {
    let text = '';
    (child.stdio[3] as Readable)
      .on('data', (d: Buffer) => (text += d.toString()))
      .on('end', () => {
        done(text);
      });
  });
  return { child, status, wait: child.stdio[4] as Writable };
}

const exited = (child: ChildProcess) =>
  new Promise<readonly [number | null, string | null]>((done) =>
    child.once('exit', (code, signal) => {
      done([code, signal]);
    }),
  );

describe('skua-launch', () => {
  it('becomes the program: status, output, parent, no child of its own', () => {
    const { status, stdout } = run('--', probe);
    expect(status).toBe(23);
    expect(stdout).toBe(`0 0 0 0 1 ${String(process.pid)}\n`);
  });

  it('makes the time calls real system calls with --hide-vdso', () => {
    const { status, stdout } = run('--hide-vdso', '--', probe);
    expect(status).toBe(23);
    expect(stdout).toBe(`1 1 1 1 1 ${String(process.pid)}\n`);
  });

  it('does so for a static program, and for a script its interpreter', () => {
    expect(run('--hide-vdso', `${probe}-static`).stdout).toMatch(/^1 1 1 1 1 /);
    const script = join(folder, 'script');
    writeFileSync(script, `#!${probe}\n`);
    chmodSync(script, 0o755);
    expect(run('--hide-vdso', script).stdout).toMatch(/^1 1 1 1 1 /);
  });

  it('leaves programs that the program starts alone', () => {
    expect(run('--hide-vdso', 'sh', '-c', `${probe}; true`).stdout).toMatch(/^0 0 0 0 1 /);
  });

  it('passes arguments and descriptors through unchanged, options of the program included', () => {
    const { stdout } = spawnSync(
      LAUNCH,
      ['--hide-vdso', '--', 'sh', '-c', 'printf "[%s]" "$@"; cat', 'sh', '--clock', 'a b', ''],
      {
        encoding: 'utf8',
        input: 'stdin',
      },
    );
    expect(stdout).toBe('[--clock][a b][]stdin');
  });

  // This machine has no such module; where it has, test/vm/contexts.test.ts is about it.
  it.runIf(!existsSync('/proc/skua'))('runs a program whose thread contexts cannot be registered', () => {
    expect(run('--offset', '-8', '--', probe).status).toBe(23);
    expect(run('--hide-vdso', '--offset', '-8', '--', probe).stdout).toMatch(/^1 1 1 1 1 /);
    const refused = run('--register-process', String(process.pid), '--offset', '-8');
    expect(refused).toMatchObject({ status: 1, stdout: '', stderr: 'No such file or directory\n' });
  });

  it.each([
    ['--register-process', '0', '--offset', '-8'],
    ['--register-process', '-1', '--offset', '-8'],
    ['--register-process', '1', '--offset', ''],
    ['--register-process', '1', '--offset', '8x'],
    ['--register-process', '1', '--offset', '99999999999999999999'],
    ['--register-process', '1', '--module', '0', '--offset', '8'],
  ])('refuses what is no place in memory: %s %s %s %s', (...args) => {
    expect(run(...args)).toMatchObject({ status: 64, stdout: '' });
  });

  it.each([[[]], [['--hide-vdso']]])('tells a missing program from one that cannot be run %j', (options) => {
    const missing = run(...options, '/nonexistent/program');
    expect([missing.status, JSON.parse(missing.stderr)]).toMatchObject([
      127,
      { error: 'not-found', errno: 2 },
    ]);
    const plain = run(...options, '/etc/passwd');
    expect([plain.status, JSON.parse(plain.stderr)]).toMatchObject([
      126,
      { error: 'not-executable', errno: 13 },
    ]);
  });

  it('reports on the status descriptor, in JSON whatever the name', async () => {
    const { child, status, wait } = launch('--', '/no"such\\program');
    wait.end('.');
    expect(await exited(child)).toEqual([127, null]);
    expect(JSON.parse(await status)).toMatchObject({ error: 'not-found' });
  });

  it('waits for the go-ahead, then closes the status descriptor without a word and keeps its process id', async () => {
    const { child, status, wait } = launch('--hide-vdso', '--', 'sleep', '60');
    await new Promise((done) => setTimeout(done, 200));
    expect(readFileSync(`/proc/${String(child.pid)}/comm`, 'utf8').trim()).toBe('skua-launch');
    wait.end('.');
    expect(await status).toBe('');
    expect(readFileSync(`/proc/${String(child.pid)}/comm`, 'utf8').trim()).toBe('sleep');
    expect(readFileSync(`/proc/${String(child.pid)}/status`, 'utf8')).toMatch(/^TracerPid:\s+0$/m);
    child.kill('SIGTERM');
    expect(await exited(child)).toEqual([null, 'SIGTERM']);
  });

  it('lets signals through that come before the program runs', async () => {
    const { child, status } = launch('--hide-vdso', '--', 'sleep', '60');
    child.kill('SIGINT');
    expect(await exited(child)).toEqual([null, 'SIGINT']);
    expect(await status).toBe('');
  });

  it('takes the program down with the agent', async () => {
    const agent = spawn(process.execPath, [
      '-e',
      `const c = require('node:child_process').spawn(${JSON.stringify(LAUNCH)}, ['--hide-vdso', 'sleep', '60'], { stdio: 'ignore' });
       console.log(c.pid); setInterval(() => {}, 1000);`,
    ]);
    const pid = Number(
      await new Promise<string>((done) =>
        agent.stdout.once('data', (d: Buffer) => {
          done(d.toString());
        }),
      ),
    );
    await new Promise((done) => setTimeout(done, 200));
    agent.kill('SIGKILL');
    const alive = () => {
      try {
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
      } catch {
        return false; // Gone, which is what is waited for.
      }
    };
    for (let i = 0; i < 100 && alive(); i += 1) await new Promise((done) => setTimeout(done, 20));
    expect(alive()).toBe(false);
  });

  it('refuses options that it does not know', () => {
    expect(run('--nonsense', 'true').status).toBe(64);
    expect(run('--wait-fd', 'x', 'true').status).toBe(64);
    expect(run().status).toBe(64);
  });
});

describe('skua-launch --clock', () => {
  it('agrees with the clocks of this machine within its bound', () => {
    const before = process.hrtime.bigint();
    const measured = parseClock(run('--clock').stdout);
    const after = process.hrtime.bigint();
    if (measured === undefined) throw new Error('no measurement');
    expect(measured.monotonicNs > before && measured.monotonicNs < after).toBe(true);
    expect(measured.boundNs).toBeLessThan(1_000_000);
    // Date.now() has milliseconds.
    const epochNs = BigInt(Date.now()) * 1_000_000n;
    const difference = epochNs - (measured.offsetNs + process.hrtime.bigint());
    expect(difference > -5_000_000n && difference < 5_000_000n).toBe(true);
  });
});
