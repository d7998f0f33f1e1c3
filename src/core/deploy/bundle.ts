import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { installRoot } from '../paths';
import type { PushFile } from './push';

/** What the agent's folder on a target holds: the bundled agent and its native helpers. */
export async function agentBundle(root: string = installRoot()): Promise<readonly PushFile[]> {
  const agent = join(root, 'dist', 'agent.js');
  if (!existsSync(agent)) throw new Error(`${agent} is missing: run "npm run build"`);
  const files: PushFile[] = [{ path: 'agent.js', mode: 0o644, data: await readFile(agent) }];
  for (const name of ['skua-symbols', 'skua-launch']) {
    const helper = join(root, 'dist', 'native', name);
    if (existsSync(helper)) files.push({ path: `native/${name}`, mode: 0o755, data: await readFile(helper) });
  }
  return files;
}

/** All files below a folder, for pushing as they are. Symbolic links are followed. */
export async function folderFiles(folder: string, prefix = ''): Promise<readonly PushFile[]> {
  const files: PushFile[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const info = await stat(path);
    if (info.isDirectory()) files.push(...(await folderFiles(path, `${prefix}${name}/`)));
    else files.push({ path: `${prefix}${name}`, mode: info.mode & 0o777, data: await readFile(path) });
  }
  return files;
}
