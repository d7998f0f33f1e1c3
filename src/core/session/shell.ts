import type { TargetSpec } from '../api';
import { SkuaError } from '../../../common/base/errors';
import { GUEST_USER } from '../sandbox/definition';
import { loginKeyPath, sandboxKnownHosts } from '../sandbox/files';
import { sandboxStatus } from '../sandbox/instance';

/** The ssh command line that opens a terminal on a target. The sandbox must run. */
export async function shellCommand(
  target: TargetSpec,
): Promise<{ readonly file: string; readonly args: readonly string[] }> {
  if (target.kind === 'ssh') {
    const port = target.port === undefined ? [] : ['-p', String(target.port)];
    const user = target.user === undefined ? [] : ['-l', target.user];
    const key = target.identityFile === undefined ? [] : ['-i', target.identityFile];
    return { file: 'ssh', args: [...port, ...user, ...key, target.host] };
  }
  const { sshPort } = await sandboxStatus(target.name);
  if (sshPort === undefined) {
    throw new SkuaError({
      code: 'sandbox-boot-failed',
      message: `The sandbox "${target.name}" is not running.`,
      remedy: 'Start it: skua sandbox start',
    });
  }
  const knownHosts = await sandboxKnownHosts();
  const options = [
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'HostKeyAlias=skua-sandbox',
    'StrictHostKeyChecking=yes',
    'LogLevel=ERROR',
  ];
  const args = [
    '-F',
    'none',
    '-i',
    loginKeyPath(),
    '-p',
    String(sshPort),
    ...options.flatMap((option) => ['-o', option]),
  ];
  return { file: 'ssh', args: [...args, `${GUEST_USER}@127.0.0.1`] };
}
