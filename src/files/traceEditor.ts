import type * as vscode from 'vscode';
import type { TimelinePanels } from '../timeline/panels';
import type { ErrorFunnel } from '../ui/errors';
import { SkuaError } from '../../common/base/errors';
import { FileTrace } from './fileTrace';

class TraceDocument implements vscode.CustomDocument {
  constructor(
    readonly uri: vscode.Uri,
    readonly trace: FileTrace,
  ) {}

  dispose(): void {
    // The model goes with its last timeline; nothing is held beside it.
  }
}

/** Opens `.skua` files as timelines, read-only. */
export class TraceEditorProvider implements vscode.CustomReadonlyEditorProvider<TraceDocument> {
  constructor(
    private readonly panels: TimelinePanels,
    private readonly errors: ErrorFunnel,
    private readonly maxSpans: () => number,
  ) {}

  async openCustomDocument(uri: vscode.Uri): Promise<TraceDocument> {
    const trace = await FileTrace.read(uri, this.maxSpans());
    if (trace.state.kind === 'failed' && trace.state.error !== undefined)
      this.errors.report(new SkuaError(trace.state.error));
    return new TraceDocument(uri, trace);
  }

  resolveCustomEditor(document: TraceDocument, panel: vscode.WebviewPanel): void {
    this.panels.attach(panel, document.trace);
  }
}
