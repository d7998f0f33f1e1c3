import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
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
  for (let told = false; !(await acquire(path, own));) {
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

/** Replaces a file's content such that nobody ever reads half of it. */
export async function writeAtomically(path: string, content: string): Promise<void> {
  const complete = await temporaryFile(path, content);
  await rename(complete, path);
}

/**
 * One attempt. A lock of a process that is gone must be replaced by one waiter only, and that one must not replace what another has put
 * there meanwhile. So a waiter first takes a second lock, whose name is the dead owner's: while it holds that, nobody else may touch
 * a lock with the dead owner's name, and the owner itself cannot.
 *
 *     path = {dead owner} ──► create path.DEAD-OWNER ──► path still the dead owner's? ──► rename own over it ──► remove path.DEAD-OWNER
 */
async function acquire(path: string, own: string): Promise<boolean> {
  if (await create(path, own)) return true;
  const content = await readFile(path, 'utf8').catch(() => undefined);
  if (content === undefined) return false; // Just released: look again.
  const owner = parseOwner(content);
  if (owner !== undefined && isProcess(owner)) return false;
  const claim = `${path}.${owner === undefined ? 'unreadable' : `${String(owner.pid)}-${owner.start}`}`;
  if (!(await acquire(claim, own))) return false;
  try {
    if ((await readFile(path, 'utf8').catch(() => undefined)) !== content) return false;
    await writeAtomically(path, own);
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

/** Creates the file with its whole content, or returns false when there is one. */
async function create(path: string, content: string): Promise<boolean> {
  const complete = await temporaryFile(path, content);
  try {
    await link(complete, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(complete, { force: true });
  }
}

async function temporaryFile(path: string, content: string): Promise<string> {
  const name = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await writeFile(name, content, { flag: 'wx', mode: 0o600 });
  return name;
}

/** Undefined for what no lock of ours contains: a file system that crashed may have kept the name and lost the content. */
function parseOwner(content: string): { readonly pid: number; readonly start: string } | undefined {
  try {
    const { pid, start } = JSON.parse(content) as { readonly pid?: unknown; readonly start?: unknown };
    return Number.isInteger(pid) && typeof start === 'string' && /^\d*$/.test(start)
      ? { pid: pid as number, start }
      : undefined;
  } catch {
    return undefined;
  }
}
