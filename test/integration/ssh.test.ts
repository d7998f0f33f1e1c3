import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { connectSsh } from '../../src/core/ssh/connect';
import type { SshConnection } from '../../src/core/ssh/connection';
import { newKeyPair } from '../../src/core/ssh/new-key';
import {
  hostKeyLine,
  sshEnvironment,
  targetOf,
  testContext,
  TestServer,
  trust,
  type ServerOptions,
} from './ssh-server';

const open: { dispose(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.dispose();
});

async function server(options: ServerOptions): Promise<TestServer> {
  const started = await new TestServer(options).listen();
  open.push({ dispose: () => started.close() });
  return started;
}

async function connected(connection: Promise<SshConnection>): Promise<SshConnection> {
  const result = await connection;
  open.push(result);
  return result;
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

async function says(ssh: SshConnection, script = 'echo hello'): Promise<string> {
  return (await ssh.run(script, { signal: new AbortController().signal })).stdout.toString('utf8');
}

const withPassword = (password: string): { password: () => Promise<string> } => ({
  password: () => Promise.resolve(password),
});

describe('authentication', () => {
  it('asks for a password only when the server takes one, and logs in', async () => {
    const s = await server({ password: 'secret' });
    const env = sshEnvironment();
    trust(env, s);
    const context = testContext(withPassword('secret'));
    const ssh = await connected(connectSsh(targetOf(s), context, env));
    expect(await says(ssh)).toBe('hello\n');
    expect(context.asked).toEqual(['Password for tester@127.0.0.1']);
  });

  it('gives up after three wrong passwords and says what was tried', async () => {
    const s = await server({ password: 'secret' });
    const env = sshEnvironment();
    trust(env, s);
    const context = testContext(withPassword('wrong'));
    const error = await failure(connectSsh(targetOf(s), context, env));
    expect(error.code).toBe('auth-failed');
    expect(error.remedy).toContain('password');
    expect(context.asked).toHaveLength(3);
  });

  it('is cancelled when no password is given', async () => {
    const s = await server({ password: 'secret' });
    const env = sshEnvironment();
    trust(env, s);
    expect((await failure(connectSsh(targetOf(s), testContext(), env))).code).toBe('cancelled');
  });

  it('logs in with a key file, also an encrypted one whose passphrase is mistyped once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-keys-'));
    for (const passphrase of ['', 'open sesame']) {
      const pair = newKeyPair(passphrase === '' ? {} : { passphrase });
      const file = join(folder, `key${passphrase.length}`);
      writeFileSync(file, pair.private, { mode: 0o600 });
      const s = await server({ publicKey: pair.public });
      const env = sshEnvironment();
      trust(env, s);
      const typed = ['open says me', passphrase];
      const context = testContext({ password: () => Promise.resolve(typed.shift()) });
      const ssh = await connected(connectSsh({ ...targetOf(s), identityFile: file }, context, env));
      expect(await says(ssh)).toBe('hello\n');
      expect(context.asked).toHaveLength(passphrase === '' ? 0 : 2);
    }
  });

  it('refuses a wrong key', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-keys-'));
    writeFileSync(join(folder, 'key'), newKeyPair().private, { mode: 0o600 });
    const s = await server({ publicKey: newKeyPair().public });
    const env = sshEnvironment();
    trust(env, s);
    const error = await failure(
      connectSsh({ ...targetOf(s), identityFile: join(folder, 'key') }, testContext(), env),
    );
    expect(error.code).toBe('auth-failed');
    expect(error.remedy).toContain(join(folder, 'key'));
  });

  it('uses a real ssh-agent, limited by IdentitiesOnly', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-agent-'));
    const socket = join(folder, 'sock');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    open.push({ dispose: () => agent.kill() });
    await new Promise((resolve) => agent.stdout.once('data', resolve));
    const key = join(folder, 'key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
    const s = await server({ publicKey: readFileSync(`${key}.pub`, 'utf8') });
    const env = { ...sshEnvironment(), agentSocket: socket };
    trust(env, s);
    const ssh = await connected(connectSsh(targetOf(s), testContext(), env));
    expect(await says(ssh)).toBe('hello\n');

    const only = {
      ...env,
      config: `${env.config}\n IdentitiesOnly yes\n IdentityFile ${join(folder, 'other')}\n`,
    };
    expect((await failure(connectSsh(targetOf(s), testContext(), only))).code).toBe('auth-failed');
  });

  it('answers keyboard-interactive questions', async () => {
    const s = await server({ answers: ['one', 'two'] });
    const env = sshEnvironment();
    trust(env, s);
    const typed = ['one', 'two'];
    const context = testContext({ password: () => Promise.resolve(typed.shift()) });
    const ssh = await connected(connectSsh(targetOf(s), context, env));
    expect(await says(ssh)).toBe('hello\n');
    expect(context.asked[1]).toContain('Question 1:');
  });
});

describe('host keys', () => {
  it('asks about an unknown key once, records it, and never asks again', async () => {
    const s = await server({ password: 'p' });
    const env = sshEnvironment();
    const context = testContext({ ...withPassword('p'), confirmHostKey: () => Promise.resolve(true) });
    await connected(connectSsh(targetOf(s), context, env));
    expect(context.asked[0]).toMatch(/^host-key 127\.0\.0\.1 ssh-ed25519 SHA256:/);
    expect(readFileSync(env.knownHosts, 'utf8')).toBe(hostKeyLine(s));

    const again = testContext(withPassword('p'));
    await connected(connectSsh(targetOf(s), again, env));
    expect(again.asked.filter((question) => question.startsWith('host-key'))).toEqual([]);
  });

  it('writes a hashed name when the configuration says so', async () => {
    const s = await server({ password: 'p' });
    const base = sshEnvironment();
    const env = { ...base, config: `${base.config}\n HashKnownHosts yes\n` };
    const context = testContext({ ...withPassword('p'), confirmHostKey: () => Promise.resolve(true) });
    await connected(connectSsh(targetOf(s), context, env));
    expect(readFileSync(env.knownHosts, 'utf8')).toMatch(/^\|1\|/);
    // OpenSSH itself must find the entry.
    const name = `[127.0.0.1]:${String(s.port)}`;
    expect(execFileSync('ssh-keygen', ['-F', name, '-f', env.knownHosts], { encoding: 'utf8' })).toContain(
      'ssh-ed25519',
    );
  });

  it('does not log in when the key is not confirmed', async () => {
    const s = await server({ password: 'p' });
    const context = testContext(withPassword('p'));
    const error = await failure(connectSsh(targetOf(s), context, sshEnvironment()));
    expect(error.code).toBe('host-key-unknown');
    expect(context.asked).toHaveLength(1);
  });

  it('refuses a changed key, naming file and line', async () => {
    const s = await server({ password: 'p' });
    const impostor = await server({ password: 'p' });
    const env = sshEnvironment();
    const recorded = hostKeyLine(impostor).replace(String(impostor.port), String(s.port));
    writeFileSync(env.knownHosts, `# mine\n${recorded}`);
    const context = testContext(withPassword('p'));
    const error = await failure(connectSsh(targetOf(s), context, env));
    expect(error.code).toBe('host-key-changed');
    expect(error.message).toContain(`${env.knownHosts}:2`);
    expect(context.asked).toEqual([]);
  });
});

describe('reachability', () => {
  it('says that nothing listens', async () => {
    const s = await server({ password: 'p' });
    const target = targetOf(s);
    await s.close();
    const error = await failure(connectSsh(target, testContext(), sshEnvironment()));
    expect(error.code).toBe('host-unreachable');
    expect(error.message).toContain('refused');
  });

  it('says that there is no such host', async () => {
    const error = await failure(
      connectSsh({ kind: 'ssh', host: 'no-such-host.invalid' }, testContext(), sshEnvironment()),
    );
    expect(error.code).toBe('host-unreachable');
    expect(error.message).toContain('no-such-host.invalid');
  });

  it('does not wait for ever for a server that says nothing, and can be cancelled meanwhile', async () => {
    const mute = createServer(() => undefined);
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    open.push({ dispose: () => mute.close() });
    const { port } = mute.address() as AddressInfo;
    const base = sshEnvironment();
    const env = { ...base, config: `${base.config}\n ConnectTimeout 1\n` };
    const error = await failure(connectSsh({ kind: 'ssh', host: '127.0.0.1', port }, testContext(), env));
    expect(error.code).toBe('host-unreachable');
    expect(error.message).toContain('no answer within 1 s');

    const abort = new AbortController();
    setTimeout(() => {
      abort.abort();
    }, 100);
    const cancelledError = await failure(
      connectSsh({ kind: 'ssh', host: '127.0.0.1', port }, testContext({}, abort.signal), base),
    );
    expect(cancelledError.code).toBe('cancelled');
  });

  it('goes through jump hosts, each with its own login', async () => {
    const target = await server({ password: 'target' });
    const second = await server({ password: 'second' });
    const first = await server({ password: 'first' });
    const base = sshEnvironment();
    const host = (name: string, s: TestServer): string =>
      `\nHost ${name}\n HostName 127.0.0.1\n Port ${String(s.port)}\n User ${name}\n`;
    const env = {
      ...base,
      config: `Host target\n ProxyJump first,second\n${host('target', target)}${host('second', second)}${host('first', first)}${base.config}`,
    };
    trust(env, target, second, first);
    const context = testContext({ password: (prompt) => Promise.resolve(/for (\w+)@/.exec(prompt)?.[1]) });
    const ssh = await connected(connectSsh({ kind: 'ssh', host: 'target' }, context, env));
    expect(await says(ssh, 'echo "$HOME"')).toBe(`${target.home}\n`);
    expect(context.asked).toEqual([
      'Password for first@first',
      'Password for second@second',
      'Password for target@target',
    ]);
    // The jump hosts only pass bytes on.
    expect(first.commands).toEqual([]);
  });
});

describe('commands', () => {
  it('keeps a talkative login shell out of the results', async () => {
    const s = await server({ password: 'p', chatter: 'Welcome!\nYou have mail.\n\u0001skua-lookalike\n' });
    const env = sshEnvironment();
    trust(env, s);
    const ssh = await connected(connectSsh(targetOf(s), testContext(withPassword('p')), env));
    expect(await says(ssh, 'printf "a\\nb"')).toBe('a\nb');
  });

  it('delivers output, exit code and input of any size', async () => {
    const s = await server({ password: 'p' });
    const env = sshEnvironment();
    trust(env, s);
    const ssh = await connected(connectSsh(targetOf(s), testContext(withPassword('p')), env));
    const signal = new AbortController().signal;
    const input = Buffer.alloc(3_000_000, 'x');
    const sent: number[] = [];
    const result = await ssh.run('wc -c; echo err >&2; exit 7', {
      signal,
      input,
      onInput: (n) => sent.push(n),
    });
    expect(result).toMatchObject({ code: 7, stderr: 'err\n' });
    expect(result.stdout.toString().trim()).toBe('3000000');
    expect(sent.at(-1)).toBe(3_000_000);
  });

  it('fails with connection-lost when the connection is cut, and on everything after', async () => {
    const s = await server({ password: 'p' });
    const env = sshEnvironment();
    trust(env, s);
    const ssh = await connected(connectSsh(targetOf(s), testContext(withPassword('p')), env));
    const running = failure(ssh.run('sleep 30', { signal: new AbortController().signal }));
    setTimeout(() => {
      s.cut();
    }, 200);
    expect((await running).code).toBe('connection-lost');
    expect((await ssh.closed)?.code).toBe('connection-lost');
    expect((await failure(ssh.run('true', { signal: new AbortController().signal }))).code).toBe(
      'connection-lost',
    );
  });

  it('stops waiting when cancelled', async () => {
    const s = await server({ password: 'p' });
    const env = sshEnvironment();
    trust(env, s);
    const ssh = await connected(connectSsh(targetOf(s), testContext(withPassword('p')), env));
    const abort = new AbortController();
    const running = failure(ssh.run('exec sleep 30', { signal: abort.signal }));
    setTimeout(() => {
      abort.abort();
    }, 100);
    expect((await running).code).toBe('cancelled');
    expect(await says(ssh)).toBe('hello\n');
  });
});
