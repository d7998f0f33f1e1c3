import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CoreContext } from '../api';
import { quote, type SshConnection } from '../ssh/connection';
import { installRoot } from '../paths';
import { agentBundle, folderFiles } from './bundle';
import type { TargetFacts } from './facts';
import { lttngModulesSource } from './kernel-source';
import { nodeBinary } from './node';
import { contentHash, pushFolder, uploadError, type PushFile } from './push';
import type { PrebuiltModules } from '../sandbox/modules';

/** The agent on a target, ready to be started. */
export interface DeployedAgent {
  /** POSIX shell script that becomes the agent. */
  readonly command: string;
  readonly folder: string;
}

/**
 * Brings the agent (and Node, where the target has none that will do) into the user's own folder there. Unchanged content is used
 * again: then this costs one round trip. Throws `disk-full`, `upload-failed`, `connection-lost`, `cancelled`.
 */
export async function deployAgent(
  ssh: SshConnection,
  facts: TargetFacts,
  context: CoreContext,
): Promise<DeployedAgent> {
  const node = facts.node ?? (await deployNode(ssh, facts, context));
  const files = await agentBundle();
  const folder = await pushFolder(
    ssh,
    `${facts.base}/agent`,
    contentHash(files),
    files,
    `Copying the agent to ${ssh.alias}`,
    context,
  );
  return { folder, command: `cd ${quote(facts.home)} && exec ${quote(node)} ${quote(`${folder}/agent.js`)}` };
}

async function deployNode(ssh: SshConnection, facts: TargetFacts, context: CoreContext): Promise<string> {
  const node = await nodeBinary(context);
  const files: PushFile[] = [{ path: 'bin/node', mode: 0o755, data: await readFile(node.path) }];
  const step = `Copying Node.js ${node.version} to ${ssh.alias}`;
  return `${await pushFolder(ssh, `${facts.base}/node`, node.version, files, step, context)}/bin/node`;
}

/** Where modules of one kernel and one state of Skua's sources are on a target, whether built here or there. */
export function modulesFolder(facts: TargetFacts, kernelRelease: string, hash: string): string {
  return `${facts.base}/modules/${kernelRelease}-${hash}`;
}

/** Brings prebuilt modules over, to `modulesFolder`. */
export async function deployModules(
  ssh: SshConnection,
  facts: TargetFacts,
  modules: PrebuiltModules,
  context: CoreContext,
): Promise<void> {
  const files = await folderFiles(modules.folder);
  const name = `${modules.kernelRelease}-${modules.hash}`;
  const step = `Copying the kernel modules to ${ssh.alias}`;
  await pushFolder(ssh, `${facts.base}/modules`, name, files, step, context);
}

/** Brings everything over that building the modules on the target needs; returns prepare's `sourceDir`. */
export async function deployKernelSource(
  ssh: SshConnection,
  facts: TargetFacts,
  context: CoreContext,
): Promise<string> {
  const deb = await lttngModulesSource(context);
  const kernel = await folderFiles(join(installRoot(), 'kernel'));
  const files: PushFile[] = [
    { path: 'lttng-modules.deb', mode: 0o644, data: await readFile(deb) },
    ...kernel.map((file) => ({ ...file, path: `kernel/${file.path}` })),
  ];
  const step = `Copying the module sources to ${ssh.alias}`;
  return pushFolder(ssh, `${facts.base}/source`, contentHash(files), files, step, context);
}

/** Removes everything Skua has put on a target: agent, Node, modules, sources and uploaded projects. */
export async function removeDeployed(
  ssh: SshConnection,
  facts: TargetFacts,
  context: CoreContext,
): Promise<void> {
  context.progress.report(`Removing Skua's files from ${ssh.alias}`);
  const result = await ssh.run(`rm -rf ${quote(facts.base)}`, { signal: context.signal });
  if (result.code !== 0) throw uploadError(ssh.alias, facts.base, result);
}

/** Agents, and uploads of agents, that nobody has touched for so long are left-overs. */
const UNUSED_MINUTES = 24 * 60;

/**
 * Removes agents of other versions, and uploads that were given up. What a running agent was started from stays, for it starts its
 * helpers from there when it needs them; so does what is younger than a day, for another client may be about to start or finish it.
 */
export async function removeOldAgents(
  ssh: SshConnection,
  facts: TargetFacts,
  current: DeployedAgent,
  context: CoreContext,
): Promise<void> {
  const script = `used=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n')
for d in ${quote(facts.base)}/agent/* ${quote(facts.base)}/agent/.partial-*; do
  [ -d "$d" ] && [ "$d" != ${quote(current.folder)} ] || continue
  case $used in *"$d/"*) continue ;; esac
  [ -z "$(find "$d" -mmin -${String(UNUSED_MINUTES)} | head -n 1)" ] && rm -rf "$d"
done
exit 0`;
  await ssh.run(script, { signal: context.signal });
}
