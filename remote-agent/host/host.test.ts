import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Run, RunResult } from '../base/run';
import type { Facts } from './facts';
import { Host } from './host';
import { explainInsmod, moduleInfo } from './modules';
import { packageManager } from './packages';
import * as parse from './parse';
import { PreparedStore } from './state';
import { checkSteps, doSteps, type Check, type Step } from './step';
import { commandOf, inputOf, Privileged } from './verbs';

// Lines of /proc/modules of a Debian 12 host with the distribution's lttng-modules loaded.
const PROC_MODULES = `lttng_probe_sched 45056 0 - Live 0x0000000000000000 (OE)
lttng_counter_client_percpu_64_modular 16384 1 - Live 0x0000000000000000 (OE)
lttng_ring_buffer_client_discard 20480 0 - Live 0x0000000000000000 (OE)
lttng_tracer 2633728 3 lttng_probe_sched,lttng_counter_client_percpu_64_modular,lttng_ring_buffer_client_discard, Live 0x0000000000000000 (OE)
lttng_clock 16384 2 lttng_ring_buffer_client_discard,lttng_tracer, Live 0x0000000000000000 (OE)
inet_diag 24576 1 tcp_diag, Live 0x0000000000000000
tcp_diag 16384 0 - Live 0x0000000000000000
`;

describe('parsers', () => {
  it('reads what the system prints', () => {
    expect(parse.parseLockdown('[none] integrity confidentiality\n')).toBe('none');
    expect(parse.parseLockdown('none [integrity] confidentiality')).toBe('integrity');
    expect(parse.parseSecureBoot('SecureBoot enabled\n')).toBe(true);
    expect(parse.parseSecureBoot('SecureBoot disabled\nPlatform is in Setup Mode\n')).toBe(false);
    expect(parse.parseSecureBoot('EFI variables are not supported on this system\n')).toBeUndefined();
    expect(parse.parseGroup('tracing:x:106:dev,ci\n', 'tracing')).toEqual({
      name: 'tracing',
      gid: 106,
      members: ['dev', 'ci'],
    });
    expect(parse.parseGroup('tracing:x:106:\n', 'tracing')?.members).toEqual([]);
    expect(parse.parseGroup('sudo:x:27:dev\n', 'tracing')).toBeUndefined();
    expect(parse.parseAbi('1 77b125dbbc5313ca\n')).toEqual({ version: 1, sourceHash: '77b125dbbc5313ca' });
    expect(parse.parseAbi('garbage')).toBeUndefined();
    expect(parse.parseLttngVersion('lttng (LTTng Trace Control) 2.13.9 - Nordicité\n')).toEqual([2, 13, 9]);
    expect(parse.vermagicRelease('6.1.0-56-cloud-amd64 SMP preempt mod_unload modversions ')).toBe(
      '6.1.0-56-cloud-amd64',
    );
    const release = 'PRETTY_NAME="Linux Mint 21"\nID=linuxmint\nID_LIKE="ubuntu debian"\n';
    expect(parse.parseOsRelease(release)).toEqual({
      name: 'Linux Mint 21',
      ids: ['linuxmint', 'ubuntu', 'debian'],
    });
    expect(packageManager(['linuxmint', 'ubuntu'])).toBe('apt-get');
    expect(packageManager(['fedora'])).toBe('dnf');
    expect(packageManager(['opensuse-leap', 'suse'])).toBe('zypper');
    expect(packageManager(['arch'])).toBeUndefined();
    expect([
      parse.kernelAtLeast('6.1.0-56', 5, 10),
      parse.kernelAtLeast('5.4.0', 5, 10),
      parse.kernelAtLeast('5.10.2', 5, 10),
    ]).toEqual([true, false, true]);
  });

  it('orders modules for removal: users first', () => {
    const modules = parse.parseModules(PROC_MODULES);
    const { order, blocked } = parse.unloadOrder(modules, (name) => name.startsWith('lttng_'));
    expect(order.indexOf('lttng_tracer')).toBeGreaterThan(order.indexOf('lttng_probe_sched'));
    expect(order.indexOf('lttng_clock')).toBeGreaterThan(order.indexOf('lttng_tracer'));
    expect(order).toHaveLength(5);
    expect(blocked).toEqual([]);
    expect(parse.unloadOrder(modules, (name) => name === 'inet_diag').blocked.map((m) => m.users)).toEqual([
      ['tcp_diag'],
    ]);
  });

  it('explains what insmod says', () => {
    expect(
      explainInsmod('skua.ko', 'insmod: ERROR: could not insert module skua.ko: Key was rejected by service')
        .code,
    ).toBe('secure-boot');
    expect(
      explainInsmod('skua.ko', 'insmod: ERROR: could not insert module skua.ko: Invalid module format').code,
    ).toBe('module-refused');
  });
});

describe('verbs', () => {
  it('are fixed commands', () => {
    expect(commandOf({ verb: 'join-group', user: 'dev', group: 'tracing' })).toEqual([
      'usermod',
      '--append',
      '--groups',
      'tracing',
      'dev',
    ]);
    expect(commandOf({ verb: 'install-packages', manager: 'apt-get', packages: ['lttng-tools'] })).toEqual([
      'apt-get',
      'install',
      '-y',
      '-q',
      '--no-install-recommends',
      'lttng-tools',
    ]);
    const load = {
      verb: 'load-modules',
      modules: [
        { path: '/home/a.b/m/skua.ko', parameters: { gid: 106 } },
        { path: '/m/lttng-tracer.ko', parameters: {} },
      ],
    } as const;
    expect(commandOf(load)).toEqual(['xargs', '-r', '-L', '1', '--', 'insmod']);
    expect(inputOf(load)).toBe('/home/a.b/m/skua.ko gid=106\n/m/lttng-tracer.ko\n');
  });

  it.each([
    [() => commandOf({ verb: 'install-packages', manager: 'apt-get', packages: ['-o=x'] })],
    [() => commandOf({ verb: 'install-packages', manager: 'apt-get', packages: [] })],
    [() => commandOf({ verb: 'join-group', user: 'a b', group: 'tracing' })],
    [() => commandOf({ verb: 'unload-modules', names: ['ext4'] })],
    [() => commandOf({ verb: 'terminate-sessiond', pid: 1 })],
    [() => inputOf({ verb: 'load-modules', modules: [{ path: '/tmp/evil.ko', parameters: {} }] })],
    [() => inputOf({ verb: 'load-modules', modules: [{ path: '/tmp/x y/skua.ko', parameters: {} }] })],
    [() => inputOf({ verb: 'load-modules', modules: [{ path: '/tmp/../etc/skua.ko', parameters: {} }] })],
    [
      () =>
        inputOf({ verb: 'load-modules', modules: [{ path: '/tmp/skua.ko', parameters: { 'gid=1 x': 1 } }] }),
    ],
  ])('refuse arguments that do not fit (%#)', (command) => {
    expect(command).toThrow();
  });
});

interface FakeHost {
  readonly facts: Facts;
  readonly commands: string[];
  readonly files: Map<string, string>;
  /** What `lttng list` answers: session elements. */
  sessions: string;
}

const OK: RunResult = { code: 0, signal: null, stdout: '', stderr: '' };
const REPLY = (body: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><command><name>list</name><output>${body}</output></command>`;

/** A Debian host in memory. `sudo -n` runs what follows it, unless `sudo` is false. */
function fakeHost(
  options: { sudo?: boolean; sessions?: string; member?: boolean; processGroups?: number[] } = {},
): FakeHost {
  const { sudo = true, sessions = '<sessions/>', processGroups = [106] } = options;
  let members = options.member === false ? '' : 'dev';
  const commands: string[] = [];
  const files = new Map<string, string>([
    ['/etc/os-release', 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'],
    ['/sys/kernel/security/lockdown', '[none] integrity confidentiality'],
    ['/proc/modules', PROC_MODULES],
    ['/run/lttng/lttng-sessiond.pid', '200\n'],
    ['/proc/200/comm', 'lttng-sessiond\n'],
    ['/proc/sys/kernel/random/boot_id', 'boot-1\n'],
    ['/run/systemd/system', ''],
    ['/lib/systemd/system/lttng-sessiond.service', ''],
  ]);
  const runCommand: Run = (file, args, run) => {
    const command = [file, ...args].join(' ').replace('sudo -n -- ', '');
    if (file === 'sudo' && !sudo)
      return Promise.resolve({ ...OK, code: 1, stderr: 'sudo: a password is required' });
    if (file === 'sudo' && command !== 'sudo -n true') commands.push(command);
    if (command === 'lttng --version')
      return Promise.resolve({ ...OK, stdout: 'lttng (LTTng Trace Control) 2.13.9' });
    if (command === 'lttng --mi xml list') return Promise.resolve({ ...OK, stdout: REPLY(fake.sessions) });
    if (command === 'lttng --mi xml list --kernel') {
      return Promise.resolve({
        ...OK,
        stdout: REPLY(
          '<domains><domain><events><event><name>skua_fd</name></event></events></domain></domains>',
        ),
      });
    }
    if (command.startsWith('systemctl stop')) files.delete('/proc/200/comm');
    if (command.startsWith('systemctl start')) files.set('/proc/200/comm', 'lttng-sessiond\n');
    if (command.startsWith('rmmod')) files.set('/proc/modules', '').delete('/proc/skua/abi');
    if (command.startsWith('usermod')) members = 'dev';
    if (command.startsWith('gpasswd')) members = '';
    if (command.startsWith('xargs')) {
      commands.push(
        ...(run?.input ?? '')
          .trim()
          .split('\n')
          .map((line) => `insmod ${line.replace(/\/\S*\//, '')}`),
      );
      files.set('/proc/skua/abi', '1 77b125dbbc5313ca\n').set('/proc/skua', '').set('/proc/skua/context', '');
    }
    if (file === 'mokutil') return Promise.resolve({ ...OK, code: 127 });
    return Promise.resolve(OK);
  };
  const fake: FakeHost = {
    commands,
    files,
    sessions,
    facts: {
      run: runCommand,
      uid: 1000,
      user: 'dev',
      hostname: 'h',
      kernelRelease: '6.1.0-56-cloud-amd64',
      arch: 'x64',
      processGroups: () => processGroups,
      readText: (path) => Promise.resolve(files.get(path)),
      exists: (path) => Promise.resolve(files.has(path)),
      writable: (path) => Promise.resolve(files.has(path)),
      distribution: () => Promise.resolve(parse.parseOsRelease(files.get('/etc/os-release') ?? '')),
      group: () => Promise.resolve({ name: 'tracing', gid: 106, members: members === '' ? [] : [members] }),
      modules: () => Promise.resolve(parse.parseModules(files.get('/proc/modules') ?? '')),
      hasProgram: () => Promise.resolve(true),
    },
  };
  return fake;
}

describe('Host', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skua-host-'));
    await writeFile(join(folder, 'skua.ko'), '');
    await writeFile(
      join(folder, 'lttng-tracer.ko'),
      'ELF\0vermagic=6.1.0-56-cloud-amd64 SMP preempt mod_unload \0depends=skua\0',
    );
    await writeFile(
      join(folder, 'manifest.json'),
      JSON.stringify({ modules: ['skua.ko', 'lttng-tracer.ko'], sourceHash: '77b125dbbc5313ca' }),
    );
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  const run = { signal: new AbortController().signal, progress: () => undefined };
  function host(fake: FakeHost): Host {
    return new Host(
      fake.facts,
      new Privileged(false, fake.facts.run),
      new PreparedStore(folder),
      join(folder, 'built'),
    );
  }
  const states = (steps: readonly { id: string; state: string }[]): Record<string, string> =>
    Object.fromEntries(steps.map((step) => [step.id, step.state]));

  it('changes nothing when it is only asked', async () => {
    const fake = fakeHost();
    const report = await host(fake).doctor();
    expect(states(report.steps)).toMatchObject({
      kernel: 'ok',
      modules: 'fixable',
      'context-device': 'skipped',
    });
    expect(fake.commands).toEqual(['lttng --mi xml list']);
  });

  it('replaces unused modules, with the daemon stopped meanwhile, and undoes it', async () => {
    const fake = fakeHost();
    const prepared = await host(fake).prepare({ modulesDir: folder }, run);
    expect(states(prepared.report.steps)).toMatchObject({
      headers: 'ok',
      modules: 'ok',
      sessiond: 'ok',
      'context-device': 'ok',
    });
    expect(prepared.needsReconnect).toBe(false);
    const stop = fake.commands.indexOf('systemctl stop lttng-sessiond.service');
    expect(fake.commands.slice(stop).map((command) => command.slice(0, 60))).toEqual([
      'systemctl stop lttng-sessiond.service',
      'rmmod lttng_probe_sched lttng_counter_client_percpu_64_modular lttng_ring_buffer_client_discard lttng_tracer lttng_clock'.slice(
        0,
        60,
      ),
      'xargs -r -L 1 -- insmod',
      'insmod skua.ko gid=106',
      'insmod lttng-tracer.ko',
      'systemctl start lttng-sessiond.service',
      'lttng --mi xml list',
    ]);
    fake.commands.length = 0;
    await host(fake).prepare({ modulesDir: folder }, run);
    expect(fake.commands.filter((command) => !command.startsWith('lttng'))).toEqual([]); // Idempotent.
    fake.files.set('/proc/modules', 'skua 16384 0 - Live 0x0 (OE)\n');
    await host(fake).unprepare(run);
    expect(fake.commands).toContain('rmmod skua');
    expect(fake.files.has('/proc/skua/abi')).toBe(false);
  });

  it('keeps in mind what could not be undone', async () => {
    const fake = fakeHost();
    await host(fake).prepare({ modulesDir: folder }, run);
    fake.files.set('/proc/modules', 'skua 16384 0 - Live 0x0 (OE)\n');
    fake.sessions = '<sessions><session><name>prod</name><enabled>true</enabled></session></sessions>';
    const stuck = (await host(fake).unprepare(run)).steps.find((step) => step.undone === false);
    expect(stuck).toMatchObject({ id: 'modules', error: { code: 'module-in-use' } });
    expect(fake.commands).not.toContain('rmmod skua');
    fake.sessions = '<sessions/>';
    expect((await host(fake).unprepare(run)).steps.filter((step) => step.undone === false)).toEqual([]);
    expect(fake.commands).toContain('rmmod skua');
  });

  it('refuses to touch modules that sessions record with', async () => {
    const fake = fakeHost({
      sessions: '<sessions><session><name>prod</name><enabled>true</enabled></session></sessions>',
    });
    const { report } = await host(fake).prepare({ modulesDir: folder }, run);
    const step = report.steps.find((s) => s.id === 'modules');
    expect(step?.error).toMatchObject({ code: 'module-in-use' });
    expect(step?.error?.message).toContain('prod');
    expect(fake.commands.filter((command) => !command.startsWith('lttng'))).toEqual([]);
  });

  it('says what to do without sudo', async () => {
    const fake = fakeHost({ sudo: false });
    const { report } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(report.steps.find((s) => s.id === 'sudo')?.error).toMatchObject({ code: 'no-sudo' });
    expect(fake.commands).toEqual([]);
  });

  it('adds the user to the group and asks for a new login', async () => {
    const fake = fakeHost({ member: false, processGroups: [1000] });
    const { report, needsReconnect } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(fake.commands).toContain('usermod --append --groups tracing dev');
    expect(states(report.steps)).toMatchObject({ 'tracing-group': 'ok', sessiond: 'skipped' });
    expect(needsReconnect).toBe(true);
    await host(fake).unprepare(run);
    expect(fake.commands).toContain('gpasswd --delete dev tracing');
  });

  it('refuses modules of another kernel, and names both', async () => {
    await writeFile(join(folder, 'lttng-tracer.ko'), '\0vermagic=5.10.0-1-amd64 SMP \0');
    const fake = fakeHost();
    fake.files.set('/lib/modules/6.1.0-56-cloud-amd64/build/Makefile', '');
    const { report } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(report.steps.find((s) => s.id === 'modules')?.error).toMatchObject({ code: 'module-refused' });
    expect(await moduleInfo(join(folder, 'lttng-tracer.ko'), 'vermagic')).toBe('5.10.0-1-amd64 SMP ');
  });

  it('stops at secure boot', async () => {
    const fake = fakeHost();
    fake.files.set('/sys/kernel/security/lockdown', 'none [integrity] confidentiality');
    const { report } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(states(report.steps)).toMatchObject({ 'secure-boot': 'failed', modules: 'skipped' });
    expect(report.steps.find((s) => s.id === 'secure-boot')?.error?.code).toBe('secure-boot');
  });
});

describe('steps', () => {
  const step = (id: Step['id'], found: Check, more: Partial<Step> = {}): Step => ({
    id,
    title: id,
    needs: [],
    check: () => Promise.resolve(found),
    ...more,
  });
  const run = { signal: new AbortController().signal, progress: () => undefined };

  it('calls a step failed that was done without effect', async () => {
    const useless = step(
      'sudo',
      { state: 'fixable', found: 'no', remedy: 'x' },
      { do: () => Promise.resolve() },
    );
    expect((await doSteps([useless], run)).map((r) => r.state)).toEqual(['failed']);
  });

  it('turns anything thrown into a failed step, and skips what needs it', async () => {
    const steps = [
      step(
        'sudo',
        { state: 'fixable', found: 'no', remedy: 'x' },
        { do: () => Promise.reject(new Error('boom')) },
      ),
      step(
        'modules',
        { state: 'fixable', found: 'not loaded', remedy: 'x' },
        { needs: ['sudo'], do: () => Promise.resolve() },
      ),
    ];
    const reports = await doSteps(steps, run);
    expect(reports.map((r) => [r.state, r.error?.code])).toEqual([
      ['failed', 'internal'],
      ['skipped', undefined],
    ]);
    expect((await checkSteps(steps)).map((r) => r.state)).toEqual(['fixable', 'fixable']);
  });
});
