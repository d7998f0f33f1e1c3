import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TargetSpec } from '../../src/core/api';
import { loginKeyPath, sandboxKeys } from '../../src/core/sandbox/files';

/** The guest as an SSH host in a home folder made for the test, so that it is reached as a user's own host is. */
export interface SshHome {
  target(user: string, port: number): Promise<TargetSpec>;
  dispose(): void;
}

export function openSshHome(): SshHome {
  const home = mkdtempSync(join(tmpdir(), 'skua-ssh-home-'));
  const saved = process.env['HOME'];
  // The login key's path depends on HOME unless the cache is named explicitly.
  process.env['XDG_CACHE_HOME'] ??= join(saved ?? '/root', '.cache');
  process.env['HOME'] = home;
  return {
    async target(user, port) {
      const { host } = await sandboxKeys();
      mkdirSync(join(home, '.ssh'), { recursive: true });
      writeFileSync(join(home, '.ssh/known_hosts'), `guest ${host.publicKey}\n`);
      const entry = `Host guest\n HostName 127.0.0.1\n HostKeyAlias guest\n Port ${String(port)}\n User ${user}\n IdentityFile ${loginKeyPath()}\n`;
      writeFileSync(join(home, '.ssh/config'), entry);
      return { kind: 'ssh', host: 'guest' };
    },
    dispose: () => {
      process.env['HOME'] = saved;
      rmSync(home, { recursive: true, force: true });
    },
  };
}
