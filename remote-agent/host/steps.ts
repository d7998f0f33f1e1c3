import { join } from 'node:path';
import { SkuaError } from '../../common/base/errors';
import { parseMi } from '../lttng/mi';
import { TRACING_GROUP, type Facts } from './facts';
import { explainInsmod, refused, verifyModules, type ModuleSet } from './modules';
import { buildPackages, installedQuery, lttngPackages, packageManager } from './packages';
import {
  kernelAtLeast,
  parseAbi,
  parseLockdown,
  parseLttngVersion,
  parseSecureBoot,
  unloadOrder,
} from './parse';
import type { PreparedStore } from './state';
import type { Check, Step, StepRun } from './step';
import { noSudo, type PackageManager, type Privileged } from './verbs';
import { Sessiond } from './sessiond';

/** ABI version of kernel/include/skua_abi.h that this agent speaks. */
const ABI_VERSION = 1;
const ABI_FILE = '/proc/skua/abi';
const CONTEXT_FILE = '/proc/skua/context';

export interface StepInputs {
  /** Folder with prebuilt modules, a candidate: verified before use. */
  readonly modulesDir?: string;
  /** Folder with the lttng-modules source and Skua's kernel/ folder, to build from. */
  readonly sourceDir?: string;
  /** Where a build on this host puts its modules. */
  readonly buildDir: string;
  /** Told the folder when modules were built here. */
  readonly onBuilt?: (folder: string) => void;
}

/** All steps of preparing a host, in order. */
export function hostSteps(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  inputs: StepInputs,
): readonly Step[] {
  const sessiond = new Sessiond(facts, privileged);
  return [
    kernelStep(facts),
    secureBootStep(facts),
    sudoStep(facts, privileged, inputs),
    lttngToolsStep(facts, privileged, store),
    tracingGroupStep(facts, privileged, store),
    headersStep(facts, privileged, store, inputs),
    modulesStep(facts, privileged, store, sessiond, inputs),
    sessiondStep(facts, store, sessiond),
    relaydStep(facts),
    contextDeviceStep(facts),
  ];
}

function kernelStep(facts: Facts): Step {
  return {
    id: 'kernel',
    title: 'Kernel and architecture',
    needs: [],
    check: () => {
      const found = `Linux ${facts.kernelRelease} on ${facts.arch}`;
      const problem =
        facts.arch !== 'x64'
          ? 'Skua records registers and system calls of x86-64 only.'
          : kernelAtLeast(facts.kernelRelease, 5, 10)
            ? undefined
            : 'Skua needs Linux 5.10 or later.';
      return Promise.resolve<Check>(
        problem === undefined
          ? { state: 'ok', found }
          : {
              state: 'failed',
              found,
              error: {
                code: 'module-refused',
                message: `${found}: ${problem}`,
                remedy: 'Trace on another host, or in the sandbox.',
              },
            },
      );
    },
  };
}

async function moduleLoaded(facts: Facts): Promise<ReturnType<typeof parseAbi>> {
  const text = await facts.readText(ABI_FILE);
  return text === undefined ? undefined : parseAbi(text);
}

function secureBootStep(facts: Facts): Step {
  return {
    id: 'secure-boot',
    title: 'Secure Boot and kernel lockdown',
    needs: [],
    check: async () => {
      const lockdown = parseLockdown((await facts.readText('/sys/kernel/security/lockdown')) ?? '') ?? 'none';
      const enforced =
        ((await facts.readText('/sys/module/module/parameters/sig_enforce')) ?? 'N').trim() === 'Y';
      const mokutil = await facts.run('mokutil', ['--sb-state'], { timeoutMs: 10_000 });
      const secureBoot = parseSecureBoot(mokutil.stdout + mokutil.stderr);
      const found = `Secure Boot ${secureBoot === undefined ? 'not in use' : secureBoot ? 'on' : 'off'}, lockdown ${lockdown}${enforced ? ', module signatures enforced' : ''}`;
      if ((lockdown === 'none' && !enforced) || (await moduleLoaded(facts)) !== undefined)
        return { state: 'ok', found };
      return {
        state: 'failed',
        found,
        error: {
          code: 'secure-boot',
          message: `This kernel loads signed modules only (${found}).`,
          remedy:
            'Enrol a machine owner key (mokutil --import key.der, reboot, confirm) and sign the modules with it, or switch Secure Boot off for this host. docs/host-preparation.md has the commands.',
        },
      };
    },
  };
}

function sudoStep(facts: Facts, privileged: Privileged, inputs: StepInputs): Step {
  return {
    id: 'sudo',
    title: 'Commands as root',
    needs: [],
    check: async () => {
      if (facts.uid === 0) return { state: 'ok', found: 'The user is root' };
      if (await privileged.available()) return { state: 'ok', found: 'sudo works without a password' };
      const prepared = (await moduleLoaded(facts)) !== undefined && (await facts.writable(CONTEXT_FILE));
      if (prepared && inputs.modulesDir === undefined) {
        return { state: 'skipped', found: 'No sudo, and none needed: the host is prepared' };
      }
      if (prepared) return { state: 'skipped', found: 'No sudo; the modules that are loaded will be used' };
      return { state: 'failed', found: 'sudo asks for a password or refuses', error: noSudo().toData() };
    },
  };
}

function lttngToolsStep(facts: Facts, privileged: Privileged, store: PreparedStore): Step {
  const programs = ['lttng', 'lttng-sessiond', 'lttng-relayd'];
  return {
    id: 'lttng-tools',
    title: 'LTTng tools',
    needs: ['sudo'],
    check: async () => {
      const missing: string[] = [];
      for (const program of programs) if (!(await facts.hasProgram(program))) missing.push(program);
      if (missing.length > 0) {
        const manager = packageManager((await facts.distribution()).ids);
        if (manager === undefined)
          return { state: 'failed', found: `Missing: ${missing.join(', ')}`, error: lttngMissing().toData() };
        return {
          state: 'fixable',
          found: `Missing: ${missing.join(', ')}`,
          remedy: `Installs ${lttngPackages(manager).join(', ')} with ${manager}.`,
        };
      }
      const version = parseLttngVersion(
        (await facts.run('lttng', ['--version'], { timeoutMs: 20_000 })).stdout,
      );
      const found = `lttng-tools ${version?.join('.') ?? 'of unknown version'}`;
      if (version !== undefined && (version[0] < 2 || (version[0] === 2 && version[1] < 12))) {
        return {
          state: 'failed',
          found,
          error: {
            code: 'lttng-missing',
            message: `${found} is too old.`,
            remedy: 'Install lttng-tools 2.12 or later (2.13 is tested).',
          },
        };
      }
      return { state: 'ok', found };
    },
    do: async (run) => {
      const manager = packageManager((await facts.distribution()).ids);
      if (manager === undefined) throw lttngMissing();
      await install(facts, privileged, store, manager, lttngPackages(manager), lttngMissing, run);
    },
    undo: async () => {
      await removePackages(facts, privileged, store);
    },
  };
}

function lttngMissing(detail = ''): SkuaError {
  return new SkuaError({
    code: 'lttng-missing',
    message: 'The LTTng tools are not installed and could not be installed.',
    remedy:
      "Install the package lttng-tools (2.13 or later) with the host's package manager, then try again.",
    ...(detail === '' ? {} : { detail }),
  });
}

async function install(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  manager: PackageManager,
  packages: readonly string[],
  failure: (output: string) => SkuaError,
  run: StepRun,
): Promise<void> {
  const options = {
    signal: run.signal,
    onLine: (line: string) => {
      run.progress(line.slice(0, 120));
    },
  };
  // Only what is missing is installed and written down, so that undoing never removes what was there before.
  const absent: string[] = [];
  for (const name of packages) if (!(await isInstalled(facts, manager, name))) absent.push(name);
  if (absent.length === 0) return;
  run.progress('Refreshing package lists');
  await privileged.try({ verb: 'refresh-package-lists', manager }, options);
  await privileged.perform({ verb: 'install-packages', manager, packages: absent }, failure, options);
  const before = (await store.read()).installedPackages ?? [];
  await store.update({ installedPackages: [...new Set([...before, ...absent])] });
}

async function isInstalled(facts: Facts, manager: PackageManager, name: string): Promise<boolean> {
  const [file, ...args] = installedQuery(manager, name);
  const result = await facts.run(file, args, { timeoutMs: 30_000 });
  return result.code === 0 && (manager !== 'apt-get' || result.stdout.includes('install ok installed'));
}

async function removePackages(facts: Facts, privileged: Privileged, store: PreparedStore): Promise<void> {
  const packages = (await store.read()).installedPackages ?? [];
  const manager = packageManager((await facts.distribution()).ids);
  if (packages.length === 0 || manager === undefined) return;
  await privileged.perform(
    { verb: 'remove-packages', manager, packages },
    (output) =>
      new SkuaError({
        code: 'lttng-failed',
        message: `The packages ${packages.join(', ')} could not be removed.`,
        remedy: `Remove them by hand: ${manager} remove ${packages.join(' ')}`,
        detail: output,
      }),
  );
  await store.update({ installedPackages: [] });
}

function tracingGroupStep(facts: Facts, privileged: Privileged, store: PreparedStore): Step {
  const failure = (output: string): SkuaError =>
    new SkuaError({
      code: 'context-permission',
      message: `The user ${facts.user} could not be added to the group ${TRACING_GROUP}.`,
      remedy: `Run as root: usermod -aG ${TRACING_GROUP} ${facts.user}; then connect again.`,
      detail: output,
    });
  return {
    id: 'tracing-group',
    title: `Membership of the group ${TRACING_GROUP}`,
    needs: ['sudo', 'lttng-tools'],
    check: async () => {
      const group = await facts.group(TRACING_GROUP);
      if (group === undefined) {
        return {
          state: 'fixable',
          found: `The group ${TRACING_GROUP} does not exist`,
          remedy: `Creates it and adds ${facts.user}.`,
        };
      }
      if (facts.uid === 0) return { state: 'ok', found: 'The user is root' };
      if (facts.processGroups().includes(group.gid))
        return { state: 'ok', found: `${facts.user} is a member` };
      if (group.members.includes(facts.user)) {
        return { state: 'ok', found: `${facts.user} is a member from the next login on` };
      }
      return {
        state: 'fixable',
        found: `${facts.user} is not a member`,
        remedy: `Adds ${facts.user}; a new login is needed then.`,
      };
    },
    do: async () => {
      if ((await facts.group(TRACING_GROUP)) === undefined) {
        await privileged.perform({ verb: 'create-group', group: TRACING_GROUP }, failure);
        await store.update({ createdGroup: true });
      }
      if (facts.uid === 0) return;
      await privileged.perform({ verb: 'join-group', user: facts.user, group: TRACING_GROUP }, failure);
      await store.update({ joinedGroup: true });
    },
    undo: async () => {
      const state = await store.read();
      if (state.joinedGroup === true) {
        await privileged.perform({ verb: 'leave-group', user: facts.user, group: TRACING_GROUP }, failure);
        await store.update({ joinedGroup: false });
      }
      if (state.createdGroup === true) {
        await privileged.perform({ verb: 'delete-group', group: TRACING_GROUP }, failure);
        await store.update({ createdGroup: false });
      }
    },
  };
}

/** True when the user is in the group by /etc/group but this login does not have it yet. */
export async function needsNewLogin(facts: Facts): Promise<boolean> {
  if (facts.uid === 0) return false;
  const group = await facts.group(TRACING_GROUP);
  return (
    group !== undefined && group.members.includes(facts.user) && !facts.processGroups().includes(group.gid)
  );
}

function headersStep(facts: Facts, privileged: Privileged, store: PreparedStore, inputs: StepInputs): Step {
  const headers = `/lib/modules/${facts.kernelRelease}/build`;
  const missing = async (): Promise<string[]> => {
    const list: string[] = [];
    if (!(await facts.exists(`${headers}/Makefile`))) list.push('kernel headers');
    for (const tool of ['gcc', 'make', 'patch']) if (!(await facts.hasProgram(tool))) list.push(tool);
    return list;
  };
  return {
    id: 'headers',
    title: 'Modules for this kernel, or headers and a compiler',
    needs: ['sudo'],
    check: async () => {
      if ((await moduleLoaded(facts)) !== undefined)
        return { state: 'ok', found: "Not needed: Skua's modules are loaded" };
      if (inputs.modulesDir !== undefined && (await fits(inputs.modulesDir, facts))) {
        return { state: 'ok', found: 'Not needed: prebuilt modules fit this kernel' };
      }
      const list = await missing();
      if (list.length === 0)
        return { state: 'ok', found: `Headers of ${facts.kernelRelease} and a compiler` };
      const manager = packageManager((await facts.distribution()).ids);
      const found = `Missing: ${list.join(', ')}`;
      if (manager === undefined)
        return { state: 'failed', found, error: noHeaders(facts.kernelRelease, list).toData() };
      return {
        state: 'fixable',
        found,
        remedy: `Installs ${buildPackages(manager, facts.kernelRelease).join(', ')} with ${manager}, unless prebuilt modules are at hand.`,
      };
    },
    do: async (run) => {
      const manager = packageManager((await facts.distribution()).ids);
      const list = await missing();
      if (manager === undefined) throw noHeaders(facts.kernelRelease, list);
      const failure = (output: string): SkuaError => noHeaders(facts.kernelRelease, list, output);
      await install(
        facts,
        privileged,
        store,
        manager,
        buildPackages(manager, facts.kernelRelease),
        failure,
        run,
      );
    },
    // Packages of this step are removed with those of lttng-tools.
  };
}

function noHeaders(release: string, missing: readonly string[], detail = ''): SkuaError {
  const compiler = !missing.includes('kernel headers');
  return new SkuaError({
    code: compiler ? 'no-compiler' : 'no-headers',
    message: compiler
      ? `The host has no compiler to build the modules with (missing: ${missing.join(', ')}).`
      : `The headers of kernel ${release} are not installed, and its package could not be installed.`,
    remedy: compiler
      ? "Install gcc, make and patch with the host's package manager."
      : `Install the headers of the running kernel (Debian: linux-headers-${release}; Fedora: kernel-devel-${release}). When the package is gone from the archive, boot the newest kernel first, or build elsewhere with kernel/build.sh.`,
    ...(detail === '' ? {} : { detail }),
  });
}

async function fits(folder: string, facts: Facts): Promise<boolean> {
  try {
    await verifyModules(folder, facts);
    return true;
  } catch {
    return false; // Why it does not fit is told by the modules step, when there is no other way either.
  }
}

function modulesStep(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  sessiond: Sessiond,
  inputs: StepInputs,
): Step {
  const isLttng = (name: string): boolean => name.startsWith('lttng_') || name === 'skua';
  const candidate = async (): Promise<ModuleSet | undefined> => {
    if (inputs.modulesDir === undefined) return undefined;
    return await verifyModules(inputs.modulesDir, facts).catch(() => undefined);
  };
  const unloadAll = async (): Promise<void> => {
    const { order, blocked } = unloadOrder(await facts.modules(), isLttng);
    const other = blocked[0];
    if (other !== undefined) throw inUse(`The module ${other.name} is used by ${other.users.join(', ')}.`);
    if (order.length === 0) return;
    await privileged.perform({ verb: 'unload-modules', names: order }, (output) =>
      inUse('The LTTng modules that are loaded cannot be unloaded.', output),
    );
  };
  return {
    id: 'modules',
    title: "Skua's LTTng modules",
    needs: ['kernel', 'secure-boot', 'sudo', 'headers'],
    check: async () => {
      const loaded = await moduleLoaded(facts);
      const set = await candidate();
      if (loaded !== undefined && loaded.version === ABI_VERSION) {
        const stale =
          set !== undefined &&
          set.sourceHash !== '' &&
          loaded.sourceHash !== '' &&
          set.sourceHash !== loaded.sourceHash;
        if (!stale)
          return {
            state: 'ok',
            found: `Loaded, interface ${loaded.version}, build ${loaded.sourceHash.slice(0, 12) || 'unknown'}`,
          };
      }
      const stock = (await facts.modules()).some((m) => m.name === 'lttng_tracer');
      const found =
        loaded !== undefined
          ? `An other build of Skua's modules is loaded (interface ${loaded.version}, build ${loaded.sourceHash.slice(0, 12)})`
          : stock
            ? "The distribution's own LTTng modules are loaded"
            : 'Not loaded';
      const sessions = stock ? await sessiond.foreignSessions() : [];
      if (sessions.length > 0) {
        const error = inUse(
          `LTTng sessions are recording with the modules that are loaded: ${sessions.join(', ')}.`,
        );
        return { state: 'failed', found, error: error.toData() };
      }
      return {
        state: 'fixable',
        found,
        remedy: `${stock ? 'Unloads them (no session uses them) and loads' : 'Loads'} Skua's modules${set === undefined ? ', built for this kernel if need be' : ''}. Nothing is installed: they are gone after a reboot.`,
      };
    },
    do: async (run) => {
      const set = (await candidate()) ?? (await build(facts, inputs, run));
      const sessions = await sessiond.foreignSessions();
      if (sessions.length > 0) throw inUse(`LTTng sessions are recording: ${sessions.join(', ')}.`);
      const gid = (await facts.group(TRACING_GROUP))?.gid ?? 0;
      run.progress('Stopping the session daemon');
      const wasRunning = await sessiond.stop();
      try {
        await unloadAll();
        await store.update({ loadedModules: true, bootId: await bootId(facts) });
        run.progress(`Loading ${set.files.length} modules`);
        const modules = set.files.map((file) => ({
          path: join(set.folder, file),
          parameters: file === 'skua.ko' ? { gid } : {},
        }));
        const result = await privileged.try({ verb: 'load-modules', modules });
        const problems = result.stderr
          .split('\n')
          .filter((line) => /insmod/.test(line) && !/File exists/.test(line));
        if (problems.length > 0 || result.code === 127) {
          throw explainInsmod(/[\w-]+\.ko/.exec(problems[0] ?? '')?.[0] ?? 'skua.ko', result.stderr);
        }
      } finally {
        // Also after a failure: the host's own session daemon must not stay down because of us.
        if (wasRunning) await sessiond.start();
      }
    },
    undo: async () => {
      const state = await store.read();
      if (state.loadedModules !== true) return;
      if (state.bootId === (await bootId(facts)) && (await moduleLoaded(facts)) !== undefined) {
        const sessions = await sessiond.foreignSessions();
        if (sessions.length > 0) throw inUse(`LTTng sessions are recording: ${sessions.join(', ')}.`);
        const wasRunning = await sessiond.stop();
        try {
          await unloadAll();
        } finally {
          if (wasRunning && state.spawnedSessiond !== true) await sessiond.start();
        }
      }
      await store.update({ loadedModules: false, spawnedSessiond: false });
    },
  };
}

async function bootId(facts: Facts): Promise<string> {
  return ((await facts.readText('/proc/sys/kernel/random/boot_id')) ?? '').trim();
}

function inUse(message: string, detail = ''): SkuaError {
  return new SkuaError({
    code: 'module-in-use',
    message,
    remedy:
      'Stop and destroy those LTTng sessions (lttng list; lttng destroy NAME), then try again. Skua does not touch sessions of others.',
    ...(detail === '' ? {} : { detail }),
  });
}

async function build(facts: Facts, inputs: StepInputs, run: StepRun): Promise<ModuleSet> {
  if (inputs.sourceDir === undefined) {
    if (inputs.modulesDir !== undefined) return await verifyModules(inputs.modulesDir, facts); // Throws, saying why.
    throw refused(
      'There are no modules for this kernel and no source to build them from.',
      'Let Skua prepare the host from the editor or with `skua doctor --fix`: it brings the source along.',
    );
  }
  const out = join(inputs.buildDir, facts.kernelRelease);
  run.progress('Building for this kernel (some minutes)');
  const result = await facts.run(
    'bash',
    [
      join(inputs.sourceDir, 'kernel/build.sh'),
      '--source',
      inputs.sourceDir,
      '--headers',
      `/lib/modules/${facts.kernelRelease}/build`,
      '--out',
      out,
    ],
    {
      signal: run.signal,
      onLine: (line) => {
        run.progress(line.slice(0, 120));
      },
    },
  );
  if (result.code !== 0) {
    throw new SkuaError({
      code: 'module-build-failed',
      message: `The LTTng modules could not be built for kernel ${facts.kernelRelease}.`,
      remedy:
        'The end of the build log says why. Kernels 5.10 to 6.12 are known to work; docs/host-preparation.md lists them.',
      detail: `${result.stdout}${result.stderr}`.slice(-8000),
    });
  }
  const set = await verifyModules(out, facts);
  inputs.onBuilt?.(out);
  return set;
}

function sessiondStep(facts: Facts, store: PreparedStore, sessiond: Sessiond): Step {
  return {
    id: 'sessiond',
    title: 'LTTng session daemon with kernel tracing',
    needs: ['lttng-tools', 'modules', 'sudo'],
    check: async () => {
      if (!(await facts.hasProgram('lttng'))) return { state: 'skipped', found: 'Waits for the LTTng tools' };
      if (await needsNewLogin(facts)) return { state: 'skipped', found: 'Can be asked after the next login' };
      if (!(await sessiond.running())) {
        return {
          state: 'fixable',
          found: 'No root session daemon runs',
          remedy: 'Starts it (its service, or by itself).',
        };
      }
      const events = parseMi(
        (await facts.run('lttng', ['--mi', 'xml', 'list', '--kernel'], { timeoutMs: 60_000 })).stdout,
      );
      if (events?.success === true && events.events.length > 0) {
        return { state: 'ok', found: `Running, ${events.events.length} kernel tracepoints` };
      }
      return {
        state: 'fixable',
        found: 'Running, but without the kernel tracer',
        remedy: 'Restarts it, so that it finds the modules.',
      };
    },
    do: async () => {
      if (await sessiond.running()) await sessiond.stop();
      if ((await sessiond.start()) === 'spawned') await store.update({ spawnedSessiond: true });
    },
    undo: async () => {
      if ((await store.read()).spawnedSessiond === true) {
        await sessiond.stop();
        await store.update({ spawnedSessiond: false });
      }
    },
  };
}

function relaydStep(facts: Facts): Step {
  return {
    id: 'relayd',
    title: 'LTTng relay daemon',
    needs: [],
    check: async () =>
      (await facts.hasProgram('lttng-relayd'))
        ? { state: 'ok', found: 'lttng-relayd is installed; each session starts its own on loopback' }
        : { state: 'skipped', found: 'Comes with the LTTng tools' },
  };
}

function contextDeviceStep(facts: Facts): Step {
  return {
    id: 'context-device',
    title: `Access to ${CONTEXT_FILE}`,
    needs: ['modules', 'tracing-group'],
    check: async () => {
      if (!(await facts.exists('/proc/skua')))
        return { state: 'skipped', found: "Comes with Skua's modules" };
      if (await facts.writable(CONTEXT_FILE)) return { state: 'ok', found: 'Writable' };
      if (await needsNewLogin(facts)) return { state: 'skipped', found: 'Writable from the next login on' };
      return {
        state: 'failed',
        found: `Not writable by ${facts.user}`,
        error: {
          code: 'context-permission',
          message: `${CONTEXT_FILE} cannot be written by ${facts.user}.`,
          remedy: `The file belongs to the group given when the modules were loaded. Undo the preparation and prepare again, or add ${facts.user} to that group (ls -l ${CONTEXT_FILE}).`,
        },
      };
    },
  };
}
