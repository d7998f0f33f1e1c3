import type * as vscode from 'vscode';
import type { CoreServices } from '../core';
import type { RecordedTraces } from '../files/recordedTraces';
import type { RunRegistry } from '../runs/registry';
import type { TimelinePanels } from '../timeline/panels';
import type { ErrorFunnel } from '../ui/errors';
import type { TargetsView } from './targets';

/** What the commands of the three views work with. */
export interface ViewServices {
  readonly core: CoreServices;
  readonly log: vscode.LogOutputChannel;
  readonly errors: ErrorFunnel;
  readonly targets: TargetsView;
  readonly traces: RecordedTraces;
  readonly registry: RunRegistry;
  readonly panels: TimelinePanels;
  readonly maxSpans: () => number;
}
