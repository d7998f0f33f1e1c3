import * as vscode from 'vscode';
import { CONTEXT, VIEW_TYPE } from '../commands';
import type { TraceModel } from '../runs/model';
import { TimelinePanel, type PanelServices, type PanelState } from './panel';

/** Every timeline of the window, and which of them is in front. */
export class TimelinePanels implements vscode.Disposable {
  private readonly open = new Set<TimelinePanel>();
  private readonly services: PanelServices;
  private readonly changes = new vscode.EventEmitter<void>();
  /** Another timeline is in front, or none. */
  readonly onDidChangeActive = this.changes.event;

  constructor(services: Omit<PanelServices, 'focusChanged'>) {
    this.services = {
      ...services,
      focusChanged: (focused) =>
        void vscode.commands.executeCommand('setContext', CONTEXT.timelineFocus, focused),
    };
  }

  get active(): TimelinePanel | undefined {
    return [...this.open].find(({ panel }) => panel.active);
  }

  /** The active one, else one that is visible, else any. */
  get current(): TimelinePanel | undefined {
    return this.active ?? [...this.open].find(({ panel }) => panel.visible) ?? [...this.open].at(-1);
  }

  find(model: TraceModel): TimelinePanel | undefined {
    return [...this.open].find((timeline) => timeline.model === model);
  }

  findById(modelId: string): TimelinePanel | undefined {
    return [...this.open].find(({ model }) => model.id === modelId);
  }

  /** A panel of its own beside the active editor, or the one that shows this model already. */
  show(model: TraceModel, persist: PanelState | undefined): TimelinePanel {
    const known = this.find(model);
    if (known !== undefined) {
      known.panel.reveal(undefined, true);
      return known;
    }
    for (const timeline of this.open) if (isFutile(timeline.model, model)) timeline.panel.dispose();
    const column =
      vscode.window.activeTextEditor === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
    const panel = vscode.window.createWebviewPanel(
      VIEW_TYPE.timelinePanel,
      model.title,
      { viewColumn: column, preserveFocus: true },
      { enableScripts: true },
    );
    return this.attach(panel, model, persist);
  }

  /** Makes a panel that VS Code has created (custom editor, restored panel) a timeline. */
  attach(panel: vscode.WebviewPanel, model: TraceModel, persist?: PanelState): TimelinePanel {
    const timeline = new TimelinePanel(panel, model, this.services, persist);
    this.open.add(timeline);
    const subscriptions = [
      panel.onDidChangeViewState(() => this.update()),
      model.onDidChange((change) => {
        if (change === 'state') this.update();
      }),
    ];
    timeline.onDidDispose(() => {
      this.open.delete(timeline);
      for (const subscription of subscriptions) subscription.dispose();
      this.update();
    });
    this.update();
    return timeline;
  }

  private update(): void {
    const { active } = this;
    const live =
      active !== undefined &&
      active.model.stop !== undefined &&
      ['preparing', 'running'].includes(active.model.state.kind);
    void vscode.commands.executeCommand('setContext', CONTEXT.timelineLive, live);
    if (active === undefined) void vscode.commands.executeCommand('setContext', CONTEXT.timelineFocus, false);
    this.changes.fire();
  }

  dispose(): void {
    for (const timeline of this.open) timeline.panel.dispose();
    this.changes.dispose();
  }
}

/** An attempt of the same configuration that came to nothing: the next one takes its place. */
function isFutile(earlier: TraceModel, next: TraceModel): boolean {
  return (
    earlier.state.kind === 'failed' &&
    earlier.store.spanCount === 0 &&
    earlier.stop !== undefined &&
    earlier.title === next.title
  );
}
