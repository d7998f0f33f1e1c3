import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Folder for what outlives one agent process: `$XDG_STATE_HOME/skua`, usually ~/.local/state/skua. */
export function stateFolder(): string {
  const base = process.env['XDG_STATE_HOME'];
  return join(base !== undefined && base.startsWith('/') ? base : join(homedir(), '.local', 'state'), 'skua');
}

/** What `prepare` changed on this host, so that `unprepare` takes back exactly that. */
export interface PreparedState {
  readonly installedPackages?: readonly string[];
  readonly createdGroup?: boolean;
  readonly joinedGroup?: boolean;
  readonly loadedModules?: boolean;
  /** Boot in which the modules were loaded: after a reboot they are gone by themselves. */
  readonly bootId?: string;
  /** Skua started a session daemon where none ran. */
  readonly spawnedSessiond?: boolean;
}

export class PreparedStore {
  private readonly file: string;

  constructor(private readonly folder: string = stateFolder()) {
    this.file = join(folder, 'prepared.json');
  }

  async read(): Promise<PreparedState> {
    try {
      return JSON.parse(await readFile(this.file, 'utf8')) as PreparedState;
    } catch {
      return {}; // Nothing was prepared yet, or the file is damaged: then nothing may be undone.
    }
  }

  async update(change: PreparedState): Promise<void> {
    const next = { ...(await this.read()), ...change };
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFile(`${this.file}.new`, JSON.stringify(next, null, 2), { mode: 0o600 });
    await rename(`${this.file}.new`, this.file);
  }

  async clear(): Promise<void> {
    await rm(this.file, { force: true });
  }
}
