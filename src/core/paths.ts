import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** `${XDG_CACHE_HOME:-~/.cache}/skua`: what can be rebuilt or fetched again. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base !== undefined && base.startsWith('/') ? base : join(homedir(), '.cache'), 'skua');
}

/** Creates a folder that only its owner can read (keys and sockets live below it) and returns its path. */
export async function privateFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

/**
 * The folder of Skua itself: a checkout, an installed extension, or an npm package. Found by walking up from this file (or from
 * the bundle that contains it) to the package.json that names Skua.
 */
export function installRoot(from: string = __dirname): string {
  for (let dir = from; ; dir = dirname(dir)) {
    const manifest = join(dir, 'package.json');
    if (
      existsSync(manifest) &&
      (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'skua'
    )
      return dir;
    if (dirname(dir) === dir) throw new Error(`no package.json of Skua above ${from}`);
  }
}

/** Version in Skua's package.json. */
export function productVersion(root: string = installRoot()): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}
