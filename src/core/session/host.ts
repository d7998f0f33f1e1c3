import type { HostReport } from '../../../common/protocol/agent';
import { cancelled } from '../process';
import type { AgentEvents } from '../agent/connection';
import type { CoreContext, TargetSpec } from '../api';
import { probeTarget } from '../deploy/facts';
import { removeDeployed } from '../deploy/deploy';
import { checkHost, prepareHost, unprepareHost } from './preparation';
import { connectTarget, openTarget, targetName } from './target';

/** Nothing is traced here, so nothing arrives. */
const NO_EVENTS: AgentEvents = {
  spans: () => undefined,
  output: () => undefined,
  loss: () => undefined,
  exited: () => undefined,
  failed: () => undefined,
};

/** What stands between a target and tracing. Deploys the agent, changes nothing else. */
export async function doctor(target: TargetSpec, context: CoreContext): Promise<HostReport> {
  const open = await openTarget(target, NO_EVENTS, context);
  try {
    context.progress.report(`Checking ${open.ssh.alias}`);
    return await checkHost(open, context);
  } finally {
    await open.dispose();
  }
}

/**
 * Does every step that can be done, after the user has agreed (the sandbox is not asked about), and returns the state afterwards.
 * Steps that remain failed are in the report; they do not throw.
 */
export async function prepare(target: TargetSpec, context: CoreContext): Promise<HostReport> {
  const open = await openTarget(target, NO_EVENTS, context);
  let report: HostReport;
  let needsReconnect: boolean;
  try {
    report = await checkHost(open, context);
    if (!report.steps.some((step) => step.state === 'fixable')) return report;
    if (target.kind !== 'sandbox' && !(await context.prompter.confirmPrepare(report))) {
      throw cancelled(`Preparing ${targetName(target)}`);
    }
    ({ report, needsReconnect } = await prepareHost(target, open, report, context));
  } finally {
    await open.dispose();
  }
  // A new login shows what the new group changes. It does not show why a step has failed.
  const failed = report.steps.some((step) => step.state === 'failed');
  return needsReconnect && !failed ? doctor(target, context) : report;
}

/** Undoes what `prepare` has done on the target. */
export async function unprepare(target: TargetSpec, context: CoreContext): Promise<HostReport> {
  const open = await openTarget(target, NO_EVENTS, context);
  try {
    return await unprepareHost(open, context);
  } finally {
    await open.dispose();
  }
}

/** Removes everything Skua has copied to the target. What `prepare` changed stays; undo that first with `unprepare`. */
export async function removeAgent(target: TargetSpec, context: CoreContext): Promise<void> {
  const ssh = await connectTarget(target, context);
  try {
    await removeDeployed(ssh, await probeTarget(ssh, context), context);
  } finally {
    await ssh.dispose();
  }
}
