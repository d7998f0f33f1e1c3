import { SkuaError } from '../../../common/base/errors';
import type { Facts } from '../facts';
import { installedQuery, lttngPackages, packageManager } from '../packages';
import { parseLttngVersion } from '../parse';
import type { PreparedStore } from '../state';
import type { Step, StepRun } from '../step';
import type { PackageManager, Privileged } from '../verbs';

export function lttngToolsStep(facts: Facts, privileged: Privileged, store: PreparedStore): Step {
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

/** Installs what is missing of `packages`, and writes down what that was. */
export async function install(
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
