import { SkuaError } from '../../common/base/errors';
import { run, type Run, type RunOptions, type RunResult } from '../base/run';

/**
 * Everything that Skua ever does with more rights than the SSH user has. The list is closed: a new privileged act is a new
 * verb here, with a pattern for each of its arguments. No verb goes through a shell.
 */
export type Verb =
  | {
      readonly verb: 'install-packages' | 'remove-packages';
      readonly manager: PackageManager;
      readonly packages: readonly string[];
    }
  | { readonly verb: 'refresh-package-lists'; readonly manager: PackageManager }
  | { readonly verb: 'create-group' | 'delete-group'; readonly group: string }
  | { readonly verb: 'join-group' | 'leave-group'; readonly user: string; readonly group: string }
  /** In the given order; all in one go, because every sudo costs as much as the loading itself. */
  | { readonly verb: 'load-modules'; readonly modules: readonly ModuleToLoad[] }
  | { readonly verb: 'unload-modules'; readonly names: readonly string[] }
  | { readonly verb: 'start-sessiond-service' | 'stop-sessiond-service' }
  | { readonly verb: 'spawn-sessiond' }
  | { readonly verb: 'terminate-sessiond'; readonly pid: number }
  | { readonly verb: 'list-lttng-sessions' };

export interface ModuleToLoad {
  /** Absolute path of the .ko file. */
  readonly path: string;
  readonly parameters: Readonly<Record<string, number>>;
}

export type PackageManager = 'apt-get' | 'dnf' | 'zypper';

const PACKAGE = /^[a-z0-9][a-z0-9+._-]{0,127}$/;
const NAME = /^[a-z_][a-z0-9_-]{0,31}$/;
const MODULE_NAME = /^(?:skua|lttng_[a-z0-9_]{1,60})$/;
const MODULE_PATH = /^\/(?:[A-Za-z0-9._+@~-]+\/)*(?:skua|lttng-[a-z0-9-]{1,60})\.ko$/;
const PARAMETER = /^[a-z_]{1,40}$/;

/** The command of a verb, arguments checked. Throws a plain Error (a bug) when an argument does not fit its pattern. */
export function commandOf(verb: Verb): readonly [string, ...string[]] {
  switch (verb.verb) {
    case 'install-packages':
    case 'remove-packages': {
      const install = verb.verb === 'install-packages';
      const packages = verb.packages.map((name) => checked(name, PACKAGE));
      if (packages.length === 0) throw new Error('no package named');
      switch (verb.manager) {
        case 'apt-get':
          return [
            'apt-get',
            install ? 'install' : 'remove',
            '-y',
            '-q',
            '--no-install-recommends',
            ...packages,
          ];
        case 'dnf':
          return ['dnf', install ? 'install' : 'remove', '-y', '-q', ...packages];
        case 'zypper':
          return ['zypper', '--non-interactive', '--quiet', install ? 'install' : 'remove', ...packages];
      }
    }
    // eslint-disable-next-line no-fallthrough -- every manager above returns
    case 'refresh-package-lists':
      return verb.manager === 'apt-get'
        ? ['apt-get', 'update', '-q']
        : verb.manager === 'dnf'
          ? ['dnf', 'makecache', '-q']
          : ['zypper', '--non-interactive', '--quiet', 'refresh'];
    case 'create-group':
      return ['groupadd', '--system', checked(verb.group, NAME)];
    case 'delete-group':
      return ['groupdel', checked(verb.group, NAME)];
    case 'join-group':
      return ['usermod', '--append', '--groups', checked(verb.group, NAME), checked(verb.user, NAME)];
    case 'leave-group':
      return ['gpasswd', '--delete', checked(verb.user, NAME), checked(verb.group, NAME)];
    case 'load-modules':
      // One line of input is one insmod; see `inputOf`.
      return ['xargs', '-r', '-L', '1', '--', 'insmod'];
    case 'unload-modules':
      if (verb.names.length === 0) throw new Error('no module named');
      return ['rmmod', ...verb.names.map((name) => checked(name, MODULE_NAME))];
    case 'start-sessiond-service':
      return ['systemctl', 'start', 'lttng-sessiond.service'];
    case 'stop-sessiond-service':
      return ['systemctl', 'stop', 'lttng-sessiond.service'];
    case 'spawn-sessiond':
      return ['lttng-sessiond', '--daemonize'];
    case 'terminate-sessiond':
      if (!Number.isSafeInteger(verb.pid) || verb.pid < 2) throw new Error('not a process id');
      return ['kill', '-TERM', String(verb.pid)];
    case 'list-lttng-sessions':
      return ['lttng', '--mi', 'xml', 'list'];
  }
}

/** What a verb's command reads from its standard input, arguments checked as in `commandOf`. */
export function inputOf(verb: Verb): string {
  if (verb.verb !== 'load-modules') return '';
  return verb.modules
    .map(({ path, parameters }) => {
      if (path.includes('/../')) throw new Error('module path with ..');
      const words = Object.entries(parameters).map(([name, value]) => {
        if (!Number.isSafeInteger(value) || value < 0) {
          throw new Error(`module parameter ${name} is not a natural number`);
        }
        return `${checked(name, PARAMETER)}=${value}`;
      });
      return `${[checked(path, MODULE_PATH), ...words].join(' ')}\n`;
    })
    .join('');
}

function checked(value: string, pattern: RegExp): string {
  if (!pattern.test(value))
    throw new Error(`refused argument of a privileged command: ${JSON.stringify(value)}`);
  return value;
}

/** Performs verbs as root: directly when the agent is root, else through `sudo -n`. */
export class Privileged {
  constructor(
    private readonly isRoot: boolean = process.getuid?.() === 0,
    private readonly exec: Run = run,
  ) {}

  /** Whether verbs can be performed without a password. */
  async available(): Promise<boolean> {
    return this.isRoot || (await this.exec('sudo', ['-n', 'true'], { timeoutMs: 10_000 })).code === 0;
  }

  /** Runs a verb and returns what it printed; the caller judges the exit status. */
  async try(verb: Verb, options: RunOptions = {}): Promise<RunResult> {
    const [file, ...args] = commandOf(verb);
    const input = inputOf(verb);
    const env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      DEBIAN_FRONTEND: 'noninteractive',
    };
    return this.isRoot
      ? await this.exec(file, args, { timeoutMs: 600_000, input, ...options, env })
      : await this.exec('sudo', ['-n', '--', file, ...args], { timeoutMs: 600_000, input, ...options });
  }

  /** Runs a verb. Throws SkuaError `no-sudo` when sudo refuses, else what `failure` makes of the output. */
  async perform(
    verb: Verb,
    failure: (output: string) => SkuaError,
    options: RunOptions = {},
  ): Promise<RunResult> {
    const result = await this.try(verb, options);
    if (result.code === 0) return result;
    const output = `${result.stderr}${result.stdout}`.trim();
    if (
      !this.isRoot &&
      /sudo: .*(password|sorry|not allowed|may not run|terminal is required)/i.test(output)
    ) {
      throw noSudo(output);
    }
    throw failure(output);
  }
}

export function noSudo(detail?: string): SkuaError {
  return new SkuaError({
    code: 'no-sudo',
    message: 'This user cannot run commands as root without a password.',
    remedy:
      'Allow it for the preparation (a line "USER ALL=(ALL) NOPASSWD: ALL" in /etc/sudoers.d, or only the commands listed in docs/host-preparation.md), ask an administrator to prepare the host, or connect as root.',
    ...(detail === undefined || detail === '' ? {} : { detail }),
  });
}
