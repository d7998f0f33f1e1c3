import { homedir } from 'node:os';
import { join } from 'node:path';
import type { AgentRequests, HostReport, StepReport } from '../../common/protocol/agent';
import { hostFacts, type Facts } from './facts';
import { PreparedStore } from './state';
import { checkSteps, doSteps, undoSteps, type StepRun } from './step';
import { hostSteps, needsNewLogin, type StepInputs } from './steps';
import { Privileged } from './verbs';

/** The host under the agent: what it is, and its preparation for tracing. */
export class Host {
  constructor(
    readonly facts: Facts = hostFacts(),
    private readonly privileged: Privileged = new Privileged(),
    private readonly store: PreparedStore = new PreparedStore(),
    private readonly buildDir: string = join(homedir(), '.local/share/skua/modules'),
  ) {}

  async doctor(): Promise<HostReport> {
    return await this.report(await checkSteps(this.steps({})));
  }

  /** Does what can be done. Failed steps carry their error in the report; rejects only when cancelled. */
  async prepare(inputs: AgentRequests['prepare'][0], run: StepRun): Promise<AgentRequests['prepare'][1]> {
    let built: string | undefined;
    const steps = this.steps({
      ...inputs,
      onBuilt: (folder) => {
        built = folder;
      },
    });
    const report = await this.report(await doSteps(steps, run));
    return {
      report,
      needsReconnect: await needsNewLogin(this.facts),
      ...(built === undefined ? {} : { builtModulesDir: built }),
    };
  }

  async unprepare(run: StepRun): Promise<HostReport> {
    const reports = await undoSteps(this.steps({}), run);
    // What is still to be undone must stay written down.
    if (!reports.some((step) => step.undone === false)) await this.store.clear();
    return await this.report(reports);
  }

  private steps(inputs: Omit<StepInputs, 'buildDir'>): ReturnType<typeof hostSteps> {
    return hostSteps(this.facts, this.privileged, this.store, { ...inputs, buildDir: this.buildDir });
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
