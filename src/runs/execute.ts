import * as vscode from 'vscode';
import { SkuaError } from '../../common/base/errors';
import type { CoreServices } from '../core';
import type { RecordedTraces } from '../files/recordedTraces';
import type { TimelinePanels } from '../timeline/panels';
import type { ErrorFunnel } from '../ui/errors';
import { runTask } from '../ui/tasks';
import type { LiveRun, RunListener, RunOutcome } from './liveRun';

const EXPLAINED = 'skua.sandboxExplained';

export interface ExecuteServices {
  readonly context: vscode.ExtensionContext;
  readonly core: CoreServices;
  readonly log: vscode.LogOutputChannel;
  readonly errors: ErrorFunnel;
  readonly panels: TimelinePanels;
  readonly traces: RecordedTraces;
}

/** Shows the timeline, prepares the target and starts the program, with progress. Rejects with a SkuaError. */
export async function startLiveRun(
  services: ExecuteServices,
  run: LiveRun,
  listener: RunListener,
): Promise<void> {
  try {
    await explainSandbox(services, run);
  } catch (thrown) {
    throw run.fail(thrown);
  }
  if (run.resolved.openTimeline)
    services.panels.show(run, { file: services.traces.plannedFile(run).toString() });
  await runTask(
    services.log,
    {
      title: `Skua: ${run.title}`,
      signal: run.signal,
      onStep: (step, fraction) => run.preparing(step, fraction),
    },
    (context) => run.start(context, listener),
  );
}

/** Waits for the last span, then saves the trace, also that of a failed run. Rejects when the run failed. */
export async function finishLiveRun(services: ExecuteServices, run: LiveRun): Promise<RunOutcome> {
  try {
    return await run.finish();
  } finally {
    await saveRun(services, run);
  }
}

/** Saves what the run has recorded, when the settings or the launch configuration ask for it; reports a failure itself. */
export async function saveRun(services: ExecuteServices, run: LiveRun): Promise<void> {
  const wanted =
    run.resolved.saveTo !== undefined ||
    vscode.workspace.getConfiguration('skua').get<boolean>('traces.autoSave', true);
  if (!wanted || run.store.spanCount === 0 || run.file !== undefined) return;
  try {
    await services.traces.saveRun(run);
  } catch (thrown) {
    services.errors.report(thrown);
  }
}

/** Once, before minutes of work begin: what the sandbox is and what it leaves behind. */
async function explainSandbox({ context, core }: ExecuteServices, run: LiveRun): Promise<void> {
  const { target } = run.resolved.options;
  if (target.kind !== 'sandbox' || context.globalState.get(EXPLAINED) === true) return;
  const { state } = await core.sandbox.status(target.name);
  if (state === 'absent' && !(await confirmSandbox())) {
    throw new SkuaError({ code: 'cancelled', message: 'The sandbox was not built.', remedy: '' });
  }
  await context.globalState.update(EXPLAINED, true);
}

async function confirmSandbox(): Promise<boolean> {
  const build = 'Build Sandbox';
  const chosen = await vscode.window.showInformationMessage(
    'Skua will build its sandbox.',
    {
      modal: true,
      detail:
        'A small Debian machine under QEMU, in your cache folder (about 2 GB). The first build takes a few minutes; later starts about twenty seconds. ' +
        'Nothing is installed on this machine and no administrator rights are used.\n\nYour program is copied into it and traced there.',
    },
    build,
  );
  return chosen === build;
}
