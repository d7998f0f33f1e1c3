import type { AgentRequests, HostReport, StepReport } from '../../common/protocol/agent';
import { hostFacts, type Facts } from './facts';
import { PreparedStore } from './state';
import { checkSteps, doSteps, undoSteps, type StepRun } from './step';
import { hostSteps } from './steps';
import type { StepInputs } from './steps/modules';
import { needsNewLogin } from './steps/rights';
import { Privileged } from './verbs';

/** The host under the agent: what it is, and its preparation for tracing. */
export class Host {
  constructor(
    readonly facts: Facts = hostFacts(),
    private readonly privileged: (password?: string) => Privileged = (password) => new Privileged(password),
    private readonly store: PreparedStore = new PreparedStore(),
  ) {}

  async doctor(inputs: AgentRequests['doctor'][0]): Promise<HostReport> {
    return await this.report(await checkSteps(this.steps(inputs)));
  }

  /** Does what can be done. Failed steps carry their error in the report; rejects only when cancelled. */
  async prepare(inputs: AgentRequests['prepare'][0], run: StepRun): Promise<AgentRequests['prepare'][1]> {
    const report = await this.report(await doSteps(this.steps(inputs, inputs.sudoPassword), run));
    return { report, needsReconnect: await needsNewLogin(this.facts) };
  }

  async unprepare(inputs: AgentRequests['unprepare'][0], run: StepRun): Promise<HostReport> {
    const reports = await undoSteps(this.steps({}, inputs.sudoPassword), run);
    // What is still to be undone must stay written down.
    if (!reports.some((step) => step.undone === false)) await this.store.clear();
    return await this.report(reports);
  }

  private steps(inputs: StepInputs, password?: string): ReturnType<typeof hostSteps> {
    return hostSteps(this.facts, this.privileged(password), this.store, inputs);
  }

  private async report(steps: readonly StepReport[]): Promise<HostReport> {
    return {
      hostname: this.facts.hostname,
      kernelRelease: this.facts.kernelRelease,
      arch: this.facts.arch,
      distribution: (await this.facts.distribution()).name,
      steps,
    };
  }
}
