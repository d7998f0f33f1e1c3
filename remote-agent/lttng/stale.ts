import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../base/log';
import type { LttngControl } from './control';

/** What a running session leaves on disk, so that the next agent can clean up after one that was killed. */
export interface SessionRecord {
  readonly session: string;
  readonly agent: ProcessId;
  readonly relayd?: ProcessId;
  /** The relay daemon's output. */
  readonly folder: string;
}

/** A pid alone may have been given to another process since; its start time (clock ticks since boot) tells. */
export interface ProcessId {
  readonly pid: number;
  readonly start: string;
}

/** Identity of a live process, or undefined when there is none with that pid. */
export async function processId(pid: number): Promise<ProcessId | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Field 22, counted after the command name, which may itself contain spaces and parentheses.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return start === undefined ? undefined : { pid, start };
  } catch {
    return undefined;
  }
}

async function alive(id: ProcessId): Promise<boolean> {
  return (await processId(id.pid))?.start === id.start;
}

export class SessionRecords {
  private readonly folder: string;

  constructor(stateFolder: string) {
    this.folder = join(stateFolder, 'sessions');
  }

  async write(record: SessionRecord): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFile(join(this.folder, `${record.session}.json`), JSON.stringify(record), { mode: 0o600 });
  }

  async remove(session: string): Promise<void> {
    await rm(join(this.folder, `${session}.json`), { force: true });
  }

  /** Destroys sessions, relay daemons and files of agents that are dead. Sessions without a record are never touched. */
  async cleanStale(control: LttngControl, log: Log): Promise<readonly string[]> {
    const cleaned: string[] = [];
    for (const file of await readdir(this.folder).catch(() => [])) {
      if (!file.endsWith('.json')) continue;
      const path = join(this.folder, file);
      let record: SessionRecord;
      try {
        record = JSON.parse(await readFile(path, 'utf8')) as SessionRecord;
      } catch {
        await rm(path, { force: true }); // Half-written by an agent that was killed: there is nothing to go by.
        continue;
      }
      if (await alive(record.agent)) continue;
      await control.destroy(record.session).catch((error: unknown) => {
        log('debug', `stale session ${record.session}: ${String(error)}`);
      });
      if (record.relayd !== undefined && (await alive(record.relayd))) {
        try {
          process.kill(record.relayd.pid, 'SIGTERM');
        } catch {
          // It ended just now.
        }
      }
      if (record.folder.includes('/skua/')) await rm(record.folder, { recursive: true, force: true });
      await rm(path, { force: true });
      cleaned.push(record.session);
    }
    return cleaned;
  }
}
