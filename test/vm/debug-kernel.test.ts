/**
 * The kernel modules on a kernel that watches itself: threads that register, write, fork, exec, unmap, die and are killed while sessions
 * start and stop and modules come and go. KASAN, lockdep, RCU and kmemleak must have nothing to say. sparse and checkpatch read the sources.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { debugImage, debugKernel, openDebugGuest, type DebugKernel } from './debug-guest';
import { REPOSITORY, runLocal, type Guest } from './guest';
import { loadModules, TRACING_GROUP } from './modules';
import { kernelTrouble } from './trouble';

let kernel: DebugKernel;
let guest: Guest | undefined;
/** The checkers introduce themselves while the kernel boots; what counts comes later. */
let booted = 0;

function machine(): Guest {
  if (guest === undefined) throw new Error('the guest did not start');
  return guest;
}

beforeAll(async () => {
  const image = await debugImage();
  kernel = await debugKernel(image);
  guest = await openDebugGuest(image, kernel);
  booted = (await guest.console()).length;
  await guest.upload(kernel.modules, '/root/skua');
  const programs = mkdtempSync(join(tmpdir(), 'skua-vm-'));
  const include = ['-I', join(REPOSITORY, 'kernel/include'), '-I', join(REPOSITORY, 'clients/c')];
  for (const name of ['stress', 'files']) {
    const source = join(REPOSITORY, `test/vm/guest/${name}.c`);
    await runLocal('gcc', ['-O2', '-pthread', ...include, source, '-o', join(programs, name)]);
  }
  await runLocal('cp', [
    ...['modules.sh', 'record.sh', 'live-sessions.sh'].map((f) => join(REPOSITORY, 'test/vm/guest', f)),
    programs,
  ]);
  await guest.upload(programs, '/root/vm');
  // LTTng's session daemon asks libkmod, which wants the kernel's indexes although this one has no modules of its own.
  await guest.must(
    'd=/lib/modules/$(uname -r); mkdir -p $d && touch $d/modules.order $d/modules.builtin && depmod',
  );
  rmSync(programs, { recursive: true });
}, 5_400_000);

afterAll(async () => {
  await guest?.close();
});

it('is a kernel that would notice', async () => {
  expect(await machine().must('uname -r')).toMatch(/-skua-debug\n$/);
  expect(
    await machine().must(
      'zcat /proc/config.gz | grep -c -E "^CONFIG_(KASAN|PROVE_LOCKING|PROVE_RCU|DEBUG_KMEMLEAK)=y"',
    ),
  ).toBe('4\n');
});

it('has nothing to say while threads live and die under sessions and modules that come and go', async () => {
  const m = machine();
  await m.must(
    'mount -t debugfs none /sys/kernel/debug 2>/dev/null; echo clear > /sys/kernel/debug/kmemleak',
  );
  for (const round of [1, 2]) {
    await loadModules(m, '/root/skua', TRACING_GROUP);
    await m.must(`set -e; cd /root/vm; rm -f /root/stop
      (./stress 900 3 /root/stop > /root/stress.out; echo $? >> /root/stress.out) &
      for i in 1 2; do ./record.sh skua-debug-$i /root/debug-$i -- sleep 2; ./record.sh other /root/other -s getppid -- ./files; done
      touch /root/stop
      wait`);
    expect(await m.must('cat /root/stress.out'), `round ${String(round)}`).toMatch(
      /^threads \d+ processes \d+\n0\n$/,
    );
    // Half of the time armed threads are still there when the modules go.
    if (round === 2) await m.must('cd /root/vm && (./stress 20 2 > /dev/null 2>&1 &) ; sleep 3');
    await m.must('/root/vm/modules.sh unload');
    const last = (await m.must('dmesg | grep "skua: unloaded" | tail -n 1')).trim();
    const [, allocated, freed] = /allocated (\d+) freed (\d+)$/.exec(last) ?? [];
    expect(Number(allocated)).toBeGreaterThan(0);
    expect(freed).toBe(allocated);
  }
  expect(kernelTrouble((await m.console()).slice(booted))).toEqual([]);
}, 1_800_000);

it('has nothing to say while live sessions start and end under a timer that ticks all the time', async () => {
  const m = machine();
  await loadModules(m, '/root/skua', TRACING_GROUP);
  expect(await m.must('/root/vm/live-sessions.sh 10')).toBe('');
  await m.must('/root/vm/modules.sh unload');
  expect(kernelTrouble((await m.console()).slice(booted))).toEqual([]);
}, 1_200_000);

it('finds nothing leaked', async () => {
  const m = machine();
  // An object counts as leaked when two scans, some seconds apart, find no pointer to it.
  await m.must('for i in 1 2; do sleep 6; echo scan > /sys/kernel/debug/kmemleak; done');
  expect(await m.must('cat /sys/kernel/debug/kmemleak')).not.toMatch(/skua|lttng/);
}, 600_000);

it('sparse and checkpatch find nothing', async () => {
  const result = await runLocal('bash', [join(REPOSITORY, 'tools/check-kernel.sh'), kernel.folder]);
  expect(result.code, result.stdout + result.stderr).toBe(0);
}, 1_200_000);
