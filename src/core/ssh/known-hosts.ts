import { createHash, createHmac } from 'node:crypto';

/**
 * The known_hosts format of OpenSSH (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): `[@marker] hosts keytype base64key [comment]`. Pure.
 */
export interface KnownHost {
  readonly file: string;
  /** 1-based, as editors and ssh itself count. */
  readonly line: number;
  readonly marker?: 'revoked' | 'cert-authority';
  /** The host patterns as written: comma-separated names, or one hashed name `|1|salt|hash`. */
  readonly hosts: string;
  readonly keyType: string;
  readonly key: Buffer;
}

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  /** A key of the same type is recorded for this host, and it is another one. */
  | { readonly kind: 'changed'; readonly recorded: KnownHost }
  | { readonly kind: 'revoked'; readonly recorded: KnownHost };

/** Parses one file. Lines that cannot be understood are skipped, as ssh does. */
export function parseKnownHosts(text: string, file: string): readonly KnownHost[] {
  return text.split('\n').flatMap((raw, index) => {
    const fields = raw.trim().split(/\s+/);
    const first = fields[0] ?? '';
    if (first === '' || first.startsWith('#')) return [];
    const marker = first.startsWith('@') ? fields.shift()?.slice(1) : undefined;
    const [hosts, keyType, base64] = fields;
    if (hosts === undefined || keyType === undefined || base64 === undefined) return [];
    const key = Buffer.from(base64, 'base64');
    if (keyTypeOf(key) !== keyType) return [];
    if (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority') return [];
    return [{ file, line: index + 1, hosts, keyType, key, ...(marker === undefined ? {} : { marker }) }];
  });
}

/**
 * What known_hosts says about `key` presented by `host` on `port`. Certificate authorities are ignored: ssh2 asks for plain host
 * keys only. A recorded key of another type does not count as a change, as in ssh.
 */
export function checkHostKey(
  entries: readonly KnownHost[],
  host: string,
  port: number,
  key: Buffer,
): HostKeyVerdict {
  const name = hostEntryName(host, port);
  const mine = entries.filter(
    (entry) => entry.marker !== 'cert-authority' && matchesHosts(entry.hosts, name),
  );
  const revoked = mine.find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (revoked !== undefined) return { kind: 'revoked', recorded: revoked };
  const good = mine.filter((entry) => entry.marker === undefined);
  if (good.some((entry) => entry.key.equals(key))) return { kind: 'known' };
  const sameType = good.find((entry) => entry.keyType === keyTypeOf(key));
  return sameType === undefined ? { kind: 'unknown' } : { kind: 'changed', recorded: sameType };
}

/** Types of the keys recorded for a host: the ones to ask it for first, so that a known host is not taken for an unknown one. */
export function knownKeyTypes(entries: readonly KnownHost[], host: string, port: number): readonly string[] {
  const name = hostEntryName(host, port);
  const mine = entries.filter((entry) => entry.marker === undefined && matchesHosts(entry.hosts, name));
  return [...new Set(mine.map((entry) => entry.keyType))];
}

/** How a host is written in known_hosts: the name, or `[name]:port` when the port is not 22. */
export function hostEntryName(host: string, port: number): string {
  const lower = host.toLowerCase();
  return port === 22 ? lower : `[${lower}]:${String(port)}`;
}

/** The line, with newline, that records a key. `salt` (20 random bytes) given: the host name is hashed (HashKnownHosts yes). */
export function knownHostLine(host: string, port: number, key: Buffer, salt?: Buffer): string {
  const name = hostEntryName(host, port);
  const hosts =
    salt === undefined ? name : `|1|${salt.toString('base64')}|${hashName(name, salt).toString('base64')}`;
  return `${hosts} ${keyTypeOf(key)} ${key.toString('base64')}\n`;
}

/** `SHA256:…` as ssh prints it: unpadded base64 of the digest of the key blob. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type named inside a key blob (RFC 4253, section 6.6), or an empty string when it is not one. */
export function keyTypeOf(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length > 64 || 4 + length > key.length ? '' : key.toString('latin1', 4, 4 + length);
}

function matchesHosts(hosts: string, name: string): boolean {
  if (hosts.startsWith('|1|')) {
    const [salt, hash] = hosts.slice(3).split('|');
    return (
      salt !== undefined &&
      hash !== undefined &&
      hashName(name, Buffer.from(salt, 'base64')).toString('base64') === hash
    );
  }
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

function hashName(name: string, salt: Buffer): Buffer {
  return createHmac('sha1', salt).update(name).digest();
}

function wildcard(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}
