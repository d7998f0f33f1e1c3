import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { CoreContext, Progress, Prompter } from '../core/api';
import { PLAIN, styleFor, type Style } from './style';

/** How the command line talks: results go to stdout, everything else to stderr. */
export interface Terminal {
  readonly out: Style;
  readonly err: Style;
  readonly json: boolean;
  readonly verbose: boolean;
  print(line: string): void;
  note(line: string): void;
}

export function openTerminal(options: { readonly json: boolean; readonly verbose: boolean }): Terminal {
  return {
    ...options,
    out: options.json ? PLAIN : styleFor(process.stdout),
    err: styleFor(process.stderr),
    print: (line) => process.stdout.write(`${line}\n`),
    note: (line) => process.stderr.write(`${line}\n`),
  };
}

/** On a terminal one line that is rewritten; elsewhere one line per step. `clear` removes the line before other output. */
export class ProgressLine implements Progress {
  private shown = '';
  private lastStep = '';

  constructor(private readonly terminal: Terminal) {}

  report(step: string, fraction?: number): void {
    if (process.stderr.isTTY) {
      const percent = fraction === undefined ? '' : ` ${String(Math.floor(fraction * 100))} %`;
      const text = `${step}${percent} …`.slice(0, (process.stderr.columns || 80) - 1);
      if (text === this.shown) return;
      process.stderr.write(`\r\u001b[K${this.terminal.err.dim(text)}`);
      this.shown = text;
    } else if (step !== this.lastStep) {
      process.stderr.write(`${step} …\n`);
    }
    this.lastStep = step;
  }

  clear(): void {
    if (this.shown !== '') process.stderr.write('\r\u001b[K');
    this.shown = '';
  }
}

export function openContext(
  terminal: Terminal,
  progress: ProgressLine,
  signal: AbortSignal,
  yes: boolean,
): CoreContext {
  return {
    progress,
    signal,
    prompter: terminalPrompter(terminal, progress, signal, yes),
    log: (level, message) => {
      const wanted = terminal.verbose ? level !== 'trace' : level === 'error';
      if (!wanted) return;
      progress.clear();
      terminal.note(terminal.err.dim(`[${level}] ${message}`));
    },
  };
}

/** Asks on the terminal. Without one every question counts as declined, so that nothing is trusted or changed unasked. */
function terminalPrompter(
  terminal: Terminal,
  progress: ProgressLine,
  signal: AbortSignal,
  yes: boolean,
): Prompter {
  const ask = async (question: string, hidden: boolean): Promise<string | undefined> => {
    progress.clear();
    if (!process.stdin.isTTY) {
      terminal.note(`${question}: no terminal to ask on.`);
      return undefined;
    }
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
    const lines = createInterface({
      input: process.stdin,
      output: hidden ? silent : process.stderr,
      terminal: true,
    });
    if (hidden) process.stderr.write(question);
    try {
      return await lines.question(hidden ? '' : question, { signal });
    } catch {
      return undefined; // Ctrl-C or Ctrl-D: the person cancels.
    } finally {
      lines.close();
      if (hidden) process.stderr.write('\n');
    }
  };
  const agrees = async (question: string): Promise<boolean> =>
    /^y(es)?$/i.test((await ask(`${question} [y/N] `, false)) ?? '');
  return {
    confirmHostKey: async (host, keyType, fingerprint) => {
      progress.clear();
      terminal.note(`The host key of ${terminal.err.bold(host)} is not known: ${keyType} ${fingerprint}`);
      return agrees('Is that right? It will be remembered.');
    },
    password: (prompt) => ask(`${prompt}: `, true),
    confirmPrepare: async (report) => {
      progress.clear();
      terminal.note(`${terminal.err.bold(report.hostname)} has to be prepared for tracing:`);
      for (const step of report.steps) {
        if (step.state === 'fixable') terminal.note(`  - ${step.title}: ${step.remedy ?? step.found}`);
      }
      return yes || agrees('Do that now?');
    },
  };
}
