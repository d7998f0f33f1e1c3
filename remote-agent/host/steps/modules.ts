import { join } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import { TRACING_GROUP, type Facts } from '../facts';
import { areCurrent, loadedModules, loadingLimits, type LoadedModules } from '../loading';
import { explainInsmod, refused, verifyModules } from '../modules';
import { buildPackages, packageManager } from '../packages';
import { unloadOrder } from '../parse';
import type { Sessiond } from '../sessiond';
import type { PreparedStore } from '../state';
import type { Check, Step, StepRun } from '../step';
import { noSudo, type Privileged } from '../verbs';
import { install } from './packages';

export interface StepInputs {
  /** Hash of the sources of the modules that the client would load; absent: any compatible ones will do. */
  readonly modulesHash?: string;
  /** Folder with modules for this kernel, a candidate: verified before use. What is built here is put there. */
  readonly modulesDir?: string;
  /** Folder with the lttng-modules package and Skua's kernel/ folder, to build from. */
  readonly sourceDir?: string;
}

/** Name of the lttng-modules package within the folder of sources that the client brings. */
const PACKAGE_FILE = 'lttng-modules.deb';

async function fits(folder: string | undefined, facts: Facts): Promise<boolean> {
  if (folder === undefined) return false;
  try {
    await verifyModules(folder, facts);
    return true;
  } catch {
    return false; // Why it does not fit is told by the build step, when there is no other way either.
  }
}

/** Why nothing has to be built, or undefined. */
async function atHand(facts: Facts, inputs: StepInputs): Promise<string | undefined> {
  if (areCurrent(await loadedModules(facts), inputs.modulesHash))
    return "Not needed: Skua's modules are loaded";
  return (await fits(inputs.modulesDir, facts)) ? 'Modules built for this kernel are here' : undefined;
}

export function headersStep(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  inputs: StepInputs,
): Step {
  const headers = `/lib/modules/${facts.kernelRelease}/build`;
  const missing = async (): Promise<string[]> => {
    const list: string[] = [];
    if (!(await facts.exists(`${headers}/Makefile`))) list.push('kernel headers');
    // The sources come as a Debian package: an ar archive with a tar.xz in it.
    const unpackers = (await facts.hasProgram('dpkg-deb')) ? [] : ['ar', 'tar', 'xz'];
    for (const tool of ['gcc', 'make', 'patch', ...unpackers])
      if (!(await facts.hasProgram(tool))) list.push(tool);
    return list;
  };
  return {
    id: 'headers',
    title: 'Kernel headers and a compiler, unless modules are at hand',
    needs: ['sudo'],
    check: async () => {
      const reason = await atHand(facts, inputs);
      if (reason !== undefined) return { state: 'ok', found: reason };
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
        remedy: `Installs ${buildPackages(manager, facts.kernelRelease).join(', ')} with ${manager}, unless modules built before for this kernel are at hand.`,
      };
    },
    do: async (run) => {
      const manager = packageManager((await facts.distribution()).ids);
      const list = await missing();
      if (manager === undefined) throw noHeaders(facts.kernelRelease, list);
      const failure = (output: string): SkuaError => noHeaders(facts.kernelRelease, list, output);
      const packages = buildPackages(manager, facts.kernelRelease);
      await install(facts, privileged, store, manager, packages, failure, run);
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
      ? `Install ${missing.join(', ')} with the host's package manager, or build the modules on another machine with kernel/build.sh (docs/host-preparation.md).`
      : `Install the headers of the running kernel (Debian: linux-headers-${release}; Fedora: kernel-devel-${release}). When the package is gone from the archive, boot the newest kernel first, or build elsewhere with kernel/build.sh (docs/host-preparation.md).`,
    ...(detail === '' ? {} : { detail }),
  });
}

export function buildStep(facts: Facts, inputs: StepInputs): Step {
  return {
    id: 'build',
    title: "Skua's modules built for this kernel",
    needs: ['kernel', 'headers'],
    check: async () => {
      const reason = await atHand(facts, inputs);
      if (reason !== undefined) return { state: 'ok', found: reason };
      return {
        state: 'fixable',
        found: `None for ${facts.kernelRelease} at hand`,
        remedy: 'Brings modules built before for this kernel, or builds them here (some minutes).',
      };
    },
    do: (run) => build(facts, inputs, run),
  };
}

/** Builds into `modulesDir`. Throws `module-build-failed` with the end of the log, or `module-refused`. */
async function build(facts: Facts, inputs: StepInputs, run: StepRun): Promise<void> {
  const { sourceDir, modulesDir } = inputs;
  if (modulesDir === undefined || sourceDir === undefined) {
    if (modulesDir !== undefined) await verifyModules(modulesDir, facts); // Throws, saying why.
    throw refused(
      'There are no modules for this kernel and no source to build them from.',
      'Let Skua prepare the host from the editor or with `skua doctor --fix`: it brings the source along.',
    );
  }
  run.progress('Building for this kernel (some minutes)');
  const result = await facts.run(
    'bash',
    [
      join(sourceDir, 'kernel/build.sh'),
      '--source',
      join(sourceDir, PACKAGE_FILE),
      '--headers',
      `/lib/modules/${facts.kernelRelease}/build`,
      '--out',
      modulesDir,
    ],
    {
      signal: run.signal,
      onLine: (line) => {
        run.progress(line.slice(0, 120));
      },
    },
  );
  if (result.code !== 0) {
    const detail = `${result.stdout}${result.stderr}`.slice(-8000);
    const full = /No space left on device/.test(detail);
    throw new SkuaError({
      code: full ? 'disk-full' : 'module-build-failed',
      message: `The LTTng modules could not be built for kernel ${facts.kernelRelease}.`,
      remedy: full
        ? 'Free about 200 MB where temporary files and the home folder are, then prepare again.'
        : 'The end of the build log says why. docs/kernels.md lists the kernels that are known to work.',
      detail,
    });
  }
  await verifyModules(modulesDir, facts);
}

/** Unloads whatever LTTng modules are loaded, Skua's or others. Throws `module-in-use`. */
async function unloadAll(facts: Facts, privileged: Privileged): Promise<void> {
  const { order, blocked } = unloadOrder(
    await facts.modules(),
    (name) => name.startsWith('lttng_') || name === 'skua',
  );
  const other = blocked[0];
  if (other !== undefined) throw inUse(`The module ${other.name} is used by ${other.users.join(', ')}.`);
  if (order.length === 0) return;
  await privileged.perform({ verb: 'unload-modules', names: order }, (output) =>
    inUse('The LTTng modules that are loaded cannot be unloaded.', output),
  );
}

/**
 * Verifies the modules that were brought or built, and returns what loads them in place of those that are loaded; no session daemon
 * may run meanwhile. Throws `module-refused`, also later, then with what the kernel said, or `module-in-use`.
 */
export async function moduleLoader(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  inputs: StepInputs,
  run: StepRun,
): Promise<() => Promise<void>> {
  if (inputs.modulesDir === undefined) throw refused('No modules were brought to this host.', 'Try again.');
  const set = await verifyModules(inputs.modulesDir, facts);
  const gid = (await facts.group(TRACING_GROUP))?.gid ?? 0;
  return async () => {
    await unloadAll(facts, privileged);
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
      const file = /[\w-]+\.ko/.exec(problems[0] ?? '')?.[0] ?? 'skua.ko';
      throw explainInsmod(file, result.stderr, await loadingLimits(facts));
    }
  };
}

export function modulesStep(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  sessiond: Sessiond,
  inputs: StepInputs,
): Step {
  /** Every session of the root daemon, of whomever. Throws when it may not be asked: then nothing is unloaded. */
  const refuseIfRecording = async (): Promise<void> => {
    const sessions = await sessiond.sessions();
    if (sessions === undefined) throw noSudo('password-needed');
    if (sessions.length > 0)
      throw inUse(`LTTng sessions use the modules that are loaded: ${sessions.join(', ')}.`);
  };
  return {
    id: 'modules',
    title: "Skua's LTTng modules loaded",
    needs: ['kernel', 'sudo', 'build', 'secure-boot'],
    check: async () => {
      const loaded = await loadedModules(facts);
      if (areCurrent(loaded, inputs.modulesHash)) return { state: 'ok', found: `Loaded, ${named(loaded)}` };
      const stock =
        loaded === undefined && (await facts.modules()).some((module) => module.name === 'lttng_tracer');
      if (loaded === undefined && !stock) {
        return { state: 'fixable', found: 'Not loaded', remedy: `Loads Skua's modules. ${NOT_INSTALLED}` };
      }
      if (loaded?.compatible === true && !(await privileged.available())) {
        return {
          state: 'ok',
          found: `Loaded, ${named(loaded)}; not this client's own build, which needs root to be loaded`,
        };
      }
      return replacement(loaded, await sessiond.sessions());
    },
    do: async (run) => {
      const load = await moduleLoader(facts, privileged, store, inputs, run);
      await refuseIfRecording();
      run.progress('Stopping the session daemon');
      const wasRunning = await sessiond.stop();
      try {
        await load();
      } finally {
        // Also after a failure: the host's own session daemon must not stay down because of us.
        if (wasRunning) await sessiond.start();
      }
    },
    undo: async () => {
      const state = await store.read();
      if (state.loadedModules !== true) return;
      if (state.bootId === (await bootId(facts)) && (await loadedModules(facts)) !== undefined) {
        await refuseIfRecording();
        const wasRunning = await sessiond.stop();
        try {
          await unloadAll(facts, privileged);
        } finally {
          if (wasRunning && state.spawnedSessiond !== true) await sessiond.start();
        }
      }
      await store.update({ loadedModules: false, spawnedSessiond: false });
    },
  };
}

const NOT_INSTALLED = 'Nothing is installed: they are gone after a reboot.';

function named(loaded: LoadedModules | undefined): string {
  return `interface ${loaded?.version ?? 0}, build ${loaded?.sourceHash.slice(0, 12) || 'unknown'}`;
}

/**
 * What to do about modules in the kernel that are not the client's: the distribution's (`loaded` undefined) or another build of ours.
 * Nobody's session is ended for it: modules that this client can work with stay while somebody records with them.
 */
function replacement(loaded: LoadedModules | undefined, sessions: readonly string[] | undefined): Check {
  const found =
    loaded === undefined
      ? "The distribution's own LTTng modules are loaded"
      : loaded.complete
        ? `Another build of Skua's modules is loaded (${named(loaded)})`
        : "Of Skua's modules only a part is loaded: a session daemon that ended has unloaded the others";
  const names = sessions?.join(', ') ?? '';
  if (names !== '') {
    if (loaded?.compatible === true)
      return { state: 'ok', found: `${found}; replaced once no session uses it: ${names}` };
    const foreign = sessions?.some((name) => !name.startsWith('skua-')) === true;
    const error = inUse(`LTTng sessions use the modules that are loaded: ${names}.`);
    // Skua's own sessions end by themselves, or are what a dead agent left and prepare clears away.
    return foreign
      ? { state: 'failed', found, error: error.toData() }
      : { state: 'fixable', found: `${found}, in use: ${names}`, remedy: error.remedy };
  }
  const asked =
    sessions === undefined ? 'once it is known that no session uses them' : 'no session uses them';
  return {
    state: 'fixable',
    found,
    remedy: `Unloads them (${asked}) and loads Skua's. ${NOT_INSTALLED}`,
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
      'Stop and destroy those LTTng sessions (sudo lttng list; sudo lttng destroy NAME), then try again. Skua ends no session of others.',
    ...(detail === '' ? {} : { detail }),
  });
}
