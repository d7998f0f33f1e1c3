import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sleep } from '../process';

/**
 * Identity of a running process that survives pid reuse: its start time in clock ticks since boot (proc(5), /proc/PID/stat field
 * 22). Undefined when there is no such process.
 */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    // The command name, field 2, may itself contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isProcess(owner: { readonly pid: number; readonly start: string }): boolean {
  return processStart(owner.pid) === owner.start;
}

/**
 * Runs `work` while holding a lock file that names its owner. A lock whose owner no longer runs is taken over. `waiting` is called
 * once when another process holds the lock. Rejects with `cancelled` when aborted while waiting.
 */
export async function withLock<T>(
  path: string,
  signal: AbortSignal,
  waiting: () => void,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const own = JSON.stringify({ pid: process.pid, start: processStart(process.pid) ?? '' });
  for (let told = false; !(await tryCreate(path, own));) {
    if (!told) waiting();
    told = true;
    await sleep(200, signal);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryCreate(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = await readFile(path, 'utf8').catch(() => '');
  // An empty file is a lock whose owner is between creating and writing it: look again.
  if (holder !== '' && !isProcess(JSON.parse(holder) as { pid: number; start: string }))
    await rm(path, { force: true });
  return false;
}
