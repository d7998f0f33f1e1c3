import { SkuaError } from '../../common/base/errors';
import type { TargetSpec } from './api';
import { INSTANCE_NAME } from './sandbox/name';

/** The text forms, for messages and help. */
export const TARGET_FORMS =
  '"sandbox", "sandbox:NAME", "[USER@]HOST[:PORT]" or "ssh://[USER@]HOST[:PORT]", where HOST may be an alias of ~/.ssh/config';

/**
 * A target as the launch configuration, the settings and the command line name it: one of TARGET_FORMS (`ssh:HOST` as well), or an
 * object. Throws SkuaError `config-invalid`.
 */
export function parseTarget(value: unknown): TargetSpec {
  if (typeof value === 'string') return parseText(value.trim());
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return parseObject(value as Record<string, unknown>);
  throw invalid(value);
}

/** The text form of a target; `parseTarget` reads it back, except that an identity file is not part of it. */
export function formatTarget(target: TargetSpec): string {
  if (target.kind === 'sandbox') return target.name === 'default' ? 'sandbox' : `sandbox:${target.name}`;
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const user = target.user === undefined ? '' : `${target.user}@`;
  const port = target.port === undefined ? '' : `:${target.port}`;
  return user === '' && port === '' ? target.host : `ssh://${user}${host}${port}`;
}

function parseText(text: string): TargetSpec {
  if (text === 'sandbox') return { kind: 'sandbox', name: 'default' };
  if (text.startsWith('sandbox:')) {
    const name = text.slice('sandbox:'.length);
    if (!INSTANCE_NAME.test(name)) throw invalid(text);
    return { kind: 'sandbox', name };
  }
  const match =
    /^(?:ssh:(?:\/\/)?)?(?:([^@\s/]+)@)?(\[[0-9a-fA-F:.%\w]+\]|[^:@\s/[\]]+)(?::(\d{1,5}))?\/?$/.exec(text);
  if (match === null) throw invalid(text);
  const [, user, host, port] = match;
  return parseObject({
    host: host?.replace(/^\[(.*)\]$/, '$1'),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  });
}

function parseObject(value: Readonly<Record<string, unknown>>): TargetSpec {
  const { host, port, user, identityFile, ...rest } = value;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw invalid(value, `It has no property "${unknown}".`);
  // A leading dash would be read as an option by ssh.
  if (typeof host !== 'string' || host === '' || host.startsWith('-') || /\s/.test(host))
    throw invalid(value);
  if (
    port !== undefined &&
    (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535)
  ) {
    throw invalid(value, 'A port is a number from 1 to 65535.');
  }
  if (user !== undefined && (typeof user !== 'string' || user === '')) throw invalid(value);
  if (identityFile !== undefined && (typeof identityFile !== 'string' || identityFile === ''))
    throw invalid(value);
  return {
    kind: 'ssh',
    host,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(identityFile === undefined ? {} : { identityFile }),
  };
}

function invalid(value: unknown, why = ''): SkuaError {
  return new SkuaError({
    code: 'config-invalid',
    message: `"target" is ${value === undefined ? 'missing' : JSON.stringify(value)}, which names no target.${why === '' ? '' : ` ${why}`}`,
    remedy: `Write ${TARGET_FORMS}; in a launch configuration also { "host": "…" }.`,
  });
}
