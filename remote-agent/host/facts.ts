import { access, constants, readFile } from 'node:fs/promises';
import { hostname, userInfo, release, arch } from 'node:os';
import { run, type Run } from '../base/run';
import { parseGroup, parseModules, parseOsRelease, type Group, type LoadedModule } from './parse';

/** The one group that may talk to the root session daemon; lttng-tools' default on every distribution. */
export const TRACING_GROUP = 'tracing';

/** Where programs write their context records; a file of Skua's modules. */
export const CONTEXT_FILE = '/proc/skua/context';

/** What the steps ask of the host. Reads only; one object, so that steps can be tested on recorded answers. */
export interface Facts {
  readonly run: Run;
  readonly uid: number;
  readonly user: string;
  readonly hostname: string;
  readonly kernelRelease: string;
  readonly arch: string;
  /** Supplementary groups of this very process. */
  processGroups(): readonly number[];
  readText(path: string): Promise<string | undefined>;
  exists(path: string): Promise<boolean>;
  writable(path: string): Promise<boolean>;
  distribution(): Promise<{ readonly name: string; readonly ids: readonly string[] }>;
  group(name: string): Promise<Group | undefined>;
  modules(): Promise<readonly LoadedModule[]>;
  /** Whether a program is found in the usual folders, sbin included. */
  hasProgram(name: string): Promise<boolean>;
}

export function hostFacts(): Facts {
  const readText = async (path: string): Promise<string | undefined> => {
    try {
      return await readFile(path, 'utf8');
    } catch {
      return undefined; // Absent and unreadable are the same to a check.
    }
  };
  const can = async (path: string, mode: number): Promise<boolean> => {
    try {
      await access(path, mode);
      return true;
    } catch {
      return false;
    }
  };
  const user = userInfo();
  return {
    run,
    uid: user.uid,
    user: user.username,
    hostname: hostname(),
    kernelRelease: release(),
    arch: arch(),
    processGroups: () => [...(process.getgroups?.() ?? []), process.getegid?.() ?? -1],
    readText,
    exists: (path) => can(path, constants.F_OK),
    writable: (path) => can(path, constants.W_OK),
    distribution: async () => parseOsRelease((await readText('/etc/os-release')) ?? ''),
    group: async (name) => {
      const result = await run('getent', ['group', name], { timeoutMs: 10_000 });
      return parseGroup(result.code === 0 ? result.stdout : ((await readText('/etc/group')) ?? ''), name);
    },
    modules: async () => parseModules((await readText('/proc/modules')) ?? ''),
    hasProgram: async (name) => {
      const folders = [
        ...(process.env['PATH'] ?? '').split(':'),
        '/usr/local/bin',
        '/usr/bin',
        '/bin',
        '/usr/sbin',
        '/sbin',
      ];
      for (const folder of folders) {
        if (folder.startsWith('/') && (await can(`${folder}/${name}`, constants.X_OK))) return true;
      }
      return false;
    },
  };
}
