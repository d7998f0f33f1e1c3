import { SkuaError } from '../../../common/base/errors';
import type { HostReport, StepReport } from '../../../common/protocol/agent';
import { AgentConnection, type AgentEvents } from '../agent/connection';
import type { CoreContext, TargetSpec } from '../api';
import { installClients } from '../deploy/clients';
import { deployAgent, removeOldAgents, type DeployedAgent } from '../deploy/deploy';
import { probeTarget, type TargetFacts } from '../deploy/facts';
import { productVersion } from '../paths';
import { cancelled, throwIfAborted } from '../process';
import { startSandbox } from '../sandbox/instance';
import { connectSsh } from '../ssh/connect';
import type { SshConnection } from '../ssh/connection';
import { checkHost, prepareHost } from './preparation';

/** A target with the agent running on it. `dispose` ends the agent, then the connection. */
export interface OpenTarget {
  readonly ssh: SshConnection;
  readonly facts: TargetFacts;
  readonly agent: AgentConnection;
  readonly deployed: DeployedAgent;
  dispose(): Promise<void>;
}

/** How a target is called in messages. */
export function targetName(target: TargetSpec): string {
  return target.kind === 'sandbox'
    ? target.name === 'default'
      ? 'sandbox'
      : `sandbox:${target.name}`
    : target.host;
}

/** Connects to a target, starting the sandbox when it is one. */
export async function connectTarget(target: TargetSpec, context: CoreContext): Promise<SshConnection> {
  if (target.kind === 'ssh') return connectSsh(target, context);
  const ssh = await startSandbox(target.name, context);
  try {
    await installClients(ssh, context);
    return ssh;
  } catch (error) {
    await ssh.dispose();
    throw error;
  }
}

/**
 * Connects, deploys and starts the agent. Everything opened is closed again when a step fails. Throws what those steps throw.
 */
export async function openTarget(
  target: TargetSpec,
  events: AgentEvents,
  context: CoreContext,
): Promise<OpenTarget> {
  const ssh = await connectTarget(target, context);
  try {
    throwIfAborted(context.signal, 'Connecting');
    const facts = await probeTarget(ssh, context);
    const deployed = await deployAgent(ssh, facts, context);
    context.progress.report(`Starting the agent on ${ssh.alias}`);
    const { agent } = await AgentConnection.start(ssh, deployed.command, productVersion(), context, events);
    return {
      ssh,
      facts,
      agent,
      deployed,
      dispose: async () => {
        try {
          await agent.dispose();
        } finally {
          await ssh.dispose();
        }
      },
    };
  } catch (error) {
    await ssh.dispose();
    throw error;
  }
}

/**
 * Makes the target ready to trace and returns it open. Nothing is asked and nothing changed when it is ready already; otherwise the
 * user agrees first, except for the sandbox, which is Skua's own. A changed group membership needs a new login: then the target is
 * reopened. Throws the first failed step's own error.
 */
export async function openPrepared(
  target: TargetSpec,
  events: AgentEvents,
  context: CoreContext,
): Promise<OpenTarget & { readonly report: HostReport }> {
  let open = await openTarget(target, events, context);
  try {
    context.progress.report(`Checking ${open.ssh.alias}`);
    let report = await checkHost(open, context);
    throwIfFailed(report);
    if (report.steps.some((step) => step.state === 'fixable')) {
      if (target.kind !== 'sandbox' && !(await context.prompter.confirmPrepare(report))) {
        throw cancelled(`Preparing ${open.ssh.alias}`);
      }
      const prepared = await prepareHost(target, open, report, context);
      report = prepared.report;
      throwIfFailed(report);
      if (prepared.needsReconnect) {
        await open.dispose();
        open = await openTarget(target, events, context);
        report = await checkHost(open, context);
        throwIfFailed(report);
      }
      const unfixed = report.steps.find((step) => step.state === 'fixable');
      if (unfixed !== undefined) throw stepError(unfixed, report);
    }
    await removeOldAgents(open.ssh, open.facts, open.deployed, context);
    return { ...open, report };
  } catch (error) {
    await open.dispose();
    throw error;
  }
}

function throwIfFailed(report: HostReport): void {
  const failed = report.steps.find((step) => step.state === 'failed');
  if (failed !== undefined) throw stepError(failed, report);
}

function stepError(step: StepReport, report: HostReport): SkuaError {
  if (step.error !== undefined) return new SkuaError(step.error);
  return new SkuaError({
    code: step.id === 'sudo' ? 'no-sudo' : 'lttng-failed',
    message: `${report.hostname} is not ready to trace: ${step.title}: ${step.found}.`,
    remedy: step.remedy ?? 'Run "skua doctor --fix" on it and read what it reports.',
  });
}
