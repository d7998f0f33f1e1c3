import * as vscode from 'vscode';
import type { HostReport, StepReport } from '../../common/protocol/agent';
import { CONTEXT } from '../commands';
import type { CoreServices } from '../core';
import type { TargetSpec } from '../core/api';
import type { SandboxStatus } from '../core/sandbox/instance';
import { readSshEnvironment } from '../core/ssh/config';
import { formatTarget, parseTarget } from '../core/target-spec';
import { hostAliases, settingsTargets } from './targetList';

export interface TargetNode {
  readonly type: 'target';
  readonly target: TargetSpec;
  readonly origin: 'sandbox' | 'settings' | 'config';
  readonly status?: SandboxStatus;
}

interface StepNode {
  readonly type: 'step';
  readonly step: StepReport;
}

type Node = TargetNode | StepNode;

const STEP_ICON: Readonly<Record<StepReport['state'], vscode.ThemeIcon>> = {
  ok: new vscode.ThemeIcon('pass', new vscode.ThemeColor('testing.iconPassed')),
  fixable: new vscode.ThemeIcon('wrench', new vscode.ThemeColor('list.warningForeground')),
  failed: new vscode.ThemeIcon('error', new vscode.ThemeColor('testing.iconFailed')),
  skipped: new vscode.ThemeIcon('circle-slash'),
};
const POLL_MS = 5000;

/** Sandboxes and SSH hosts; below each what the doctor found last. */
export class TargetsView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly reports = new Map<string, HostReport>();
  private readonly view: vscode.TreeView<Node>;
  private poll: NodeJS.Timeout | undefined;
  private shown = '';
  /** Sandboxes that a command of this window is starting or stopping. */
  private readonly busy = new Map<string, string>();

  constructor(private readonly core: CoreServices) {
    this.view = vscode.window.createTreeView('skua.targets', {
      treeDataProvider: this,
      showCollapseAll: true,
    });
    this.view.onDidChangeVisibility(({ visible }) => this.watch(visible));
    this.watch(this.view.visible);
  }

  refresh(): void {
    this.changes.fire(undefined);
  }

  setBusy(sandbox: string, what: string | undefined): void {
    if (what === undefined) this.busy.delete(sandbox);
    else this.busy.set(sandbox, what);
    this.refresh();
  }

  setReport(target: TargetSpec, report: HostReport): void {
    this.reports.set(formatTarget(target), report);
    this.refresh();
  }

  /** What was found is no longer so. */
  forgetReport(target: TargetSpec): void {
    this.reports.delete(formatTarget(target));
    this.refresh();
  }

  async targets(): Promise<readonly TargetNode[]> {
    const statuses = await this.core.sandbox.list();
    const main =
      statuses.find(({ name }) => name === 'default') ?? (await this.core.sandbox.status('default'));
    void vscode.commands.executeCommand(
      'setContext',
      CONTEXT.sandboxRunning,
      statuses.some(({ state }) => state === 'running'),
    );
    const sandboxes = [main, ...statuses.filter(({ name }) => name !== 'default')].map(
      (status): TargetNode => ({
        type: 'target',
        target: { kind: 'sandbox', name: status.name },
        origin: 'sandbox',
        status,
      }),
    );
    const settings = vscode.workspace.getConfiguration('skua');
    const chosen = settingsTargets(settings.get<unknown>('targets')).targets;
    const known = new Set(chosen.map((target) => (target.kind === 'ssh' ? target.host : '')));
    const aliases = settings.get<boolean>('targets.fromSshConfig', true)
      ? hostAliases(readSshEnvironment().config)
      : [];
    return [
      ...sandboxes,
      ...chosen.map((target): TargetNode => ({ type: 'target', target, origin: 'settings' })),
      ...aliases
        .filter((alias) => !known.has(alias))
        .map((alias): TargetNode => ({
          type: 'target',
          target: { kind: 'ssh', host: alias },
          origin: 'config',
        })),
    ];
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return [...(await this.targets())];
    if (node.type === 'step') return [];
    return (this.reports.get(formatTarget(node.target))?.steps ?? []).map((step): StepNode => ({
      type: 'step',
      step,
    }));
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return node.type === 'target' ? this.targetItem(node) : stepItem(node.step);
  }

  dispose(): void {
    this.watch(false);
    this.view.dispose();
    this.changes.dispose();
  }

  private targetItem(node: TargetNode): vscode.TreeItem {
    const { target, origin, status } = node;
    const text = formatTarget(target);
    const report = this.reports.get(text);
    const item = new vscode.TreeItem(
      target.kind === 'sandbox'
        ? target.name === 'default'
          ? 'Sandbox'
          : `Sandbox ${target.name}`
        : target.host,
      report === undefined ? vscode.TreeItemCollapsibleState.None : vscode.TreeItemCollapsibleState.Expanded,
    );
    item.id = `${origin}:${text}${report === undefined ? '' : ':checked'}`;
    const busy = target.kind === 'sandbox' ? this.busy.get(target.name) : undefined;
    const state = status?.state ?? 'ssh';
    const parts = [
      ...(busy === undefined ? (status === undefined ? [] : [STATE_TEXT[status.state]]) : [busy]),
      ...(target.kind === 'ssh' && target.user !== undefined ? [target.user] : []),
      ...(isDefault(text) ? ['default'] : []),
      ...(report === undefined ? [] : [verdict(report)]),
    ];
    item.description = parts.join(' · ');
    item.contextValue =
      origin === 'sandbox'
        ? `target.sandbox.${busy === undefined ? state : 'booting'}`
        : `target.ssh.${origin}`;
    item.iconPath =
      busy !== undefined
        ? new vscode.ThemeIcon('sync~spin')
        : status === undefined
          ? new vscode.ThemeIcon('remote')
          : new vscode.ThemeIcon(
              status.state === 'running' ? 'vm-running' : 'vm',
              status.state === 'running' ? new vscode.ThemeColor('testing.iconPassed') : undefined,
            );
    item.tooltip = tooltip(node, report);
    return item;
  }

  /** The sandbox is also started and stopped from outside: by the command line, by another window. */
  private watch(visible: boolean): void {
    clearInterval(this.poll);
    if (!visible) return;
    this.poll = setInterval(() => {
      void this.core.sandbox.list().then((statuses) => {
        const now = JSON.stringify(statuses);
        if (now !== this.shown) this.refresh();
        this.shown = now;
      });
    }, POLL_MS);
  }
}

const STATE_TEXT: Readonly<Record<SandboxStatus['state'], string>> = {
  absent: 'not built yet',
  stopped: 'stopped',
  running: 'running',
};

function isDefault(text: string): boolean {
  const chosen = vscode.workspace.getConfiguration('skua').get<string>('defaultTarget', 'sandbox');
  try {
    return formatTarget(parseTarget(chosen)) === text;
  } catch {
    // An invalid default is nobody's.
    return false;
  }
}

function verdict(report: HostReport): string {
  const failed = report.steps.filter(({ state }) => state === 'failed').length;
  const fixable = report.steps.filter(({ state }) => state === 'fixable').length;
  return failed > 0 ? `${failed} failed` : fixable > 0 ? 'can be prepared' : 'ready';
}

function tooltip({ target, status }: TargetNode, report: HostReport | undefined): vscode.MarkdownString {
  const lines = [
    `**${formatTarget(target)}**`,
    ...(status === undefined ? [] : [`State: ${STATE_TEXT[status.state]}`]),
    ...(status?.sshPort === undefined ? [] : [`SSH: 127.0.0.1:${status.sshPort}`]),
    ...(report === undefined
      ? []
      : [`${report.distribution}, kernel ${report.kernelRelease}, ${report.arch}`]),
  ];
  return new vscode.MarkdownString(lines.join('\n\n'));
}

function stepItem(step: StepReport): vscode.TreeItem {
  const item = new vscode.TreeItem(step.title);
  item.description = step.found;
  item.iconPath = STEP_ICON[step.state];
  item.tooltip = new vscode.MarkdownString(
    [`**${step.title}**: ${step.found}`, step.remedy ?? ''].join('\n\n'),
  );
  item.contextValue = `step.${step.state}`;
  item.accessibilityInformation = { label: `${step.title}, ${step.state}: ${step.found}` };
  return item;
}
