import { spawn } from 'node:child_process';
import type { CoreContext } from '../../core/api';
import { removeImages } from '../../core/sandbox/build';
import {
  listSandboxes,
  resetSandbox,
  sandboxStatus,
  startSandbox,
  stopSandbox,
  type SandboxStatus,
} from '../../core/sandbox/instance';
import { shellCommand } from '../../core/session/shell';
import { toJson } from '../json';
import type { ProgressLine, Terminal } from '../terminal';

export async function sandboxStart(
  name: string,
  terminal: Terminal,
  progress: ProgressLine,
  context: CoreContext,
): Promise<void> {
  const ssh = await startSandbox(name, context);
  await ssh.dispose();
  progress.clear();
  printStatus(await sandboxStatus(name), terminal);
}

export async function sandboxStop(
  name: string,
  terminal: Terminal,
  progress: ProgressLine,
  context: CoreContext,
): Promise<void> {
  await stopSandbox(name, context);
  progress.clear();
  printStatus(await sandboxStatus(name), terminal);
}

/** With `all` every instance is stopped and removed, and the image too: the next start builds from nothing. */
export async function sandboxReset(
  name: string,
  all: boolean,
  terminal: Terminal,
  progress: ProgressLine,
  context: CoreContext,
): Promise<void> {
  const names = all ? (await listSandboxes()).map((status) => status.name) : [name];
  for (const each of names) await resetSandbox(each, context);
  if (all) await removeImages(context.signal);
  progress.clear();
  printStatus(await sandboxStatus(name), terminal);
}

export async function sandboxList(terminal: Terminal): Promise<void> {
  const all = await listSandboxes();
  if (terminal.json) terminal.print(toJson({ version: 1, sandboxes: all }));
  else if (all.length === 0) terminal.print('No sandbox yet: "skua sandbox start" makes one.');
  else for (const status of all) printStatus(status, terminal);
}

/** A shell in the guest; returns its exit code. */
export async function sandboxShell(name: string, command: readonly string[]): Promise<number> {
  const { file, args } = await shellCommand({ kind: 'sandbox', name });
  const child = spawn(file, [...args, ...command], { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}

function printStatus(status: SandboxStatus, terminal: Terminal): void {
  if (terminal.json) {
    terminal.print(toJson({ version: 1, ...status }));
    return;
  }
  const port =
    status.sshPort === undefined
      ? ''
      : `, SSH on 127.0.0.1:${String(status.sshPort)}, process ${String(status.pid)}`;
  const state = status.state === 'running' ? terminal.out.green(status.state) : status.state;
  terminal.print(`sandbox "${status.name}": ${state}${port}`);
}
