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

/**
 * What this user can do as root: `root`, or through sudo `free`ly or with the `password` given. Otherwise why not: a
 * `password-needed`, the password was `refused` (or the user is no sudoer), or there is `no-sudo`.
 */
export type Access = 'root' | 'free' | 'password' | 'password-needed' | 'refused' | 'no-sudo';

const PASSWORD_NEEDED =
  /sudo: (?:a password is required|a terminal is required|interactive authentication is required)/i;

/**
 * Performs verbs as root: directly when the agent is root, else through sudo. A password goes to sudo's standard input and nowhere
 * else; this object forgets it with the request that brought it.
 */
export class Privileged {
  private known: Promise<Access> | undefined;

  constructor(
    private readonly password?: string,
    private readonly isRoot: boolean = process.getuid?.() === 0,
    private readonly exec: Run = run,
  ) {}

  /** Asked once: a wrong password must not be tried again, which could lock the account. */
  access(): Promise<Access> {
    this.known ??= this.findAccess();
    return this.known;
  }

  async available(): Promise<boolean> {
    return ['root', 'free', 'password'].includes(await this.access());
  }

  private async findAccess(): Promise<Access> {
    if (this.isRoot) return 'root';
    const free = await this.exec('sudo', ['-n', 'true'], { timeoutMs: 10_000 });
    if (free.code === 0) return 'free';
    if (free.code === 127) return 'no-sudo';
    if (!PASSWORD_NEEDED.test(free.stderr)) return 'refused';
    if (this.password === undefined) return 'password-needed';
    const tried = await this.withPassword(['true'], '', { timeoutMs: 30_000 });
    return tried.code === 0 ? 'password' : 'refused';
  }

  /**
   * `-k` makes sudo ask whatever it remembers, so that the first line is always taken as the password and never reaches the
   * command. Only for commands for which sudo has just asked for one.
   */
  private withPassword(command: readonly string[], input: string, options: RunOptions): Promise<RunResult> {
    const args = ['-S', '-k', '-p', '', '--', ...command];
    return this.exec('sudo', args, { ...options, input: `${this.password ?? ''}\n${input}` });
  }

  /** Runs a verb and returns what it printed; the caller judges the exit status. */
  async try(verb: Verb, options: RunOptions = {}): Promise<RunResult> {
    const command = commandOf(verb);
    const input = inputOf(verb);
    const [file, ...args] = command;
    if (this.isRoot) {
      const env = {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        DEBIAN_FRONTEND: 'noninteractive',
      };
      return await this.exec(file, args, { timeoutMs: 600_000, input, ...options, env });
    }
    const free = await this.exec('sudo', ['-n', '--', ...command], { timeoutMs: 600_000, input, ...options });
    if (free.code === 0 || !PASSWORD_NEEDED.test(free.stderr)) return free;
    if ((await this.access()) !== 'password') return free;
    return await this.withPassword(command, input, { timeoutMs: 600_000, ...options });
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
      throw noSudo(await this.access(), output);
    }
    throw failure(output);
  }
}

/** Why nothing can be done as root. `why` is what `Privileged.access` found. */
export function noSudo(why: Access, detail = ''): SkuaError {
  const message =
    why === 'password-needed'
      ? 'sudo asks for a password, and none was given.'
      : why === 'no-sudo'
        ? 'This user is not root, and there is no sudo.'
        : 'sudo does not let this user run commands as root.';
  const remedy =
    why === 'password-needed'
      ? 'Prepare the host from the editor or with "skua doctor --fix": Skua asks for the password then.'
      : 'Allow this user the commands listed in docs/host-preparation.md, ask an administrator to prepare the host, or connect as root.';
  return new SkuaError({ code: 'no-sudo', message, remedy, ...(detail === '' ? {} : { detail }) });
}
