import { InvalidArgumentError } from 'commander';
import { isAbsolute, resolve } from 'node:path';
import { SkuaError } from '../../common/base/errors';
import type { TargetSpec } from '../core/api';
import { parseTarget, TARGET_FORMS } from '../core/target-spec';

/** Parses --target. */
export function targetOption(text: string): TargetSpec {
  try {
    return parseTarget(text);
  } catch (error) {
    if (error instanceof SkuaError) throw new InvalidArgumentError(`Give ${TARGET_FORMS}.`);
    throw error;
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
