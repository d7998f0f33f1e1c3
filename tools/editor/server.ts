/**
 * A VS Code server for tests and the demo, on a free loopback port, with user data and extensions of its own, so that it neither sees nor
 * changes the person's editor. Ended with its whole process group.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { installEditor, type Log } from './install';

export const repoRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export interface ServerOptions {
  readonly workspace: string;
  /** Install the extension: from this checkout, from a .vsix, or not at all (the mocha runner loads it as development extension). */
  readonly extension: 'checkout' | 'none' | { readonly vsix: string };
  /** Added to the quiet defaults of `userSettings`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Ask about Workspace Trust as VS Code does; off otherwise. */
  readonly workspaceTrust?: boolean;
  /** Suppresses dialogs and lets a page end a mocha run with an exit code. */
  readonly smokeTestDriver?: boolean;
  /** Keep user data here (restarts find it again) instead of in a temporary folder that goes away. */
  readonly dataFolder?: string;
  /** Environment for the extension host, for example the cache folder. */
  readonly env?: Readonly<Record<string, string>>;
  readonly port?: number;
}

export interface EditorServer {
  readonly port: number;
  readonly url: string;
  readonly workspaceUrl: string;
  readonly dataFolder: string;
  stop(): Promise<void>;
}

const userSettings = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  // Moving progress bars keep a browser without a GPU busy.
  'workbench.reduceMotion': 'on',
  'telemetry.telemetryLevel': 'off',
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'extensions.ignoreRecommendations': true,
  'extensions.autoCheckUpdates': false,
  'git.enabled': false,
  'debug.internalConsoleOptions': 'openOnSessionStart',
  'security.workspace.trust.untrustedFiles': 'open',
};

export async function startServer(options: ServerOptions, log: Log = () => undefined): Promise<EditorServer> {
  const install = await installEditor(log);
  const temporary = options.dataFolder === undefined;
  const data = options.dataFolder ?? mkdtempSync(path.join(tmpdir(), 'skua-editor-'));
  const extensions = path.join(data, 'ext');
  mkdirSync(path.join(data, 'ud/User'), { recursive: true });
  mkdirSync(extensions, { recursive: true });
  writeFileSync(path.join(data, 'config.yaml'), '');
  writeFileSync(
    path.join(data, 'ud/User/settings.json'),
    JSON.stringify(
      {
        ...userSettings,
        ...(options.workspaceTrust === true ? {} : { 'security.workspace.trust.enabled': false }),
        ...options.settings,
      },
      null,
      2,
    ),
  );
  if (options.extension === 'checkout') copyExtension(extensions);

  const port = options.port ?? (await freePort());
  const args = [
    install.entry,
    ...['--config', path.join(data, 'config.yaml'), '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`],
    '--disable-telemetry',
    '--disable-update-check',
    ...(options.workspaceTrust === true ? [] : ['--disable-workspace-trust']),
    '--disable-getting-started-override',
    ...['--user-data-dir', path.join(data, 'ud'), '--extensions-dir', extensions],
    ...(options.smokeTestDriver === true ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
    options.workspace,
  ];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    // The server's own settings and session socket belong in the data folder; Skua's cache must stay where it is.
    XDG_DATA_HOME: data,
    XDG_CONFIG_HOME: data,
    EXTENSIONS_GALLERY: '{"serviceUrl":"","itemUrl":"","resourceUrlTemplate":""}',
    ...options.env,
  };
  delete env['NODE_OPTIONS'];
  delete env['VITEST'];

  if (typeof options.extension === 'object')
    await installVsix(install.node, args, options.extension.vsix, env);

  const logFile = path.join(data, 'server.log');
  const out = openSync(logFile, 'a');
  const child = spawn(install.node, args, { env, detached: true, stdio: ['ignore', out, out] });
  closeSync(out);
  const stop = async (): Promise<void> => {
    await end(child);
    if (temporary) rmSync(data, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await ready(port, child, logFile);
  } catch (error) {
    await stop();
    throw error;
  }
  const url = `http://127.0.0.1:${port}`;
  return {
    port,
    url,
    workspaceUrl: `${url}/?folder=${encodeURIComponent(options.workspace)}`,
    dataFolder: data,
    stop,
  };
}

/** Copies what a .vsix would hold; `npm run build` must have run. */
function copyExtension(extensions: string): void {
  if (!existsSync(path.join(repoRoot, 'dist/extension.js'))) {
    throw new Error('dist/extension.js is missing: run `npm run build` first.');
  }
  const manifest = JSON.parse(readFileSync(path.join(repoRoot, 'package.json'), 'utf8')) as {
    publisher: string;
    name: string;
    version: string;
  };
  const to = path.join(extensions, `${manifest.publisher}.${manifest.name}-${manifest.version}`);
  rmSync(to, { recursive: true, force: true });
  for (const item of [
    'package.json',
    'README.md',
    'LICENSE',
    'dist',
    'media',
    'kernel',
    'examples',
    'clients',
  ]) {
    const from = path.join(repoRoot, item);
    if (existsSync(from)) cpSync(from, path.join(to, item), { recursive: true });
  }
}

function installVsix(
  node: string,
  args: readonly string[],
  vsix: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [...args.slice(0, -1), '--install-extension', vsix], { env, stdio: 'pipe' });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`Installing ${vsix} failed:\n${output}`));
    });
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no port'));
      });
    });
  });
}

async function ready(port: number, child: ChildProcess, logFile: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) break;
    try {
      if ((await fetch(`http://127.0.0.1:${port}/healthz`)).ok) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((r) => setTimeout(r, 100));
  }
  throw new Error(`The VS Code server did not start:\n${readFileSync(logFile, 'utf8').slice(-4000)}`);
}

/** SIGTERM to the group, SIGKILL after three seconds. */
async function end(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const kill = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-pid, signal);
    } catch {
      // The group is gone already.
    }
  };
  kill('SIGTERM');
  const timer = setTimeout(() => kill('SIGKILL'), 3000);
  await closed;
  clearTimeout(timer);
}
