import * as vscode from 'vscode';
import { plural } from '../../common/view/format';
import { missingText } from '../../common/view/loss';
import { COMMANDS } from '../commands';
import { formatTarget } from '../core/target-spec';
import type { LiveRun } from '../runs/liveRun';
import type { RunRegistry } from '../runs/registry';

const REFRESH_MS = 1000;

/** Runs that go on, and a status bar item with the same facts. */
export class SessionsView implements vscode.TreeDataProvider<LiveRun>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly status = vscode.window.createStatusBarItem('skua.run', vscode.StatusBarAlignment.Left, 20);
  private readonly subscription: vscode.Disposable;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly registry: RunRegistry) {
    this.status.name = 'Skua';
    this.status.command = COMMANDS.sessionsShow;
    this.subscription = registry.onDidChange(() => this.update());
  }

  getChildren(node?: LiveRun): LiveRun[] {
    return node === undefined ? [...this.registry.running] : [];
  }

  getTreeItem(run: LiveRun): vscode.TreeItem {
    const item = new vscode.TreeItem(run.title);
    item.id = run.id;
    item.description = `${formatTarget(run.resolved.options.target)} · ${counts(run)}`;
    item.tooltip = 'text' in run.state ? run.state.text : '';
    item.iconPath = new vscode.ThemeIcon(run.state.kind === 'preparing' ? 'sync~spin' : 'pulse');
    item.contextValue = 'session';
    item.command = { command: COMMANDS.sessionsShow, title: 'Show Timeline', arguments: [run] };
    return item;
  }

  dispose(): void {
    clearInterval(this.timer);
    this.subscription.dispose();
    this.status.dispose();
    this.changes.dispose();
  }

  private update(): void {
    const { running } = this.registry;
    // Span counts grow without an event of their own: while something runs they are read once a second.
    if (running.length > 0) this.timer ??= setInterval(() => this.update(), REFRESH_MS);
    else {
      clearInterval(this.timer);
      this.timer = undefined;
    }
    this.changes.fire();
    const shown = running.at(-1) ?? this.registry.runs.at(-1);
    if (shown === undefined) {
      this.status.hide();
      return;
    }
    const lost = missingText(shown.loss);
    const icon = { preparing: 'sync~spin', running: 'pulse', ended: 'check', failed: 'error' }[
      shown.state.kind
    ];
    this.status.text = `$(${icon}) ${running.length > 1 ? `${running.length} runs` : shown.title} · ${counts(shown)}`;
    this.status.tooltip = `Skua: ${shown.state.text}`;
    this.status.backgroundColor =
      lost !== '' ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    this.status.show();
  }
}

function counts(run: LiveRun): string {
  if (run.state.kind === 'preparing') return run.state.text;
  const lost = missingText(run.loss);
  return `${plural(run.store.spanCount, 'span')}${lost === '' ? '' : ` · lost: ${lost}`}`;
}
