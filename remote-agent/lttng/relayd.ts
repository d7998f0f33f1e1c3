import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkuaError } from '../../common/base/errors';
import type { Disposable } from '../../common/base/disposable';

/** A relay daemon of the agent's own, on loopback ports that were free. */
export interface Relayd extends Disposable {
  readonly pid: number;
  readonly controlPort: number;
  readonly dataPort: number;
  readonly livePort: number;
  /** Resolves when the daemon has ended, wanted or not, with what it said last. */
  readonly ended: Promise<string>;
}

const ATTEMPTS = 3;

/**
 * Starts lttng-relayd with its output in `folder`, which is created, and removed when it is disposed. `launcher`, when given,
 * ties the daemon's life to the agent's even when the agent is killed. Throws SkuaError `relayd-failed`.
 */
export async function startRelayd(folder: string, launcher?: string): Promise<Relayd> {
  let said = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const [controlPort, dataPort, livePort] = await freePorts();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const args = [
      '--output',
      folder,
      '--control-port',
      `tcp://127.0.0.1:${controlPort}`,
      '--data-port',
      `tcp://127.0.0.1:${dataPort}`,
      '--live-port',
      `tcp://127.0.0.1:${livePort}`,
    ];
    const withLauncher = launcher !== undefined && existsSync(launcher);
    const child = spawn(
      withLauncher ? launcher : 'lttng-relayd',
      withLauncher ? ['--', 'lttng-relayd', ...args] : args,
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true, // An interrupt of the agent's terminal is the agent's to handle.
      },
    );
    let tail = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-4000);
    });
    const ended = new Promise<string>((resolve) => {
      child.on('error', (error) => {
        resolve(error.message);
      });
      child.on('close', (code, signal) => {
        resolve(`lttng-relayd ended (${signal ?? `status ${code ?? 'unknown'}`}). ${tail}`.trim());
      });
    });
    const early = await Promise.race([ended, listening(livePort).then(() => undefined)]);
    if (early === undefined && child.pid !== undefined) {
      return {
        pid: child.pid,
        controlPort,
        dataPort,
        livePort,
        ended,
        dispose: () => end(child, ended, folder),
      };
    }
    said = early ?? 'It did not listen.';
    await end(child, ended, folder);
  }
  throw new SkuaError({
    code: 'relayd-failed',
    message: 'The LTTng relay daemon could not be started.',
    remedy: 'Check that lttng-relayd runs on the target and that its home folder is writable and not full.',
    detail: said,
  });
}

async function end(child: ChildProcess, ended: Promise<string>, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(patience);
  await rm(folder, { recursive: true, force: true });
}

/** Ports that are free at this moment. Another process may still take one: the caller tries again then. */
async function freePorts(): Promise<readonly [number, number, number]> {
  const servers = await Promise.all(
    [0, 1, 2].map(
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            resolve(server);
          });
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0, ports[2] ?? 0];
}

async function listening(port: number): Promise<void> {
  for (let i = 0; i < 300; i += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    if (open) return;
    await sleep(50);
  }
}
