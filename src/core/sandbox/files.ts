import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheRoot, privateFolder } from '../paths';
import { newKeyPair } from '../ssh/new-key';

/** `<cache>/sandbox`: images by definition hash, instances by name, and the keys all of them share. */
export function sandboxRoot(): string {
  return join(cacheRoot(), 'sandbox');
}

export interface KeyPair {
  /** OpenSSH private key, PEM. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly publicKey: string;
}

export interface SandboxKeys {
  /** The key with which Skua logs in. */
  readonly login: KeyPair;
  /** The guest's own host key: made by Skua at build time, so it is known before the first connection. */
  readonly host: KeyPair;
}

/** The sandbox's keys, made on first use, private to this user's cache. */
export async function sandboxKeys(): Promise<SandboxKeys> {
  const folder = await privateFolder(join(sandboxRoot(), 'keys'));
  return { login: await keyPair(join(folder, 'login')), host: await keyPair(join(folder, 'host')) };
}

/** Path of the login key's private half, for `ssh -i`. */
export function loginKeyPath(): string {
  return join(sandboxRoot(), 'keys', 'login');
}

/** A known_hosts file, under the alias `skua-sandbox`, for OpenSSH's own client. */
export async function sandboxKnownHosts(): Promise<string> {
  const { host } = await sandboxKeys();
  const path = join(sandboxRoot(), 'keys', 'known_hosts');
  await writeFile(path, `skua-sandbox ${host.publicKey}\n`, { mode: 0o600 });
  return path;
}

async function keyPair(path: string): Promise<KeyPair> {
  try {
    return {
      privateKey: await readFile(path, 'utf8'),
      publicKey: (await readFile(`${path}.pub`, 'utf8')).trim(),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const pair = newKeyPair({ comment: 'skua-sandbox' });
  await writeFile(path, pair.private.endsWith('\n') ? pair.private : `${pair.private}\n`, { mode: 0o600 });
  await writeFile(`${path}.pub`, `${pair.public.trim()}\n`, { mode: 0o600 });
  return keyPair(path);
}
