import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SkuaError } from '../../../common/base/errors';
import type { Prompter } from '../api';
import type { Hop } from './config';
import {
  checkHostKey,
  fingerprint,
  keyTypeOf,
  knownHostLine,
  knownKeyTypes,
  parseKnownHosts,
  type KnownHost,
} from './known-hosts';

/** Decides whether a server is the one it should be. */
export interface HostKeyPolicy {
  /** Key types to ask the server for first. */
  readonly preferredTypes: readonly string[];
  /** Resolves when the key is right; throws `host-key-changed` or `host-key-unknown` when it is not. */
  verify(key: Buffer): Promise<void>;
}

/** The key is known in advance, as the sandbox's is: any other is refused. `publicKey` as in an authorized_keys line. */
export function pinnedKey(what: string, publicKey: string): HostKeyPolicy {
  const expected = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  return {
    preferredTypes: [keyTypeOf(expected)],
    verify: (key) =>
      key.equals(expected)
        ? Promise.resolve()
        : Promise.reject(
            new SkuaError({
              code: 'host-key-changed',
              message: `Something else answers on the port of ${what}: its host key is ${fingerprint(key)}.`,
              remedy: 'Run "skua sandbox stop", then start it again.',
            }),
          ),
  };
}

/** The user's known_hosts files decide; for an unknown key the user does, and a confirmed key is appended to the first file. */
export async function knownHostsPolicy(hop: Hop, prompter: Prompter): Promise<HostKeyPolicy> {
  const entries: KnownHost[] = [];
  for (const file of hop.knownHostsFiles) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    });
    entries.push(...parseKnownHosts(text, file));
  }
  const name = hop.hostKeyAlias ?? hop.host;
  const port = hop.hostKeyAlias === undefined ? hop.port : 22;
  return {
    preferredTypes: knownTypes(entries, name, port),
    verify: async (key) => {
      const verdict = checkHostKey(entries, name, port, key);
      if (verdict.kind === 'known') return;
      if (verdict.kind === 'unknown') {
        if (!(await prompter.confirmHostKey(hop.alias, keyTypeOf(key), fingerprint(key))))
          throw notTrusted(hop, key);
        await remember(hop, name, port, key);
        return;
      }
      const where = `${verdict.recorded.file}:${String(verdict.recorded.line)}`;
      throw new SkuaError({
        code: 'host-key-changed',
        message:
          verdict.kind === 'revoked'
            ? `The host key of ${hop.alias} is marked as revoked at ${where}.`
            : `The host key of ${hop.alias} is not the one recorded at ${where}; somebody may be in between.`,
        remedy: `Ask the host's administrator whether ${fingerprint(key)} is right. If so, remove line ${String(verdict.recorded.line)} of ${verdict.recorded.file}.`,
        detail: `presented ${keyTypeOf(key)} ${fingerprint(key)}\nrecorded ${verdict.recorded.keyType} ${fingerprint(verdict.recorded.key)} at ${where}`,
      });
    },
  };
}

function knownTypes(entries: readonly KnownHost[], name: string, port: number): readonly string[] {
  return knownKeyTypes(entries, name, port).flatMap((type) =>
    // One RSA key serves three signature algorithms; the oldest, SHA-1, is left out.
    type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type],
  );
}

async function remember(hop: Hop, name: string, port: number, key: Buffer): Promise<void> {
  const file = hop.knownHostsFiles[0];
  if (file === undefined) return;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const text = await readFile(file, 'utf8').catch(() => '');
  const line = knownHostLine(name, port, key, hop.hashKnownHosts ? randomBytes(20) : undefined);
  await appendFile(file, text === '' || text.endsWith('\n') ? line : `\n${line}`, { mode: 0o600 });
}

function notTrusted(hop: Hop, key: Buffer): SkuaError {
  return new SkuaError({
    code: 'host-key-unknown',
    message: `The host key of ${hop.alias} (${fingerprint(key)}) was not confirmed.`,
    remedy:
      'Compare the fingerprint with the one its administrator gives you, then connect again and confirm it.',
  });
}
