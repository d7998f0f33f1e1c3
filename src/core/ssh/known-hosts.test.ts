import { utils } from 'ssh2';
import { describe, expect, it } from 'vitest';
import {
  checkHostKey,
  fingerprint,
  hostEntryName,
  keyTypeOf,
  knownHostLine,
  knownKeyTypes,
  parseKnownHosts,
} from './known-hosts';
import { newKeyPair } from './new-key';

function newKey(type: 'ed25519' | 'ecdsa' = 'ed25519'): { line: string; blob: Buffer } {
  const pair = type === 'ed25519' ? newKeyPair() : utils.generateKeyPairSync('ecdsa', { bits: 256 });
  const line = pair.public.split(' ').slice(0, 2).join(' ');
  return { line, blob: Buffer.from(line.split(' ')[1] ?? '', 'base64') };
}

const key = newKey();
const other = newKey();
const ecdsa = newKey('ecdsa');

/** What a known_hosts text says about a key of `host`. */
function verdict(text: string, host: string, port: number, blob: Buffer): string {
  return checkHostKey(parseKnownHosts(text, 'kh'), host, port, blob).kind;
}

describe('known_hosts', () => {
  it.each([
    ['plain name', `example.org ${key.line}`, 'example.org', 22, 'known'],
    ['name in any case', `Example.org ${key.line}`, 'example.ORG', 22, 'known'],
    ['list of names', `a,10.0.0.1,example.org ${key.line} comment`, '10.0.0.1', 22, 'known'],
    ['other port is another host', `example.org ${key.line}`, 'example.org', 2222, 'unknown'],
    ['name with port', `[example.org]:2222 ${key.line}`, 'example.org', 2222, 'known'],
    ['wildcard', `*.example.org ${key.line}`, 'a.example.org', 22, 'known'],
    ['wildcard does not match the bare domain', `*.example.org ${key.line}`, 'example.org', 22, 'unknown'],
    ['negated pattern', `*.example.org,!bad.example.org ${key.line}`, 'bad.example.org', 22, 'unknown'],
    ['no entry', '', 'example.org', 22, 'unknown'],
    [
      'comment and damaged lines',
      `# x\nexample.org\nexample.org ssh-ed25519 AAAA`,
      'example.org',
      22,
      'unknown',
    ],
    ['changed', `example.org ${other.line}`, 'example.org', 22, 'changed'],
    ['another type is not a change', `example.org ${ecdsa.line}`, 'example.org', 22, 'unknown'],
    ['several keys', `example.org ${other.line}\nexample.org ${key.line}`, 'example.org', 22, 'known'],
    ['revoked', `example.org ${key.line}\n@revoked * ${key.line}`, 'example.org', 22, 'revoked'],
    ['authority is not a key', `@cert-authority * ${key.line}`, 'example.org', 22, 'unknown'],
  ])('%s', (_what, text, host, port, expected) => {
    expect(verdict(text, host, port, key.blob)).toBe(expected);
  });

  it('names file and line of the recorded key', () => {
    const found = checkHostKey(
      parseKnownHosts(`\n# c\nexample.org ${other.line}\n`, '/h/kh'),
      'example.org',
      22,
      key.blob,
    );
    expect(found).toMatchObject({ kind: 'changed', recorded: { file: '/h/kh', line: 3 } });
  });

  it('matches the hashed entries that it writes, with and without port', () => {
    const salt = Buffer.alloc(20, 7);
    const text =
      knownHostLine('example.org', 22, key.blob, salt) + knownHostLine('example.org', 2222, other.blob, salt);
    expect(text).not.toContain('example');
    expect(verdict(text, 'example.org', 22, key.blob)).toBe('known');
    expect(verdict(text, 'example.org', 2222, key.blob)).toBe('changed');
    expect(verdict(text, 'example.com', 22, key.blob)).toBe('unknown');
  });

  it('matches an entry that ssh-keygen -H hashed', () => {
    const blob = 'AAAAC3NzaC1lZDI1NTE5AAAAIJpeVk4s62CQYhWnPG1bI18KQpZURxhimCBgLohgt7R9';
    const text = `|1|Z0Cs4KM17xWfM/KpheyNMj/bUJ4=|KKVZv+nFGmEVHWrJ5NUb24TwKx8= ssh-ed25519 ${blob}\n`;
    expect(verdict(text, 'example.org', 22, Buffer.from(blob, 'base64'))).toBe('known');
    expect(verdict(text, 'example.com', 22, Buffer.from(blob, 'base64'))).toBe('unknown');
    // As ssh-keygen -l prints it.
    expect(fingerprint(Buffer.from(blob, 'base64'))).toBe(
      'SHA256:Gzqr7cUPq8qRNOpYh3PmsRe5D+CPXolyNOhkuZtUbUY',
    );
  });

  it('tells the types to ask a host for first', () => {
    const entries = parseKnownHosts(`h ${ecdsa.line}\nh ${key.line}\nother ${other.line}`, 'kh');
    expect(knownKeyTypes(entries, 'h', 22)).toEqual(['ecdsa-sha2-nistp256', 'ssh-ed25519']);
  });

  it('reads the type from a blob and survives garbage', () => {
    expect(keyTypeOf(key.blob)).toBe('ssh-ed25519');
    expect(keyTypeOf(Buffer.alloc(3))).toBe('');
    expect(keyTypeOf(Buffer.alloc(40, 0xff))).toBe('');
    expect(hostEntryName('H', 22)).toBe('h');
    expect(fingerprint(key.blob)).toMatch(/^SHA256:[\w+/]{43}$/);
  });
});
