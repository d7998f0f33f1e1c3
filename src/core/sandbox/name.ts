/** Names of sandbox instances: they name folders, and stand in `sandbox:NAME`. */
import { SkuaError } from '../../../common/base/errors';

export const INSTANCE_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Throws `config-invalid` unless `name` can name an instance. */
export function checkInstanceName(name: string): string {
  if (INSTANCE_NAME.test(name)) return name;
  throw new SkuaError({
    code: 'config-invalid',
    message: `"${name}" cannot be the name of a sandbox.`,
    remedy: 'Use up to 32 lowercase letters, digits and hyphens, beginning with a letter or digit.',
  });
}
