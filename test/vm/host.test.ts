/**
 * Preparing a host, on a real one: what is done is undone, what must be refused is refused by the real kernel, and modules are built where
 * nobody built them before. The guest is reached as a user's own host is, over SSH with ssh_config and known_hosts; Skua's cache is empty.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HostReport, StepReport } from '../../common/protocol/agent';
import { explainInsmod } from '../../remote-agent/host/modules';
import type { CoreContext, TargetSpec } from '../../src/core/api';
import { modulesHash } from '../../src/core/deploy/kernel-source';
import { ensureImage, type SandboxImage } from '../../src/core/sandbox/build';
import { loginKeyPath, sandboxKeys } from '../../src/core/sandbox/files';
import { resetSandbox, stopSandbox } from '../../src/core/sandbox/instance';
import { ensureModules } from '../../src/core/sandbox/modules';
import { doctor, prepare, removeAgent, unprepare } from '../../src/core/session/host';
import { openTarget } from '../../src/core/session/target';
import { HOST_GUEST } from './instance';
import { openMachine, vmContext, type Machine } from './machine';
import { closeWithoutTrouble } from './trouble';
import { moduleFolders, TRACING_GROUP } from './modules';

// Preparing means several logins and daemons that start anew, on an emulated machine.
vi.setConfig({ testTimeout: 1_200_000, hookTimeout: 3_600_000 });

const REAL_CACHE = join(process.env['HOME'] ?? '/root', '.cache');
const saved = { HOME: process.env['HOME'], XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] };
const home = mkdtempSync(join(tmpdir(), 'skua-host-home-'));

let image: SandboxImage;
let machine: Machine;
let modules: string;
let stock: string;
let hostKey: string;
let publicKey: string;
let keyPath: string;

beforeAll(async () => {
  image = await ensureImage(vmContext());
  modules = (await ensureModules(image, vmContext())).folder;
  stock = (await moduleFolders()).stock;
  const keys = await sandboxKeys();
  hostKey = keys.host.publicKey;
  publicKey = keys.login.publicKey;
  keyPath = loginKeyPath();
  await fresh();
  // The image, its modules and the stock ones may all have to be built first.
}, 3_600_000);

afterAll(async () => {
  asSandboxOwner();
  try {
    await closeWithoutTrouble(machine);
  } finally {
    await resetSandbox(HOST_GUEST, vmContext());
    rmSync(home, { recursive: true, force: true });
  }
});

/** The sandbox and the modules built for it are in the cache of who runs the tests. */
function asSandboxOwner(): void {
  process.env['XDG_CACHE_HOME'] = saved.XDG_CACHE_HOME ?? REAL_CACHE;
  if (saved.HOME !== undefined) process.env['HOME'] = saved.HOME;
}

/** A user whose cache holds the lttng-modules package, and no modules. */
function asOtherUser(): void {
  process.env['HOME'] = home;
  process.env['XDG_CACHE_HOME'] = join(home, '.cache');
  // Where npm fetches from is a matter of who runs the tests.
  process.env['NPM_CONFIG_USERCONFIG'] ??= join(saved.HOME ?? '/root', '.npmrc');
  const folder = join(home, '.cache/skua/lttng-modules');
  mkdirSync(folder, { recursive: true });
  copyFileSync(image.lttngModulesDeb, join(folder, basename(image.lttngModulesDeb)));
}

async function fresh(): Promise<void> {
  asSandboxOwner();
  await resetSandbox(HOST_GUEST, vmContext());
  machine = await openMachine(HOST_GUEST);
}

async function reboot(): Promise<void> {
  asSandboxOwner();
  await machine.close();
  await stopSandbox(HOST_GUEST, vmContext());
  machine = await openMachine(HOST_GUEST);
}

function asHost(user = 'skua'): TargetSpec {
  mkdirSync(join(home, '.ssh'), { recursive: true });
  writeFileSync(join(home, '.ssh/known_hosts'), `guest ${hostKey}\n`);
  writeFileSync(
    join(home, '.ssh/config'),
    `Host guest\n HostName 127.0.0.1\n HostKeyAlias guest\n Port ${String(machine.sshPort)}\n User ${user}\n IdentityFile ${keyPath}\n`,
  );
  asOtherUser();
  return { kind: 'ssh', host: 'guest' };
}

/** What the prebuilt modules of another machine would be, put where an earlier preparation puts them. */
async function bringModules(user = 'skua'): Promise<string> {
  const folder = `/home/${user}/.local/share/skua/modules/${image.kernelRelease}-${await modulesHash()}`;
  const input = execFileSync('tar', ['-C', modules, '-cz', '.'], { maxBuffer: 64 << 20 });
  const script = `sudo -u ${user} sh -c 'rm -rf ${folder} && mkdir -p ${folder} && tar -C ${folder} -xz'`;
  const result = await machine.ssh.run(script, { signal: AbortSignal.timeout(600_000), input });
  if (result.code !== 0) throw new Error(result.stderr);
  return folder;
}

const step = (report: HostReport, id: string): StepReport | undefined =>
  report.steps.find((each) => each.id === id);
const notOk = (report: HostReport): string[] =>
  report.steps.filter((each) => each.state !== 'ok').map((each) => `${each.id} ${each.state}: ${each.found}`);

/** All that a preparation can change about a host. */
async function state(): Promise<string> {
  return machine.must(`cut -d' ' -f1 /proc/modules | grep -E '^(lttng|skua)' | sort
getent group | sort; dpkg-query -W -f '\${Package} \${Version} \${Status}\\n'
sudo find /etc -type f ! -name '*-' -exec sha256sum {} + | sort -k 2; find /lib/modules -printf '%p %s %T@\\n' | sort
systemctl is-active lttng-sessiond; sudo lttng --no-sessiond list 2>&1 | head -3; ls -A /home/skua`);
}

describe('a host is prepared, and that is undone', () => {
  it('leaves the host as it was, and nothing of Skua when the agent is removed', async () => {
    const target = asHost();
    const before = await state();
    await bringModules();
    expect(step(await doctor(target, vmContext()), 'modules')?.state).toBe('fixable');
    expect(notOk(await prepare(target, vmContext()))).toEqual([]);
    expect(await machine.must('cat /proc/skua/abi')).toContain(await modulesHash());
    expect(await machine.must('id -nG skua')).toContain('tracing');

    const undone = await unprepare(target, vmContext());
    expect(undone.steps.filter((each) => each.state === 'failed')).toEqual([]);
    await removeAgent(target, vmContext());
    await machine.must('rmdir --ignore-fail-on-non-empty -p ~/.local/share ~/.local/state/skua; true');
    expect(await state()).toBe(before);
  });

  it('replaces modules of an older build, once no session uses them', async () => {
    const target = asHost();
    const folder = await bringModules();
    expect(notOk(await prepare(target, vmContext()))).toEqual([]);
    // Only the loaded hash differs: what an upgrade without a change of the interface looks like.
    const hash = await modulesHash();
    const old = hash.replace(/./g, (digit) => (digit === '0' ? '1' : '0'));
    await machine.must(`sudo systemctl stop lttng-sessiond
sudo rmmod $(lsmod | awk '/^lttng_probe|^lttng_ring_buffer_client|^lttng_counter_client/ {print $1}') ; for i in 1 2 3 4 5 6; do for m in $(lsmod | awk '/^(lttng|skua)/ && $3 == 0 {print $1}'); do sudo rmmod $m; done; done
mkdir -p /tmp/old && cp ${folder}/* /tmp/old && LC_ALL=C sed -i 's/${hash}/${old}/g' /tmp/old/*.ko
for m in $(sed -n 's/^ *"\\(.*\\.ko\\)",*$/\\1/p' ${folder}/manifest.json); do g=; [ $m = skua.ko ] && g="${TRACING_GROUP}"; sudo insmod /tmp/old/$m $g; done
sudo systemctl start lttng-sessiond; grep ${old} /proc/skua/abi`);
    await machine.must('sudo lttng create other-user >/dev/null');
    const kept = step(await doctor(target, vmContext()), 'modules');
    expect(kept?.state).toBe('ok');
    expect(kept?.found).toContain('other-user');
    await machine.must('sudo lttng destroy -a >/dev/null');
    expect(step(await doctor(target, vmContext()), 'modules')?.state).toBe('fixable');
    expect(notOk(await prepare(target, vmContext()))).toEqual([]);
    expect(await machine.must('cat /proc/skua/abi')).toContain(hash);
    await unprepare(target, vmContext());
  });
});

describe('tracing that is there already', () => {
  it('is not touched while it records, then replaced, and back after undoing', async () => {
    const target = asHost();
    await bringModules();
    const input = execFileSync('tar', ['-C', stock, '-cz', '.'], {
      maxBuffer: 64 << 20,
    });
    const updates = `/lib/modules/${image.kernelRelease}/updates`;
    const put = await machine.ssh.run(
      `sudo mkdir -p ${updates} && sudo tar -C ${updates} -xz && sudo depmod && sudo systemctl restart lttng-sessiond && sudo modprobe lttng-probe-sched && for i in $(seq 50); do sudo lttng --no-sessiond list >/dev/null 2>&1 && break; sleep 0.2; done`,
      { signal: AbortSignal.timeout(600_000), input },
    );
    expect(put.code, put.stderr).toBe(0);
    await machine.must(
      'sudo lttng create production --output=/tmp/production >/dev/null && sudo lttng enable-event -k sched_switch && sudo lttng start',
    );
    const refused = step(await prepare(target, vmContext()), 'modules');
    expect(refused).toMatchObject({ state: 'failed', error: { code: 'module-in-use' } });
    expect(refused?.error?.message).toContain('production');
    expect(refused?.remedy).toContain('lttng destroy');
    expect(await machine.must('sudo lttng list production | head -1')).toContain('active');

    await machine.must('sudo lttng destroy production');
    expect(notOk(await prepare(target, vmContext()))).toEqual([]);
    const undone = await unprepare(target, vmContext());
    expect(undone.steps.filter((each) => each.state === 'failed')).toEqual([]);
    expect(
      await machine.must(
        'ls /proc/skua 2>&1; grep -c ^lttng_tracer /proc/modules; sudo lttng list -k | grep -c sched_switch',
      ),
    ).toMatch(/No such file.*\n1\n1\n/);
    await machine.must(`sudo systemctl stop lttng-sessiond; sudo rm -r ${updates}; sudo depmod`);
    await reboot();
  });
});

describe('sudo', () => {
  const withPassword = (...answers: (string | undefined)[]): CoreContext & { readonly asked: string[] } => {
    const asked: string[] = [];
    const context = vmContext();
    const password = (prompt: string): Promise<string | undefined> => {
      asked.push(prompt);
      return Promise.resolve(answers.shift());
    };
    return { ...context, asked, prompter: { ...context.prompter, password } };
  };

  it('is given the password of a user from whom it wants one, and only then', async () => {
    await machine.must(`sudo useradd -m -s /bin/bash -G sudo careful && echo 'careful:correct horse' | sudo chpasswd
sudo install -d -m 700 -o careful -g careful /home/careful/.ssh
echo '${publicKey}' | sudo tee /home/careful/.ssh/authorized_keys >/dev/null
sudo chown careful:careful /home/careful/.ssh/authorized_keys`);
    const target = asHost('careful');
    await bringModules('careful');
    expect(step(await doctor(target, vmContext()), 'sudo')?.state).toBe('fixable');
    const unanswered = await prepare(target, withPassword(undefined));
    expect(step(unanswered, 'sudo')?.state).toBe('fixable');

    const context = withPassword('wrong', 'correct horse');
    expect(notOk(await prepare(target, context))).toEqual([
      'sudo skipped: No sudo, and none needed: the host is prepared',
    ]);
    expect(context.asked).toEqual(['Password for sudo on guest', 'Not accepted. Password for sudo on guest']);
    // (The pattern does not find itself in what sudo logs.) Neither in a command as sudo logs it, nor in any file that Skua writes.
    expect(
      await machine.must(
        "sudo sh -c 'journalctl -q | grep -c hors[e]; grep -rl hors[e] /home/careful /tmp | wc -l'",
      ),
    ).toBe('0\n0\n');

    const again = withPassword('correct horse');
    const undone = await unprepare(target, again);
    expect(again.asked).toHaveLength(1);
    expect(undone.steps.filter((each) => each.state === 'failed')).toEqual([]);
    expect(await machine.must('ls -d /proc/skua 2>/dev/null; id -nG careful')).toBe('careful sudo\n');
  });
});

describe('a host without Node', () => {
  it('gets one of its own, in Skua’s folder', async () => {
    const target = asHost();
    await machine.must('for n in node nodejs; do sudo mv /usr/bin/$n /usr/bin/$n.hidden; done');
    try {
      const events = {
        spans: () => undefined,
        output: () => undefined,
        loss: () => undefined,
        exited: () => undefined,
        failed: () => undefined,
      };
      const open = await openTarget(target, events, vmContext());
      await open.dispose();
      expect(open.deployed.command).toMatch(/\.local\/share\/skua\/node\/[\d.]+\/bin\/node/);
      expect((await doctor(target, vmContext())).steps.length).toBeGreaterThan(9);
    } finally {
      await machine.must('for n in node nodejs; do sudo mv /usr/bin/$n.hidden /usr/bin/$n; done');
    }
  });
});

describe('what the kernel refuses', () => {
  const limits = {
    secureBoot: undefined,
    lockdown: 'none',
    signaturesEnforced: false,
    modulesDisabled: false,
  };
  const insmod = async (folder: string): Promise<string> => {
    const result = await machine.ssh.run(`sudo insmod ${folder}/skua.ko`, {
      signal: AbortSignal.timeout(600_000),
    });
    expect(result.code).not.toBe(0);
    return result.stderr;
  };

  it('a module for another configuration of the same kernel', async () => {
    const target = asHost();
    const folder = await bringModules();
    // The release fits, the rest of vermagic does not: what a kernel of one's own with the distribution's name has.
    await machine.must(
      `LC_ALL=C sed -i 's/ SMP preempt mod_unload/ UMP preempt mod_unload/' ${folder}/skua.ko`,
    );
    const refused = step(await prepare(target, vmContext()), 'modules');
    expect(refused).toMatchObject({ state: 'failed', error: { code: 'module-refused' } });
    expect(refused?.error?.detail).toMatch(/Invalid module format/);
    expect(await machine.must('systemctl is-active lttng-sessiond')).toBe('active\n');
  });

  it('a build that does not go through, and a host without headers', async () => {
    const target = asHost();
    const folder = await bringModules();
    await machine.must(
      `rm -rf ${folder}; sudo mv /usr/bin/make /usr/bin/make.hidden; printf '#!/bin/sh\\necho broken >&2; exit 1\\n' | sudo tee /usr/bin/make >/dev/null; sudo chmod 755 /usr/bin/make`,
    );
    const failed = step(await prepare(target, vmContext()), 'build');
    expect(failed?.error?.code).toBe('module-build-failed');
    expect(failed?.error?.detail).toContain('broken');
    await machine.must('sudo mv /usr/bin/make.hidden /usr/bin/make');

    // An archive without the package of this kernel, as after a while on every distribution.
    await machine.must(`sudo dpkg --purge --force-depends linux-headers-${image.kernelRelease} >/dev/null 2>&1
sudo sh -c 'rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /var/lib/apt/lists/*'`);
    const without = step(await prepare(target, vmContext()), 'headers');
    expect(without?.error?.code).toBe('no-headers');
    expect(without?.remedy).toContain(`linux-headers-${image.kernelRelease}`);
    expect(await machine.must('test -e /proc/skua || echo none')).toBe('none\n');
    await fresh();
  });

  it('under lockdown, and when module loading is switched off', async () => {
    const target = asHost();
    const folder = await bringModules();
    await machine.must('echo integrity | sudo tee /sys/kernel/security/lockdown >/dev/null');
    const locked = step(await prepare(target, vmContext()), 'secure-boot');
    expect(locked?.error?.code).toBe('secure-boot');
    expect(locked?.found).toContain('lockdown integrity');
    expect(explainInsmod('skua.ko', await insmod(folder), { ...limits, lockdown: 'integrity' }).code).toBe(
      'secure-boot',
    );

    await reboot();
    const again = asHost();
    await machine.must('sudo sysctl -q -w kernel.modules_disabled=1');
    const disabled = step(await prepare(again, vmContext()), 'secure-boot');
    expect(disabled?.error?.code).toBe('module-refused');
    expect(disabled?.remedy).toContain('reboot');
    expect(
      explainInsmod('skua.ko', await insmod(folder), { ...limits, modulesDisabled: true }).message,
    ).toContain('modules_disabled');
    await reboot();
  });
});

// SKUA_TEST_SLOW: the compiler runs emulated and takes twenty minutes; everywhere else it is one.
describe.runIf(process.env['SKUA_TEST_SLOW'] !== undefined)(
  'a kernel for which nobody has built modules',
  () => {
    it(
      'builds them on the host, without dpkg, and uses them again after a reboot',
      { timeout: 3_600_000 },
      async () => {
        let target = asHost();
        await machine.must('rm -rf ~/.local/share/skua; sudo mv /usr/bin/dpkg-deb /usr/bin/dpkg-deb.hidden');
        const report = await prepare(target, vmContext());
        expect(notOk(report)).toEqual([]);
        await machine.must('sudo mv /usr/bin/dpkg-deb.hidden /usr/bin/dpkg-deb');
        const hash = await modulesHash();
        expect(await machine.must('cat /proc/skua/abi')).toContain(hash);

        await reboot();
        target = asHost();
        const steps: string[] = [];
        const context = { ...vmContext(), progress: { report: (text: string) => steps.push(text) } };
        expect(notOk(await prepare(target, context))).toEqual([]);
        expect(steps.filter((text) => /Building|Copying/.test(text))).toEqual([]);
        expect(await machine.must('cat /proc/skua/abi')).toContain(hash);
      },
    );
  },
);
