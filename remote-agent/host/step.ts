import type { SkuaErrorData } from '../../common/base/errors';
import { toSkuaError } from '../../common/base/errors';
import type { StepReport } from '../../common/protocol/agent';

/** What a step's check found. `fixable` means that `do` can make it `ok`; `inVain` is what to say when it was done and did not. */
export type Check =
  | { readonly state: 'ok' | 'skipped'; readonly found: string }
  | {
      readonly state: 'fixable';
      readonly found: string;
      readonly remedy: string;
      readonly inVain?: SkuaErrorData;
    }
  | { readonly state: 'failed'; readonly found: string; readonly error: SkuaErrorData };

export type StepId =
  | 'kernel'
  | 'sudo'
  | 'lttng-tools'
  | 'tracing-group'
  | 'headers'
  | 'build'
  | 'secure-boot'
  | 'modules'
  | 'sessiond'
  | 'relayd'
  | 'context-device';

export interface StepRun {
  readonly signal: AbortSignal;
  progress(text: string, fraction?: number): void;
}

/** One small, idempotent step. `check` changes nothing; `do` may run again after a failure; `undo` takes back only what `do` did. */
export interface Step {
  readonly id: StepId;
  readonly title: string;
  /** Steps that must be `ok` before this one can be done. */
  readonly needs: readonly StepId[];
  check(): Promise<Check>;
  do?(run: StepRun): Promise<void>;
  undo?(run: StepRun): Promise<void>;
}

/** Checks every step; nothing is changed. */
export async function checkSteps(steps: readonly Step[]): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  for (const step of steps) reports.push(report(step, await safeCheck(step)));
  return reports;
}

/**
 * Does every fixable step in order, and checks it again. A step that needs one that is not ok is left as its check found it, when
 * that is ok, else skipped. Failures are in the reports; only cancellation rejects.
 */
export async function doSteps(steps: readonly Step[], run: StepRun): Promise<StepReport[]> {
  const reports = new Map<StepId, StepReport>();
  for (const [index, step] of steps.entries()) {
    run.signal.throwIfAborted();
    const fraction = index / steps.length;
    run.progress(step.title, fraction);
    let found = await safeCheck(step);
    const missing = step.needs.find(
      (id) => reports.get(id)?.state !== 'ok' && reports.get(id)?.state !== undefined,
    );
    if (found.state === 'fixable' && step.do !== undefined) {
      if (missing !== undefined) {
        found = { state: 'skipped', found: `${found.found} Waits for: ${missing}.` };
      } else {
        try {
          await step.do({
            signal: run.signal,
            progress: (text) => {
              run.progress(`${step.title}: ${text}`, fraction);
            },
          });
          found = stillFixable(step, await safeCheck(step));
        } catch (thrown) {
          const error = toSkuaError(thrown);
          if (error.code === 'cancelled') throw error;
          found = { state: 'failed', found: error.message, error: error.toData() };
        }
      }
    }
    reports.set(step.id, report(step, found));
  }
  return [...reports.values()];
}

/** Undoes in reverse order; goes on past a failing step and reports it. */
export async function undoSteps(steps: readonly Step[], run: StepRun): Promise<StepReport[]> {
  const failures = new Map<StepId, StepReport>();
  for (const step of [...steps].reverse()) {
    if (step.undo === undefined) continue;
    run.progress(`Undo: ${step.title}`);
    try {
      await step.undo(run);
    } catch (thrown) {
      const error = toSkuaError(thrown);
      const failed = report(step, { state: 'failed', found: error.message, error: error.toData() });
      failures.set(step.id, { ...failed, undone: false });
    }
  }
  return (await checkSteps(steps)).map((after) => failures.get(after.id as StepId) ?? after);
}

/** What was done without complaint had no effect: that must not look like something left to do. */
function stillFixable(step: Step, found: Check): Check {
  if (found.state !== 'fixable') return found;
  if (found.inVain !== undefined)
    return { state: 'failed', found: found.inVain.message, error: found.inVain };
  const message = `${step.title}: this was done, but had no effect: ${found.found}.`;
  return { state: 'failed', found: found.found, error: { code: 'internal', message, remedy: found.remedy } };
}

async function safeCheck(step: Step): Promise<Check> {
  try {
    return await step.check();
  } catch (thrown) {
    const error = toSkuaError(thrown);
    return { state: 'failed', found: error.message, error: error.toData() };
  }
}

function report(step: Step, check: Check): StepReport {
  return {
    id: step.id,
    title: step.title,
    state: check.state,
    found: check.found,
    ...(check.state === 'fixable' ? { remedy: check.remedy } : {}),
    ...(check.state === 'failed' ? { remedy: check.error.remedy, error: check.error } : {}),
  };
}
