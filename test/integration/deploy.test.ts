import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { removeOldAgents } from '../../src/core/deploy/deploy';
import { probeTarget } from '../../src/core/deploy/facts';
import { pushFolder, type PushFile } from '../../src/core/deploy/push';
import { syncUpload } from '../../src/core/session/sync';
import { connectSsh } from '../../src/core/ssh/connect';
import type { SshConnection } from '../../src/core/ssh/connection';
import {
  sshEnvironment,
  targetOf,
  testContext,
  TestServer,
  trust,
  type ServerOptions,
  type TestContext,
} from './ssh-server';

const open: { dispose(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.dispose();
});

async function session(
  options: ServerOptions = {},
  signal?: AbortSignal,
): Promise<{
  server: TestServer;
  ssh: SshConnection;
  context: TestContext;
  connect: () => Promise<SshConnection>;
}> {
  const server = await new TestServer({ password: 'p', ...options }).listen();
  open.push({ dispose: () => server.close() });
  const environment = sshEnvironment();
  trust(environment, server);
  const context = testContext({ password: () => Promise.resolve('p') }, signal);
  const connect = async (): Promise<SshConnection> => {
    const ssh = await connectSsh(
      targetOf(server),
      testContext({ password: () => Promise.resolve('p') }),
      environment,
    );
    open.push(ssh);
    return ssh;
  };
  return { server, ssh: await connect(), context, connect };
}

async function failure(promise: Promise<unknown>): Promise<SkuaError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SkuaError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

/** Pseudo-random, so that compression does not shrink it to nothing; the same every time. */
function noise(bytes: number, seed: number): Buffer {
  const data = Buffer.alloc(bytes);
  let x = seed;
  for (let i = 0; i < bytes; i++) {
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
    data[i] = x >> 16;
  }
  return data;
}

const files = (count: number, bytes: number): PushFile[] =>
  Array.from({ length: count }, (_unused, i) => ({
    path: `d/file${String(i)}`,
    mode: i === 0 ? 0o755 : 0o644,
    data: noise(bytes, i + 1),
  }));

describe('probeTarget', () => {
  it('learns what is there, whatever the login shell prints', async () => {
    const { server, ssh, context } = await session({ chatter: 'base=/wrong\nnode=99.0.0 /wrong\n' });
    const facts = await probeTarget(ssh, context);
    expect(facts).toMatchObject({
      base: `${server.home}/.local/share/skua`,
      home: server.home,
      machine: 'x86_64',
    });
    expect(facts.node).toMatch(/^\/.*node/);
    expect(statSync(facts.base).mode & 0o777).toBe(0o700);
  });

  it('says so when the home folder cannot be written', async () => {
    // Root may write anywhere, so a file stands in the way.
    const { server, ssh, context } = await session();
    writeFileSync(join(server.home, '.local'), '');
    expect((await failure(probeTarget(ssh, context))).code).toBe('upload-failed');
  });
});

describe('pushFolder', () => {
  it('brings the files over as one step, with modes and progress, and only once', async () => {
    const { server, ssh, context } = await session({ chatter: 'hi\n' });
    const wanted = files(3, 200_000);
    const path = await pushFolder(ssh, `${server.home}/a b`, 'v1', wanted, 'Copying', context);
    for (const file of wanted)
      expect(readFileSync(join(path, file.path)).equals(Buffer.from(file.data))).toBe(true);
    expect(statSync(join(path, 'd/file0')).mode & 0o777).toBe(0o755);
    expect(readdirSync(`${server.home}/a b`)).toEqual(['v1']);
    const fractions = context.steps.map(({ fraction }) => fraction ?? 0);
    expect(fractions.length).toBeGreaterThan(2);
    expect(fractions.at(-1)).toBe(1);

    const before = server.received;
    expect(await pushFolder(ssh, `${server.home}/a b`, 'v1', wanted, 'Copying', context)).toBe(path);
    expect(server.received).toBe(before);
  });

  it('continues after a cut with what is missing', async () => {
    const { server, ssh, context, connect } = await session();
    const wanted = files(12, 300_000);
    server.onBytes = (total) => {
      if (total > 2_000_000) server.cut();
    };
    const error = await failure(pushFolder(ssh, server.home, 'v1', wanted, 'Copying', context));
    expect(error.code).toBe('connection-lost');
    expect(existsSync(join(server.home, 'v1'))).toBe(false);

    server.onBytes = undefined;
    // The last command over there may still be writing what it has received.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = server.received;
    const path = await pushFolder(await connect(), server.home, 'v1', wanted, 'Copying', context);
    for (const file of wanted)
      expect(readFileSync(join(path, file.path)).equals(Buffer.from(file.data))).toBe(true);
    expect(server.received - before).toBeLessThan(3_000_000);
    expect(readdirSync(server.home).filter((name) => name.startsWith('.partial'))).toEqual([]);
  });

  it('repairs a file that was damaged in the partial folder', async () => {
    const { server, ssh, context } = await session();
    mkdirSync(join(server.home, '.partial-v1/d'), { recursive: true });
    writeFileSync(join(server.home, '.partial-v1/d/file0'), 'half');
    const wanted = files(2, 1000);
    const path = await pushFolder(ssh, server.home, 'v1', wanted, 'Copying', context);
    expect(readFileSync(join(path, 'd/file0')).equals(Buffer.from(wanted[0]?.data ?? ''))).toBe(true);
  });

  it('reports a full disk as such and frees what it had taken', async () => {
    // A real, small file system in a mount namespace of the command's own.
    const small = join(mkdtempSync(join(tmpdir(), 'skua-small-')), 'home');
    mkdirSync(small);
    const user = process.getuid?.() === 0 ? '' : '--user --map-root-user ';
    const shell = `exec unshare ${user}--mount sh -c 'mount -t tmpfs -o size=256k none ${small} && exec sh -c "$1"' sh "$1"`;
    const { ssh, context } = await session({ shell });
    const error = await failure(pushFolder(ssh, `${small}/x`, 'v1', files(4, 200_000), 'Copying', context));
    expect(error.code).toBe('disk-full');
    expect(error.detail).toContain('No space left on device');
    expect(error.remedy).not.toBe('');
  });

  it('is cancelled in the middle and leaves no finished folder', async () => {
    const abort = new AbortController();
    const { server, ssh, context } = await session({}, abort.signal);
    server.onBytes = (total) => {
      if (total > 1_000_000) abort.abort();
    };
    expect(
      (await failure(pushFolder(ssh, server.home, 'v1', files(10, 400_000), 'Copying', context))).code,
    ).toBe('cancelled');
    expect(existsSync(join(server.home, 'v1'))).toBe(false);
  });
});

describe('removeOldAgents', () => {
  it('removes what nobody uses, and nothing else', async () => {
    const { ssh, context } = await session();
    const facts = await probeTarget(ssh, context);
    const agent = (name: string): string => join(facts.base, 'agent', name);
    const aged = (name: string): void => {
      mkdirSync(agent(name), { recursive: true });
      writeFileSync(join(agent(name), 'agent.js'), 'setInterval(() => {}, 1000)');
      execFileSync('find', [agent(name), '-exec', 'touch', '-d', '2 days ago', '{}', '+']);
    };
    for (const name of ['old', 'running', 'current', '.partial-given-up', 'reused']) aged(name);
    mkdirSync(agent('young'));
    // An upload that goes on: an old folder with a file that has just arrived.
    aged('.partial-going-on');
    writeFileSync(join(agent('.partial-going-on'), 'skua-symbols'), '');
    // Somebody else is about to start an agent that was there already.
    await pushFolder(ssh, join(facts.base, 'agent'), 'reused', files(1, 10), 'Copying', context);
    const running = spawn(process.execPath, [join(agent('running'), 'agent.js')], { stdio: 'ignore' });
    await new Promise((resolve) => running.once('spawn', resolve));
    open.push({ dispose: () => running.kill() });

    const current = { folder: agent('current'), command: '' };
    await removeOldAgents(ssh, facts, current, context);
    expect(readdirSync(join(facts.base, 'agent')).sort()).toEqual([
      '.partial-going-on',
      'current',
      'reused',
      'running',
      'young',
    ]);
  });
});

describe('syncUpload', () => {
  function project(): string {
    const folder = mkdtempSync(join(tmpdir(), 'skua-project-'));
    mkdirSync(join(folder, 'src'));
    mkdirSync(join(folder, '.git'));
    mkdirSync(join(folder, 'node_modules/x'), { recursive: true });
    writeFileSync(join(folder, '.git/HEAD'), 'x');
    writeFileSync(join(folder, 'node_modules/x/index.js'), 'x');
    writeFileSync(join(folder, 'src/main.c'), 'int main(void) { return 0; }\n');
    writeFileSync(join(folder, 'src/odd name ä.txt'), 'odd');
    writeFileSync(join(folder, 'run.sh'), '#!/bin/sh\n');
    writeFileSync(join(folder, 'data.bin'), noise(10_000, 5));
    chmodSync(join(folder, 'run.sh'), 0o755);
    symlinkSync('src/main.c', join(folder, 'link.c'));
    return folder;
  }

  it('sends everything once, then only what differs, removes what vanished and leaves build results', async () => {
    const { server, ssh, context } = await session();
    const folder = project();
    const base = `${server.home}/base`;
    const upload = { kind: 'folder', localPath: folder, exclude: ['*.bin'] } as const;
    const first = await syncUpload(ssh, base, upload, context);
    expect(first.sentFiles).toBe(4);
    expect(first.sourceMap).toEqual([[first.remoteRoot, folder]]);
    const listing = (): string[] =>
      execFileSync('find', ['.', '-type', 'f', '-o', '-type', 'l'], {
        cwd: first.remoteRoot,
        encoding: 'utf8',
      })
        .trim()
        .split('\n')
        .sort();
    expect(listing()).toEqual(['./link.c', './run.sh', './src/main.c', './src/odd name ä.txt']);
    expect(statSync(join(first.remoteRoot, 'run.sh')).mode & 0o111).not.toBe(0);

    writeFileSync(join(first.remoteRoot, 'src/main.o'), 'built here');
    const again = await syncUpload(ssh, base, upload, context);
    expect(again).toMatchObject({ sentFiles: 0, sentBytes: 0, remoteRoot: first.remoteRoot });

    writeFileSync(join(folder, 'src/main.c'), 'int main(void) { return 1; }\n');
    chmodSync(join(folder, 'src/odd name ä.txt'), 0o755);
    rmSync(join(folder, 'run.sh'));
    const third = await syncUpload(ssh, base, upload, context);
    expect(third.sentFiles).toBe(2);
    expect(readFileSync(join(first.remoteRoot, 'src/main.c'), 'utf8')).toContain('return 1');
    expect(listing()).toEqual(['./link.c', './src/main.c', './src/main.o', './src/odd name ä.txt']);

    // Somebody changed or deleted an uploaded file over there: the next upload puts it right.
    writeFileSync(join(first.remoteRoot, 'src/main.c'), 'tampered');
    rmSync(join(first.remoteRoot, 'src/odd name ä.txt'));
    expect((await syncUpload(ssh, base, upload, context)).sentFiles).toBe(2);
    expect(readFileSync(join(first.remoteRoot, 'src/main.c'), 'utf8')).toContain('return 1');
  });

  it('gives changed files a new time, so that make builds again', async () => {
    const { server, ssh, context } = await session();
    const folder = project();
    const old = new Date('2001-01-01');
    execFileSync('touch', ['-d', old.toISOString(), join(folder, 'src/main.c')]);
    const { remoteRoot } = await syncUpload(
      ssh,
      `${server.home}/b`,
      { kind: 'folder', localPath: folder },
      context,
    );
    expect(Date.now() - statSync(join(remoteRoot, 'src/main.c')).mtimeMs).toBeLessThan(60_000);
  });

  it('uploads one file, and says when there is none', async () => {
    const { server, ssh, context } = await session();
    const folder = project();
    const one = await syncUpload(
      ssh,
      `${server.home}/b`,
      { kind: 'file', localPath: join(folder, 'run.sh') },
      context,
    );
    expect(readFileSync(join(one.remoteRoot, 'run.sh'), 'utf8')).toBe('#!/bin/sh\n');
    expect(one.sourceMap).toEqual([]);
    const missing = { kind: 'file', localPath: join(folder, 'missing') } as const;
    expect((await failure(syncUpload(ssh, `${server.home}/b`, missing, context))).code).toBe(
      'config-invalid',
    );
  });
});
