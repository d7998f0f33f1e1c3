import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { installRoot } from '../paths';
import { modulesHash } from './kernel-source';

it('names the sources as the build script does', async () => {
  const script = execFileSync('bash', [join(installRoot(), 'kernel/build.sh'), '--hash'], {
    encoding: 'utf8',
  });
  expect(await modulesHash()).toBe(script.trim());
});
