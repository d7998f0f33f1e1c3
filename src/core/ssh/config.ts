import { readdirSync, readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import SSHConfig from 'ssh-config';
import { SkuaError } from '../../../common/base/errors';
import type { TargetSpec } from '../api';

/** One SSH server on the way to a target: how to reach it and what may prove who we are. */
export interface Hop {
  /** As the user wrote it. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFiles: readonly string[];
  /** Only the keys of `identityFiles` may be offered, also from the agent. */
  readonly identitiesOnly: boolean;
  readonly agentSocket?: string;
  /** Name under which the host key is recorded, when not `host`. */
  readonly hostKeyAlias?: string;
  /** The first is written to. */
  readonly knownHostsFiles: readonly string[];
  readonly hashKnownHosts: boolean;
  readonly connectTimeoutMs: number;
}

export interface SshEnvironment {
  readonly home: string;
  readonly user: string;
  readonly agentSocket?: string;
  /** Text of the user's and the system's ssh configuration, in this order: the first value of a setting wins. */
  readonly config: string;
}

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];
const MAX_HOPS = 8;

/** Reads ~/.ssh/config and /etc/ssh/ssh_config, with the files they include. Missing files count as empty. */
export function readSshEnvironment(env: NodeJS.ProcessEnv = process.env): SshEnvironment {
  const home = env['HOME'] ?? homedir();
  const socket = env['SSH_AUTH_SOCK'];
  return {
    home,
    user: userInfo().username,
    ...(socket === undefined || socket === '' ? {} : { agentSocket: socket }),
    config: [join(home, '.ssh', 'config'), '/etc/ssh/ssh_config']
      .map((path) => readWithIncludes(path, home, 0))
      .join('\nHost *\n'),
  };
}

/**
 * The servers to go through, the target last. Understands HostName, Port, User, IdentityFile, IdentitiesOnly, IdentityAgent,
 * ProxyJump (several hops, each with its own settings), HostKeyAlias, UserKnownHostsFile, HashKnownHosts and ConnectTimeout.
 * Throws `config-invalid` for a jump that leads back to itself, and for ProxyCommand, which is not supported.
 */
export function resolveHops(
  spec: Extract<TargetSpec, { kind: 'ssh' }>,
  environment: SshEnvironment,
): readonly Hop[] {
  return resolve(spec, environment, SSHConfig.parse(environment.config), 0);
}

function resolve(
  spec: Extract<TargetSpec, { kind: 'ssh' }>,
  environment: SshEnvironment,
  config: SSHConfig,
  depth: number,
  jumpOverride?: string,
): readonly Hop[] {
  if (depth > MAX_HOPS) {
    throw invalid(
      `ProxyJump for ${spec.host} leads through more than ${String(MAX_HOPS)} hosts, or back to itself.`,
    );
  }
  const settings = config.compute(spec.host, { ignoreCase: true });
  const one = (name: string): string | undefined => {
    const value = settings[name];
    return typeof value === 'string' ? value : value?.[0];
  };
  const many = (name: string): readonly string[] => {
    const value = settings[name];
    return value === undefined ? [] : typeof value === 'string' ? value.split(/\s+/) : value;
  };
  const user = spec.user ?? one('user') ?? environment.user;
  const host = (one('hostname') ?? spec.host).replaceAll('%h', spec.host).replaceAll('%%', '%');
  const port = spec.port ?? Number(one('port') ?? 22);
  const path = (raw: string): string => expand(raw, { environment, host, port, user, alias: spec.host });

  const jump = jumpOverride ?? one('proxyjump') ?? 'none';
  const proxyCommand = one('proxycommand') ?? 'none';
  if (jump === 'none' && proxyCommand !== 'none') {
    throw invalid(`${spec.host} is reached with ProxyCommand, which Skua does not run.`);
  }
  const files = [...(spec.identityFile === undefined ? [] : [spec.identityFile]), ...many('identityfile')]
    .filter((file) => file !== 'none')
    .map(path);
  const agent = one('identityagent');
  const agentSocket =
    agent === undefined || agent === 'SSH_AUTH_SOCK'
      ? environment.agentSocket
      : agent === 'none'
        ? undefined
        : path(agent);
  const hostKeyAlias = one('hostkeyalias');
  const known = many('userknownhostsfile').filter((file) => file !== 'none');
  const target: Hop = {
    alias: spec.host,
    host,
    port,
    user,
    identityFiles:
      files.length > 0 ? files : DEFAULT_KEYS.map((name) => join(environment.home, '.ssh', name)),
    identitiesOnly: one('identitiesonly')?.toLowerCase() === 'yes',
    ...(agentSocket === undefined ? {} : { agentSocket }),
    ...(hostKeyAlias === undefined ? {} : { hostKeyAlias }),
    knownHostsFiles: (known.length > 0 ? known : ['~/.ssh/known_hosts', '~/.ssh/known_hosts2']).map(path),
    hashKnownHosts: one('hashknownhosts')?.toLowerCase() === 'yes',
    connectTimeoutMs: 1000 * Number(one('connecttimeout') ?? 15),
  };
  if (jump === 'none') return [target];
  // `ProxyJump a,b`: b is reached through a whatever b's own settings say, so everything before the last is its override.
  const jumps = jump.split(',').map((text) => text.trim());
  const last = jumps.pop() ?? '';
  const before = jumps.length > 0 ? jumps.join(',') : undefined;
  return [...resolve(parseJump(last), environment, config, depth + 1, before), target];
}

/** `[user@]host[:port]`, `[user@][v6]:port` or `ssh://…`. Throws `config-invalid`. */
export function parseJump(text: string): Extract<TargetSpec, { kind: 'ssh' }> {
  const match = /^(?:ssh:\/\/)?(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:@\s[\]]+))(?::(\d+))?\/?$/.exec(text);
  const host = match?.[2] ?? match?.[3];
  if (match === null || host === undefined) throw invalid(`"${text}" is not a host to connect to.`);
  return {
    kind: 'ssh',
    host,
    ...(match[1] === undefined ? {} : { user: match[1] }),
    ...(match[4] === undefined ? {} : { port: Number(match[4]) }),
  };
}

function expand(
  raw: string,
  on: { environment: SshEnvironment; host: string; port: number; user: string; alias: string },
): string {
  const home = on.environment.home;
  const text = raw.replace(/^~(?=\/|$)/, home).replace(/^\$\{?HOME\}?/, home);
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    d: home,
    h: on.host,
    n: on.alias,
    p: String(on.port),
    r: on.user,
    u: on.environment.user,
  };
  const expanded = text.replace(/%(.)/g, (whole, token: string) => tokens[token] ?? whole);
  return expanded.startsWith('/') ? expanded : join(home, '.ssh', expanded);
}

/** ssh_config(5): Include takes several patterns, relative ones below ~/.ssh; nesting is limited as in ssh. */
function readWithIncludes(path: string, home: string, depth: number): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return ''; // Absent or unreadable: ssh, too, goes on without it.
  }
  if (depth >= 16) return '';
  return text.replace(/^[ \t]*include[ \t]+(.+)$/gim, (_line, patterns: string, offset: number) => {
    const included = patterns
      .trim()
      .split(/\s+/)
      .map((pattern) => pattern.replace(/^"|"$/g, '').replace(/^~(?=\/)/, home))
      .flatMap((pattern) => globLastSegment(pattern.startsWith('/') ? pattern : join(dirname(path), pattern)))
      .map((file) => readWithIncludes(file, home, depth + 1))
      .join('\n');
    // What follows an Include outside every Host section applies to all hosts, whatever the included file ended with.
    return /^[ \t]*(host|match)[ \t]/im.test(text.slice(0, offset)) ? included : `${included}\nHost *`;
  });
}

function globLastSegment(pattern: string): readonly string[] {
  const name = basename(pattern);
  if (!/[*?]/.test(name)) return [pattern];
  const matcher = new RegExp(
    `^${name
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
  try {
    return readdirSync(dirname(pattern))
      .filter((entry) => matcher.test(entry) && !entry.startsWith('.'))
      .sort()
      .map((entry) => join(dirname(pattern), entry));
  } catch {
    return []; // No such folder: nothing is included.
  }
}

function invalid(message: string): SkuaError {
  return new SkuaError({
    code: 'config-invalid',
    message,
    remedy: 'Correct the entry in ~/.ssh/config; use ProxyJump to go through other hosts.',
  });
}
