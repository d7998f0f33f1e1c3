import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SKUA } from '../../common/model/abi';
import type { SkuaErrorData } from '../../common/base/errors';
import type { Run, RunResult } from '../base/run';
import type { Facts } from './facts';
import { Host } from './host';
import { explainInsmod, moduleInfo } from './modules';
import { packageManager } from './packages';
import * as parse from './parse';
import { PreparedStore } from './state';
import { checkSteps, doSteps, type Check, type Step } from './step';
import { commandOf, inputOf, Privileged } from './verbs';

// What a session daemon leaves that has ended.
const PART_OF_MODULES = 'lttng_tracer 2633728 0 - Live 0x0 (OE)\nskua 16384 1 lttng_tracer, Live 0x0 (OE)\n';
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

  it.each([
    ['Key was rejected by service', {}, 'secure-boot', /signed/],
    ['Operation not permitted', { lockdown: 'integrity' }, 'secure-boot', /signed/],
    ['Operation not permitted', { modulesDisabled: true }, 'module-refused', /modules_disabled/],
    ['Operation not permitted', {}, 'module-refused', /container/],
    ['Invalid module format', {}, 'module-refused', /does not fit the running kernel/],
    ['Cannot allocate memory', {}, 'module-refused', /dmesg/],
  ])('explains what insmod says: %s, %j', (said, limits, code, text) => {
    const error = explainInsmod('skua.ko', `insmod: ERROR: could not insert module skua.ko: ${said}`, {
      secureBoot: undefined,
      lockdown: 'none',
      signaturesEnforced: false,
      modulesDisabled: false,
      ...limits,
    });
    expect(error.code).toBe(code);
    expect(`${error.message} ${error.remedy}`).toMatch(text);
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
  /** The session daemon does not answer, until it is restarted. */
  hung: boolean;
}

const OK: RunResult = { code: 0, signal: null, stdout: '', stderr: '' };
const REPLY = (body: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><command><name>list</name><output>${body}</output></command>`;

interface FakeOptions {
  /** `free`, `no` (no such program), or the password it asks for. */
  readonly sudo?: string;
  readonly sessions?: string;
  readonly member?: boolean;
  readonly processGroups?: number[];
  readonly missing?: readonly string[];
  /** What insmod prints, instead of loading. */
  readonly insmod?: string;
  readonly build?: RunResult;
}

/** A Debian host in memory. */
function fakeHost(options: FakeOptions = {}): FakeHost {
  const { sudo = 'free', sessions = '<sessions/>', processGroups = [106], missing = [] } = options;
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
    const command = [file, ...args].join(' ').replace(/^sudo (?:-n|-S -k -p ) (?:-- )?/, '');
    let input = run?.input ?? '';
    if (file === 'sudo') {
      if (sudo === 'no') return Promise.resolve({ ...OK, code: 127 });
      if (sudo !== 'free' && args[0] === '-n')
        return Promise.resolve({ ...OK, code: 1, stderr: 'sudo: a password is required' });
      if (args[0] === '-S') {
        if (!input.startsWith(`${sudo}\n`)) {
          commands.push('wrong password');
          return Promise.resolve({ ...OK, code: 1, stderr: 'sudo: 1 incorrect password attempt' });
        }
        input = input.slice(sudo.length + 1);
      }
      if (command !== 'true') commands.push(command);
    }
    if (file === 'bash') {
      commands.push(command);
      if (options.build !== undefined) return Promise.resolve(options.build);
    }
    if (command === 'lttng --version')
      return Promise.resolve({ ...OK, stdout: 'lttng (LTTng Trace Control) 2.13.9' });
    if (command === 'lttng --mi xml list') return Promise.resolve({ ...OK, stdout: REPLY(fake.sessions) });
    if (command === 'lttng --mi xml list --kernel') {
      if (fake.hung) return Promise.resolve({ ...OK, code: null, signal: 'SIGKILL' });
      return Promise.resolve({
        ...OK,
        stdout: REPLY(
          '<domains><domain><events><event><name>skua_fd</name></event></events></domain></domains>',
        ),
      });
    }
    if (command.startsWith('systemctl stop')) {
      files.delete('/proc/200/comm');
      fake.hung = false;
    }
    if (command.startsWith('systemctl start')) files.set('/proc/200/comm', 'lttng-sessiond\n');
    if (command.startsWith('rmmod')) files.set('/proc/modules', '').delete('/proc/skua/abi');
    if (command.startsWith('usermod')) members = 'dev';
    if (command.startsWith('gpasswd')) members = '';
    if (command.startsWith('xargs')) {
      if (options.insmod !== undefined)
        return Promise.resolve({
          ...OK,
          code: 123,
          stderr: `insmod: ERROR: could not insert module /m/skua.ko: ${options.insmod}`,
        });
      commands.push(
        ...input
          .trim()
          .split('\n')
          .map((line) => `insmod ${line.replace(/\/\S*\//, '')}`),
      );
      files
        .set('/proc/modules', PROC_MODULES)
        .set('/proc/skua/abi', `${SKUA.ABI_VERSION} 77b125dbbc5313ca\n`)
        .set('/proc/skua', '')
        .set('/proc/skua/context', '');
    }
    if (file === 'mokutil') return Promise.resolve({ ...OK, code: 127 });
    return Promise.resolve(OK);
  };
  const fake: FakeHost = {
    commands,
    files,
    sessions,
    hung: false,
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
      hasProgram: (name) => Promise.resolve(!missing.includes(name)),
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
      (password) => new Privileged(password, false, fake.facts.run),
      new PreparedStore(folder),
    );
  }
  const HASH = '77b125dbbc5313ca';
  const states = (steps: readonly { id: string; state: string }[]): Record<string, string> =>
    Object.fromEntries(steps.map((step) => [step.id, step.state]));

  it('changes nothing when it is only asked', async () => {
    const fake = fakeHost();
    const report = await host(fake).doctor({});
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
    await host(fake).unprepare({}, run);
    expect(fake.commands).toContain('rmmod skua');
    expect(fake.files.has('/proc/skua/abi')).toBe(false);
  });

  it('keeps in mind what could not be undone', async () => {
    const fake = fakeHost();
    await host(fake).prepare({ modulesDir: folder }, run);
    fake.files.set('/proc/modules', 'skua 16384 0 - Live 0x0 (OE)\n');
    fake.sessions = '<sessions><session><name>prod</name><enabled>true</enabled></session></sessions>';
    const stuck = (await host(fake).unprepare({}, run)).steps.find((step) => step.undone === false);
    expect(stuck).toMatchObject({ id: 'modules', error: { code: 'module-in-use' } });
    expect(fake.commands).not.toContain('rmmod skua');
    fake.sessions = '<sessions/>';
    expect((await host(fake).unprepare({}, run)).steps.filter((step) => step.undone === false)).toEqual([]);
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
    const fake = fakeHost({ sudo: 'no' });
    const { report } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(report.steps.find((s) => s.id === 'sudo')?.error).toMatchObject({ code: 'no-sudo' });
    expect(fake.commands).toEqual([]);
  });

  it('gives sudo the password when it asks, and asks for one when there is none', async () => {
    const fake = fakeHost({ sudo: 'correct horse' });
    const asked = await host(fake).doctor({});
    expect(asked.steps.find((s) => s.id === 'sudo')).toMatchObject({ state: 'fixable' });
    // Without root nobody knows whether somebody records: that is not a failure, it is asked once root is there.
    expect(states(asked.steps)).toMatchObject({ modules: 'fixable' });
    const none = await host(fake).prepare({ modulesDir: folder }, run);
    expect(states(none.report.steps)).toMatchObject({ sudo: 'fixable', modules: 'skipped' });
    expect(fake.commands).toEqual([]);

    const given = await host(fake).prepare({ modulesDir: folder, sudoPassword: 'correct horse' }, run);
    expect(states(given.report.steps)).toMatchObject({ sudo: 'ok', modules: 'ok', sessiond: 'ok' });
    // The password was a line of its own: insmod saw only its own arguments.
    expect(fake.commands).toContain('insmod skua.ko gid=106');
    expect(fake.commands.join('\n')).not.toContain('horse');
    expect(states((await host(fake).doctor({})).steps)).toMatchObject({ sudo: 'skipped' });
  });

  it('tries a wrong password once only', async () => {
    const fake = fakeHost({ sudo: 'right' });
    const { report } = await host(fake).prepare({ modulesDir: folder, sudoPassword: 'wrong' }, run);
    expect(report.steps.find((s) => s.id === 'sudo')?.error?.code).toBe('no-sudo');
    expect(fake.commands).toEqual(['wrong password']);
  });

  it('replaces an outdated build that it can work with, unless somebody records with it', async () => {
    const inputs = { modulesDir: folder, modulesHash: HASH };
    const outdated = (fake: FakeHost): void => {
      fake.files
        .set('/proc/skua/abi', `${SKUA.ABI_VERSION} 0123456789abcdef\n`)
        .set('/proc/skua', '')
        .set('/proc/skua/context', '');
    };
    const fake = fakeHost();
    outdated(fake);
    expect(states((await host(fake).doctor(inputs)).steps)).toMatchObject({ modules: 'fixable' });
    expect(states((await host(fake).doctor({})).steps)).toMatchObject({ modules: 'ok' });
    await host(fake).prepare(inputs, run);
    expect(fake.files.get('/proc/skua/abi')).toContain(HASH);

    const busy = fakeHost({ sessions: '<sessions><session><name>skua-other</name></session></sessions>' });
    outdated(busy);
    const kept = (await host(busy).prepare(inputs, run)).report.steps.find((s) => s.id === 'modules');
    expect(kept).toMatchObject({ state: 'ok' });
    expect(kept?.found).toContain('skua-other');
    const locked = fakeHost({ sudo: 'no' });
    outdated(locked);
    expect(states((await host(locked).prepare(inputs, run)).report.steps)).toMatchObject({ modules: 'ok' });
    for (const each of [busy, locked])
      expect(each.commands.filter((command) => !command.startsWith('lttng'))).toEqual([]);
  });

  it('loads all of them again when a session daemon that ended has unloaded a part', async () => {
    const fake = fakeHost();
    const inputs = { modulesDir: folder, modulesHash: HASH };
    await host(fake).prepare(inputs, run);
    fake.files.set('/proc/modules', PART_OF_MODULES);
    fake.commands.length = 0;
    const found = (await host(fake).doctor(inputs)).steps.find((step) => step.id === 'modules');
    expect(found).toMatchObject({ state: 'fixable' });
    expect(found?.found).toContain('only a part');
    expect(states((await host(fake).prepare(inputs, run)).report.steps)).toMatchObject({ modules: 'ok' });
    expect(fake.commands).toContain('rmmod lttng_tracer skua');
    expect(fake.commands).toContain('insmod skua.ko gid=106');
  });

  it.each([
    ['takes a part of the modules along', true],
    ['had to be killed', false],
  ])('restarts a session daemon that does not answer and %s', async (_how, unloads) => {
    const fake = fakeHost();
    const inputs = { modulesDir: folder, modulesHash: HASH };
    await host(fake).prepare(inputs, run);
    fake.commands.length = 0;
    fake.hung = true;
    const { run: runCommand } = fake.facts;
    const facts: Facts = {
      ...fake.facts,
      run: (file, args, options) => {
        if (unloads && args.includes('stop')) fake.files.set('/proc/modules', PART_OF_MODULES);
        return runCommand(file, args, options);
      },
    };
    const found = (await host({ ...fake, facts }).doctor(inputs)).steps.find(
      (step) => step.id === 'sessiond',
    );
    expect(found).toMatchObject({ state: 'fixable', found: 'Running, but it does not answer' });
    expect(states((await host({ ...fake, facts }).prepare(inputs, run)).report.steps)).toMatchObject({
      modules: 'ok',
      sessiond: 'ok',
    });
    expect(fake.commands).toContain('systemctl start lttng-sessiond.service');
    expect(fake.commands.includes('insmod skua.ko gid=106')).toBe(unloads);
  });

  it('replaces modules of another interface, but not under a running session', async () => {
    const fake = fakeHost({ sessions: '<sessions><session><name>skua-other</name></session></sessions>' });
    fake.files.set('/proc/skua/abi', '99 0123456789abcdef\n');
    const { report } = await host(fake).prepare({ modulesDir: folder, modulesHash: HASH }, run);
    const step = report.steps.find((s) => s.id === 'modules');
    expect(step?.error).toMatchObject({ code: 'module-in-use' });
    expect(step?.error?.message).toContain('skua-other');
    expect(fake.commands).not.toContain('systemctl stop lttng-sessiond.service');
  });

  describe('without modules for this kernel', () => {
    const BUILD = '/lib/modules/6.1.0-56-cloud-amd64/build';
    const inputs = (): { modulesDir: string; sourceDir: string } => ({
      modulesDir: join(folder, 'none'),
      sourceDir: '/home/dev/source',
    });
    const withHeaders = (fake: FakeHost): FakeHost => {
      fake.files.set(`${BUILD}/Makefile`, '');
      return fake;
    };
    const errorOf = async (fake: FakeHost, id: string): Promise<SkuaErrorData | undefined> =>
      (await host(fake).prepare(inputs(), run)).report.steps.find((s) => s.id === id)?.error;

    it('builds them from the package that the client brought', async () => {
      const fake = withHeaders(fakeHost({ build: { ...OK, code: 2, stderr: 'skua-main.c:1: error: no' } }));
      const error = await errorOf(fake, 'build');
      expect(fake.commands).toContain(
        `bash /home/dev/source/kernel/build.sh --source /home/dev/source/lttng-modules.deb --headers ${BUILD} --out ${folder}/none`,
      );
      expect(error).toMatchObject({ code: 'module-build-failed', detail: 'skua-main.c:1: error: no' });
    });

    it('tells a full disk from a build that fails', async () => {
      const build = { ...OK, code: 2, stderr: 'cc1: error: writing: No space left on device' };
      expect((await errorOf(withHeaders(fakeHost({ build })), 'build'))?.code).toBe('disk-full');
    });

    it('installs headers; says how to get them where the distribution has none', async () => {
      const fake = fakeHost({ build: { ...OK, code: 2 } });
      expect((await errorOf(fake, 'headers'))?.code).toBe('internal'); // "Done, but without effect": the fake installs nothing.
      expect(fake.commands.find((command) => command.startsWith('apt-get install'))).toContain(
        'linux-headers-6.1.0-56-cloud-amd64',
      );
      const unknown = fakeHost();
      unknown.files.set('/etc/os-release', 'ID=arch\n');
      const error = await errorOf(unknown, 'headers');
      expect(error?.code).toBe('no-headers');
      expect(error?.remedy).toContain('kernel-devel-6.1.0-56-cloud-amd64');
    });

    it('names the compiler when only that is missing', async () => {
      const fake = withHeaders(fakeHost({ missing: ['gcc', 'dpkg-deb', 'xz'] }));
      fake.files.set('/etc/os-release', 'ID=arch\n');
      const error = await errorOf(fake, 'headers');
      expect(error?.code).toBe('no-compiler');
      expect(error?.message).toContain('gcc, xz');
    });
  });

  it('explains what the kernel refused, and starts the session daemon again', async () => {
    const fake = fakeHost({ insmod: 'Invalid module format' });
    const { report } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(report.steps.find((s) => s.id === 'modules')?.error?.code).toBe('module-refused');
    expect(fake.commands.at(-2)).toBe('systemctl start lttng-sessiond.service');
  });

  it('says that module loading is switched off', async () => {
    const fake = fakeHost();
    fake.files.set('/proc/sys/kernel/modules_disabled', '1\n');
    const error = (await host(fake).doctor({})).steps.find((s) => s.id === 'secure-boot')?.error;
    expect(error).toMatchObject({ code: 'module-refused' });
    expect(error?.remedy).toContain('reboot');
  });

  it('reads Secure Boot from UEFI itself where mokutil is missing, and accepts signed modules', async () => {
    const fake = fakeHost();
    fake.files
      .set('/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c', '\u0006\0\0\0\u0001')
      .set('/sys/kernel/security/lockdown', 'none [integrity] confidentiality');
    const inputs = { modulesDir: folder };
    const found = (await host(fake).doctor(inputs)).steps.find((s) => s.id === 'secure-boot');
    expect(found?.found).toContain('Secure Boot on, lockdown integrity');
    expect(found?.error?.remedy).toContain(folder);
    for (const name of ['skua.ko', 'lttng-tracer.ko'])
      await appendFile(join(folder, name), 'PKCS#7~Module signature appended~\n');
    expect(states((await host(fake).doctor(inputs)).steps)).toMatchObject({ 'secure-boot': 'ok' });
  });

  it('adds the user to the group and asks for a new login', async () => {
    const fake = fakeHost({ member: false, processGroups: [1000] });
    const { report, needsReconnect } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(fake.commands).toContain('usermod --append --groups tracing dev');
    expect(states(report.steps)).toMatchObject({ 'tracing-group': 'ok', sessiond: 'skipped' });
    expect(needsReconnect).toBe(true);
    await host(fake).unprepare({}, run);
    expect(fake.commands).toContain('gpasswd --delete dev tracing');
  });

  it('refuses modules of another kernel, and names both', async () => {
    await writeFile(join(folder, 'lttng-tracer.ko'), '\0vermagic=5.10.0-1-amd64 SMP \0');
    const fake = fakeHost();
    fake.files.set('/lib/modules/6.1.0-56-cloud-amd64/build/Makefile', '');
    const { report } = await host(fake).prepare({ modulesDir: folder }, run);
    expect(report.steps.find((s) => s.id === 'build')?.error).toMatchObject({ code: 'module-refused' });
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
    const error = { code: 'lttng-failed', message: 'still not', remedy: 'look there' } as const;
    const explained = step(
      'sessiond',
      { state: 'fixable', found: 'no', remedy: 'x', inVain: error },
      { do: () => Promise.resolve() },
    );
    expect((await checkSteps([explained]))[0]).toMatchObject({ state: 'fixable', remedy: 'x' });
    expect((await doSteps([explained], run))[0]).toMatchObject({
      state: 'failed',
      found: 'still not',
      error,
    });
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
