import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SkuaError, toSkuaError } from '../../common/base/errors';
import { DEFAULT_SESSION, type CoreContext, type TargetSpec } from '../core/api';
import { productVersion } from '../core/paths';
import { checkInstanceName } from '../core/sandbox/name';
import { removeAgent } from '../core/session/host';
import { TARGET_FORMS } from '../core/target-spec';
import { doctorCommandLine } from './commands/doctor';
import { Reported, runCommandLine, type Interrupts, type RunFlags } from './commands/run';
import { sandboxList, sandboxReset, sandboxShell, sandboxStart, sandboxStop } from './commands/sandbox';
import { show, type ShowFlags } from './commands/show';
import { EXIT, EXIT_CODES_HELP, exitCodeFor } from './exit-codes';
import { errorJson, toJson } from './json';
import { targetOption, withIdentity } from './target-option';
import { openContext, openTerminal, ProgressLine, type Terminal } from './terminal';

/** What every command gets: how to talk, and how it is cancelled. */
interface Session {
  readonly terminal: Terminal;
  readonly progress: ProgressLine;
  readonly context: CoreContext;
  readonly interrupts: Interrupts;
}

interface GlobalFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly yes?: boolean;
}

interface TargetFlags {
  readonly target: TargetSpec;
  readonly identity?: string;
}

/** Runs a command's work in a session of its own. Called once per process. */
type Start = (command: Command, work: (session: Session) => Promise<number>) => void;

async function main(argv: readonly string[]): Promise<number> {
  let result: Promise<number> = Promise.resolve(EXIT.ok);
  let flags: GlobalFlags = {};
  const program = buildProgram((command, work) => {
    // --json may stand before or after the command's name.
    flags = command.optsWithGlobals<GlobalFlags>();
    result = work(openSession(flags));
  });
  try {
    await program.parseAsync(argv.slice(2), { from: 'user' });
    return await result;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === 0) return EXIT.ok;
      // Commander has said it on stderr; the parser never came to --json, so it is looked for here.
      if (wantsJson(argv)) process.stdout.write(`${toJson(errorJson(usageError(thrown)))}\n`);
      return EXIT.usage;
    }
    const error = thrown instanceof Reported ? thrown.error : toSkuaError(thrown);
    printError(
      error,
      openTerminal({ json: flags.json ?? false, verbose: flags.verbose ?? false }),
      thrown instanceof Reported,
    );
    return exitCodeFor(error.code);
  }
}

/** --json among Skua's own arguments: what stands behind "--" is the program's. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(2, end < 0 ? undefined : end).includes('--json');
}

function usageError(error: CommanderError): SkuaError {
  return new SkuaError({
    code: 'config-invalid',
    message: error.message.replace(/^error: /, ''),
    remedy: '"skua --help" and "skua COMMAND --help" list commands and options.',
  });
}

/** For commands whose success has one exit code only. */
async function ok(work: Promise<void>): Promise<number> {
  await work;
  return EXIT.ok;
}

function buildProgram(start: Start): Command {
  const program = new Command('skua')
    .description('Runs a program with its distributed trace carried into the Linux kernel.')
    .version(productVersion())
    .exitOverride()
    .enablePositionalOptions()
    .option('--json', 'print one JSON document on stdout; everything else goes to stderr')
    .option('-v, --verbose', 'print the log')
    .addHelpText('after', `\n${EXIT_CODES_HELP}\n\nDocumentation: docs/cli.md`);
  const sub = (parent: Command, usage: string, description: string): Command =>
    parent
      .command(usage)
      .description(description)
      .exitOverride()
      .option('--json', 'print JSON')
      .option('-v, --verbose', 'print the log');
  const onTarget = (c: Command): Command =>
    c
      .addOption(
        new Option('-t, --target <target>', TARGET_FORMS)
          .argParser(targetOption)
          .default(targetOption('sandbox'), '"sandbox"'),
      )
      .option('-i, --identity <file>', 'private key for the SSH target')
      .option('-y, --yes', 'prepare the target without asking');

  onTarget(
    sub(program, 'run', 'run a program under tracing, print the merged tree of each trace, save the trace'),
  )
    .argument(
      '<program>',
      'path here (it is uploaded), path in the uploaded folder, or path or name on the target',
    )
    .argument('[args...]', "the program's arguments; write -- before the program")
    .option('-u, --upload <path>', 'file or folder to bring to the target first; only changes are sent')
    .option('--no-upload', 'the program is on the target already')
    .option('-x, --exclude <pattern>', 'leave these out of the upload (repeatable)', collect, [])
    .option('-b, --build <command>', 'shell command to run in the uploaded folder first')
    .option('--cwd <folder>', 'working folder, in the upload or on the target')
    .option('-e, --env <NAME=VALUE>', "the program's environment (repeatable)", collectEnv, {})
    .option('--vdso-syscalls', 'make gettimeofday and clock_gettime real system calls', false)
    .option('-o, --output <file>', 'file for the trace (default: PROGRAM-DATE.skua)')
    .option(
      '--otlp <url>',
      "also send the spans to this OTLP/HTTP endpoint; a loopback address is this machine's",
    )
    .option('--otlp-file <file>', 'also write the spans to this file, as lines of OTLP JSON')
    .option(
      '--tracepoint <names>',
      `tracepoints, by comma; "none" for none (default: ${DEFAULT_SESSION.tracepoints.join(',')})`,
      list,
    )
    .option('--syscall <names>', 'only these system calls, by comma (default: all)', list)
    .option('--buffer-bytes <bytes>', 'size of a kernel sub-buffer', positive)
    .option('--buffers <count>', 'sub-buffers per CPU', positive)
    .option('--max-spans <count>', 'most spans held; further ones are counted as lost', positive)
    .option('--no-fold', 'print identical siblings one by one')
    .option('--no-events', 'do not print tracepoints')
    .option('--traces <count>', 'print at most this many traces', positive, 20)
    .passThroughOptions()
    .action((path: string, args: string[], flags: RunFlags & TargetFlags, self: Command) => {
      const target = withIdentity(flags.target, flags.identity);
      start(self, (s) =>
        runCommandLine(path, args, { ...flags, target }, s.terminal, s.progress, s.context, s.interrupts),
      );
    });

  sub(program, 'show', 'print a saved trace')
    .argument('<file>', 'a .skua file')
    .option('--no-fold', 'print identical siblings one by one')
    .option('--no-events', 'do not print tracepoints')
    .option('--traces <count>', 'print at most this many traces', positive, 20)
    .action((file: string, flags: ShowFlags, self: Command) => {
      start(self, (s) => ok(show(file, flags, s.terminal)));
    });

  onTarget(sub(program, 'doctor', 'say what stands between a target and tracing'))
    .option('--fix', 'do what can be done')
    .option('--undo', 'undo what --fix has done')
    .action((flags: TargetFlags & { readonly fix?: boolean; readonly undo?: boolean }, self: Command) => {
      const action = flags.undo === true ? 'undo' : flags.fix === true ? 'fix' : 'check';
      const target = withIdentity(flags.target, flags.identity);
      start(self, (s) => doctorCommandLine(target, action, s.terminal, s.progress, s.context));
    });

  const agent = program.command('agent').description('the agent on a target').exitOverride();
  onTarget(
    sub(agent, 'remove', "remove everything that Skua has copied into the account's ~/.local/share/skua"),
  ).action((flags: TargetFlags, self: Command) => {
    const target = withIdentity(flags.target, flags.identity);
    start(self, (s) => ok(agentRemove(target, s)));
  });
  addSandbox(program, sub, start);
  return program;
}

async function agentRemove(target: TargetSpec, s: Session): Promise<void> {
  await removeAgent(target, s.context);
  s.progress.clear();
  if (s.terminal.json) s.terminal.print(toJson({ version: 1, removed: true }));
}

function addSandbox(
  program: Command,
  sub: (parent: Command, usage: string, description: string) => Command,
  start: Start,
): void {
  const sandbox = program
    .command('sandbox')
    .description('the virtual machine that Skua builds and boots itself')
    .exitOverride();
  const named = (usage: string, description: string): Command =>
    sub(sandbox, usage, description).argument('[name]', 'instance', checkName, 'default');
  named('start', 'build it if need be, and boot it').action((name: string, _flags: object, self: Command) => {
    start(self, (s) => ok(sandboxStart(name, s.terminal, s.progress, s.context)));
  });
  named('stop', 'stop it; its disk stays').action((name: string, _flags: object, self: Command) => {
    start(self, (s) => ok(sandboxStop(name, s.terminal, s.progress, s.context)));
  });
  named('reset', 'stop it and throw its disk away')
    .option('--all', 'every instance, and the image')
    .action((name: string, flags: { readonly all?: boolean }, self: Command) => {
      start(self, (s) => ok(sandboxReset(name, flags.all === true, s.terminal, s.progress, s.context)));
    });
  sub(sandbox, 'status', 'list the instances').action((_flags: object, self: Command) => {
    start(self, (s) => ok(sandboxList(s.terminal)));
  });
  named('shell', 'a shell in it, or a command')
    .argument('[command...]', 'command to run there; write -- before it')
    .action((name: string, words: string[], _flags: object, self: Command) => {
      start(self, () => sandboxShell(name, words));
    });
}

function openSession(flags: GlobalFlags): Session {
  const terminal = openTerminal({ json: flags.json ?? false, verbose: flags.verbose ?? false });
  const progress = new ProgressLine(terminal);
  const abort = new AbortController();
  let first: (() => void) | undefined;
  const interrupt = (): void => {
    const action = first;
    first = undefined;
    if (action !== undefined) action();
    else if (!abort.signal.aborted) abort.abort();
    else process.exit(EXIT.cancelled);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', () => {
    abort.abort();
  });
  return {
    terminal,
    progress,
    context: openContext(terminal, progress, abort.signal, flags.yes ?? false),
    interrupts: {
      onFirst: (action) => {
        first = action;
      },
    },
  };
}

function printError(error: SkuaError, terminal: Terminal, alreadyReported: boolean): void {
  const { err } = terminal;
  if (terminal.json && !alreadyReported) terminal.print(toJson(errorJson(error)));
  terminal.note(`${err.red('skua:')} ${error.message} ${err.dim(`[${error.code}]`)}`);
  if (error.remedy !== '') terminal.note(`      ${error.remedy}`);
  if (error.detail !== undefined && (terminal.verbose || showsDetail(error)))
    terminal.note(err.dim(error.detail.trimEnd()));
}

/** The end of a log is the only lead for these. */
function showsDetail(error: SkuaError): boolean {
  return [
    'sandbox-build-failed',
    'sandbox-boot-failed',
    'module-build-failed',
    'agent-start-failed',
    'internal',
  ].includes(error.code);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function collectEnv(
  value: string,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const at = value.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('Give NAME=VALUE.');
  return { ...before, [value.slice(0, at)]: value.slice(at + 1) };
}

function list(value: string): readonly string[] {
  return value.split(',').map((name) => name.trim());
}

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number <= 0)
    throw new InvalidArgumentError('Give a positive whole number.');
  return number;
}

function checkName(value: string): string {
  try {
    return checkInstanceName(value);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

main(process.argv).then(
  (code) => {
    process.exitCode = code;
    // An SSH agent's socket or a paused stdin must not keep a finished command alive; pending output still drains.
    setTimeout(() => process.exit(code), 2000).unref();
  },
  (error: unknown) => {
    process.stderr.write(`skua: ${String(error)}\n`);
    process.exitCode = EXIT.internal;
  },
);
