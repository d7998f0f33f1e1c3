import * as vscode from 'vscode';
import { SkuaError } from '../../common/base/errors';
import type { CoreContext } from '../core/api';
import { dialogs } from './prompter';

export interface TaskOptions {
  readonly title: string;
  /** Where progress shows: a notification for what the user started, the window's status bar or a view otherwise. */
  readonly location?: vscode.ProgressLocation | { readonly viewId: string };
  /** Ends the task as well as the Cancel button does. */
  readonly signal?: AbortSignal;
  readonly onStep?: (step: string, fraction?: number) => void;
}

/** Runs core work with progress, a Cancel button, dialogs for its questions and its log lines in Skua's log. */
export async function runTask<T>(
  log: vscode.LogOutputChannel,
  options: TaskOptions,
  work: (context: CoreContext) => Promise<T>,
): Promise<T> {
  const progressOptions = {
    location: options.location ?? vscode.ProgressLocation.Notification,
    title: options.title,
    cancellable: true,
  };
  return vscode.window.withProgress(progressOptions, async (progress, token) => {
    const abort = new AbortController();
    const cancel = (): void =>
      abort.abort(new SkuaError({ code: 'cancelled', message: `${options.title}: cancelled.`, remedy: '' }));
    const subscription = token.onCancellationRequested(cancel);
    options.signal?.addEventListener('abort', cancel, { once: true });
    if (options.signal?.aborted === true) cancel();
    const reportStep = stepReporter(progress);
    try {
      return await work({
        progress: {
          report(step, fraction) {
            reportStep(step, fraction);
            options.onStep?.(step, fraction);
          },
        },
        prompter: dialogs,
        signal: abort.signal,
        log: (level, message) => log[level](message),
      });
    } finally {
      subscription.dispose();
      options.signal?.removeEventListener('abort', cancel);
    }
  });
}

/** VS Code wants increments; a new step begins again at nothing, which a progress bar that only grows cannot show, so it shows a percentage. */
function stepReporter(
  progress: vscode.Progress<{ message?: string }>,
): (step: string, fraction?: number) => void {
  return (step, fraction) => {
    progress.report({ message: fraction === undefined ? step : `${step} (${Math.round(fraction * 100)} %)` });
  };
}
