import * as vscode from 'vscode';
import { FileTrace } from '../files/fileTrace';
import type { TimelinePanels } from './panels';

/**
 * Brings the timeline of a run back after the window was reloaded: the run itself ended with the old window, its trace was saved when it did.
 */
export class TimelineSerializer implements vscode.WebviewPanelSerializer {
  constructor(
    private readonly panels: TimelinePanels,
    private readonly maxSpans: () => number,
  ) {}

  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const file = fileOf(state);
    if (file === undefined) {
      panel.dispose();
      return;
    }
    const trace = await FileTrace.read(file, this.maxSpans());
    this.panels.attach(panel, trace, { file: file.toString() });
  }
}

/** `{ host: PanelState }`, written by the webview with setState; anything else is of another version. */
function fileOf(state: unknown): vscode.Uri | undefined {
  const host = typeof state === 'object' && state !== null ? (state as { host?: unknown }).host : undefined;
  const file = typeof host === 'object' && host !== null ? (host as { file?: unknown }).file : undefined;
  return typeof file === 'string' ? vscode.Uri.parse(file) : undefined;
}
