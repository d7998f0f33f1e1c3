import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SkuaError } from '../../../common/base/errors';
import { parseJump, readSshEnvironment, resolveHops, type Hop } from './config';

/** The hops to `host` under a configuration text, for user `me` with home /home/me. */
function hops(
  config: string,
  host: string,
  extra: { user?: string; port?: number; identityFile?: string } = {},
): readonly Hop[] {
  return resolveHops(
    { kind: 'ssh', host, ...extra },
    { home: '/home/me', user: 'me', agentSocket: '/run/agent', config },
  );
}

function code(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof SkuaError ? error.code : String(error);
  }
  return 'no error';
}

describe('resolveHops', () => {
  it('uses defaults for a host that is not configured', () => {
    expect(hops('', 'h')).toEqual([
      {
        alias: 'h',
        host: 'h',
        port: 22,
        user: 'me',
        identityFiles: ['/home/me/.ssh/id_ed25519', '/home/me/.ssh/id_ecdsa', '/home/me/.ssh/id_rsa'],
        identitiesOnly: false,
        agentSocket: '/run/agent',
        knownHostsFiles: ['/home/me/.ssh/known_hosts', '/home/me/.ssh/known_hosts2'],
        hashKnownHosts: false,
        connectTimeoutMs: 15_000,
      },
    ]);
  });

  it('resolves an alias; the first value of a setting wins, and options of the call win over all', () => {
    const config = `
Host box
  HostName box.example.org
  Port 2222
  user alice
  IdentityFile ~/.ssh/box
  IdentityFile %d/keys/%r@%h
  IdentitiesOnly yes
  IdentityAgent ~/agent.sock
  HostKeyAlias box-key
  HashKnownHosts yes
  ConnectTimeout 3
Host *
  User bob
  Port 1`;
    expect(hops(config, 'box')[0]).toMatchObject({
      host: 'box.example.org',
      port: 2222,
      user: 'alice',
      identityFiles: ['/home/me/.ssh/box', '/home/me/keys/alice@box.example.org'],
      identitiesOnly: true,
      agentSocket: '/home/me/agent.sock',
      hostKeyAlias: 'box-key',
      hashKnownHosts: true,
      connectTimeoutMs: 3000,
    });
    expect(hops(config, 'box', { user: 'eve', port: 9 })[0]).toMatchObject({ user: 'eve', port: 9 });
    expect(hops(config, 'elsewhere')[0]).toMatchObject({ user: 'bob', port: 1, host: 'elsewhere' });
    expect(hops('Host h\n IdentityAgent none', 'h')[0]).not.toHaveProperty('agentSocket');
  });

  it.each([
    ['one jump', 'Host t\n ProxyJump j\nHost j\n HostName j.example.org', 't', ['j.example.org', 't']],
    ['two jumps in order', 'Host t\n ProxyJump a,b', 't', ['a', 'b', 't']],
    ['a jump that needs a jump', 'Host t\n ProxyJump b\nHost b\n ProxyJump a', 't', ['a', 'b', 't']],
    [
      'an explicit list overrides the last jump’s own',
      'Host t\n ProxyJump a,b\nHost b\n ProxyJump x',
      't',
      ['a', 'b', 't'],
    ],
    ['none ends it', 'Host t\n ProxyJump none\nHost *\n ProxyJump j', 't', ['t']],
  ])('%s', (_what, config, host, expected) => {
    expect(hops(config, host).map((hop) => hop.host)).toEqual(expected);
  });

  it('takes user and port of a jump from its text', () => {
    expect(hops('Host t\n ProxyJump carol@j:2200', 't')[0]).toMatchObject({
      host: 'j',
      user: 'carol',
      port: 2200,
    });
  });

  it('refuses loops and ProxyCommand', () => {
    expect(code(() => hops('Host a\n ProxyJump b\nHost b\n ProxyJump a', 'a'))).toBe('config-invalid');
    expect(code(() => hops('Host a\n ProxyCommand nc %h %p', 'a'))).toBe('config-invalid');
  });
});

describe('parseJump', () => {
  it.each([
    ['h', { host: 'h' }],
    ['u@h:23', { host: 'h', user: 'u', port: 23 }],
    ['ssh://u@h:23/', { host: 'h', user: 'u', port: 23 }],
    ['u@[fe80::1]:24', { host: 'fe80::1', user: 'u', port: 24 }],
  ])('%s', (text, expected) => {
    expect(parseJump(text)).toEqual({ kind: 'ssh', ...expected });
  });

  it('refuses what is no host', () => {
    for (const text of ['', 'a b:c', 'h:', 'u@']) expect(code(() => parseJump(text))).toBe('config-invalid');
  });
});

describe('readSshEnvironment', () => {
  it('follows Include, relative and with a wildcard, and goes on globally after it', () => {
    const home = mkdtempSync(join(tmpdir(), 'skua-config-'));
    mkdirSync(join(home, '.ssh', 'conf.d'), { recursive: true });
    writeFileSync(
      join(home, '.ssh', 'config'),
      'Include conf.d/*.conf missing\nConnectTimeout 7\nHost z\n User zed\n',
    );
    writeFileSync(join(home, '.ssh', 'conf.d', 'a.conf'), 'Host a\n User ann\n');
    writeFileSync(join(home, '.ssh', 'conf.d', 'b.conf'), 'Host b\n User ben\n');
    const environment = readSshEnvironment({ HOME: home });
    const user = (host: string): string | undefined =>
      resolveHops({ kind: 'ssh', host }, environment)[0]?.user;
    expect([user('a'), user('b'), user('z')]).toEqual(['ann', 'ben', 'zed']);
    expect(resolveHops({ kind: 'ssh', host: 'q' }, environment)[0]?.connectTimeoutMs).toBe(7000);
  });
});
