import * as vscode from 'vscode';
import type { ResolvedRun } from '../debug/configuration';
import { LiveRun, type StartRun } from './liveRun';

/** The runs of this window that are going on or still shown. Owner of every LiveRun. */
export class RunRegistry implements vscode.Disposable {
  private readonly all = new Map<
    string,
    { readonly run: LiveRun; readonly subscription: vscode.Disposable }
  >();
  private readonly changes = new vscode.EventEmitter<LiveRun>();
  /** A run was added, changed its state or loss, or was removed. Not fired for spans. */
  readonly onDidChange = this.changes.event;
  private counter = 0;

  constructor(
    private readonly startRun: StartRun,
    private readonly maxSpans: () => number,
  ) {}

  get runs(): readonly LiveRun[] {
    return [...this.all.values()].map(({ run }) => run);
  }

  get running(): readonly LiveRun[] {
    return this.runs.filter((run) => !run.over);
  }

  get(id: string): LiveRun | undefined {
    return this.all.get(id)?.run;
  }

  create(resolved: ResolvedRun): LiveRun {
    this.counter += 1;
    const run = new LiveRun(
      `run-${Date.now().toString(36)}-${this.counter}`,
      resolved,
      this.maxSpans(),
      this.startRun,
    );
    const subscription = run.onDidChange((change) => {
      if (change !== 'spans') this.changes.fire(run);
    });
    this.all.set(run.id, { run, subscription });
    this.changes.fire(run);
    return run;
  }

  /** Ends the run if it still goes on and forgets its spans. */
  async remove(run: LiveRun): Promise<void> {
    const entry = this.all.get(run.id);
    if (entry === undefined) return;
    this.all.delete(run.id);
    entry.subscription.dispose();
    await run.dispose();
    this.changes.fire(run);
  }

  async dispose(): Promise<void> {
    await Promise.allSettled(this.runs.map((run) => this.remove(run)));
    this.changes.dispose();
  }
}
