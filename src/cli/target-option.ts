import { InvalidArgumentError } from 'commander';
import { isAbsolute, resolve } from 'node:path';
import type { TargetSpec } from '../core/api';
import { parseJump } from '../core/ssh/config';

export const TARGET_HELP =
  '"sandbox", "sandbox:NAME", or "ssh:[USER@]HOST[:PORT]" where HOST may be an alias of ~/.ssh/config';

/** Parses --target. */
export function parseTarget(text: string): TargetSpec {
  const sandbox = /^sandbox(?::([a-z0-9][a-z0-9-]{0,31}))?$/.exec(text);
  if (sandbox !== null) return { kind: 'sandbox', name: sandbox[1] ?? 'default' };
  if (!text.startsWith('ssh:')) throw new InvalidArgumentError(`Give ${TARGET_HELP}.`);
  try {
    return parseJump(text.slice('ssh:'.length));
  } catch {
    throw new InvalidArgumentError(`Give ${TARGET_HELP}.`);
  }
}

/** The key file of --identity belongs to an SSH target. */
export function withIdentity(target: TargetSpec, identity: string | undefined): TargetSpec {
  if (identity === undefined || target.kind !== 'ssh') return target;
  return {
    ...target,
    identityFile: isAbsolute(identity) || identity.startsWith('~') ? identity : resolve(identity),
  };
}
