import * as vscode from 'vscode';
import type { HostReport } from '../../common/protocol/agent';
import type { Prompter } from '../core/api';

/** Questions of the core as dialogs. Dismissing one means no. */
export const dialogs: Prompter = {
  async confirmHostKey(host, keyType, fingerprint) {
    const connect = 'Trust and Connect';
    const chosen = await vscode.window.showWarningMessage(
      `The identity of ${host} is not known yet.`,
      {
        modal: true,
        detail: `${keyType} key fingerprint:\n${fingerprint}\n\nCompare it with what the host's administrator gave you. Trusted keys are remembered in ~/.ssh/known_hosts.`,
      },
      connect,
    );
    return chosen === connect;
  },

  async password(prompt) {
    return vscode.window.showInputBox({ title: 'Skua', prompt, password: true, ignoreFocusOut: true });
  },

  async confirmPrepare(report) {
    const prepare = 'Prepare Host';
    const chosen = await vscode.window.showInformationMessage(
      `${report.hostname} needs to be prepared for kernel tracing.`,
      { modal: true, detail: describeSteps(report) },
      prepare,
    );
    return chosen === prepare;
  },
};

/** What preparing will do, one line a step. */
export function describeSteps(report: HostReport): string {
  const lines = report.steps
    .filter((step) => step.state === 'fixable')
    .map((step) => `• ${step.title}: ${step.remedy ?? step.found}`);
  return [
    `${report.distribution}, kernel ${report.kernelRelease}`,
    '',
    ...lines,
    '',
    'Every step can be undone with "Skua: Undo Host Preparation".',
  ].join('\n');
}
