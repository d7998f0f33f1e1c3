import type { CoreContext, TargetSpec } from '../api';
import { userIdentity } from './auth';
import { readSshEnvironment, resolveHops, type SshEnvironment } from './config';
import { openSsh, type SshConnection } from './connection';
import { knownHostsPolicy } from './host-keys';

/**
 * Connects to an SSH host as the user's own ssh would: alias, jump hosts, identities and known hosts come from the user's
 * configuration. Throws what openSsh and resolveHops throw, naming the hop that failed.
 */
export async function connectSsh(
  spec: Extract<TargetSpec, { kind: 'ssh' }>,
  context: CoreContext,
  environment: SshEnvironment = readSshEnvironment(),
): Promise<SshConnection> {
  const hops = resolveHops(spec, environment);
  let connection: SshConnection | undefined;
  try {
    for (const hop of hops) {
      context.progress.report(`Connecting to ${hop.alias}`);
      const previous: SshConnection | undefined = connection;
      const through = previous === undefined ? undefined : await previous.stream(hop.host, hop.port);
      const next: SshConnection = await openSsh({
        alias: hop.alias,
        host: hop.host,
        port: hop.port,
        identity: userIdentity(hop, context.prompter),
        hostKeys: await knownHostsPolicy(hop, context.prompter),
        timeoutMs: hop.connectTimeoutMs,
        signal: context.signal,
        ...(through === undefined ? {} : { through }),
      });
      if (previous !== undefined) next.own(previous);
      connection = next;
    }
  } catch (error) {
    await connection?.dispose();
    throw error;
  }
  if (connection === undefined) throw new Error('a host resolves to at least one hop');
  return connection;
}
