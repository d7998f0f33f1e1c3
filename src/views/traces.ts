import * as vscode from 'vscode';
import { CONTEXT, COMMANDS } from '../commands';
import type { RecordedTrace, RecordedTraces } from '../files/recordedTraces';

/** Recorded traces of this workspace, newest first. */
export class TracesView implements vscode.TreeDataProvider<RecordedTrace> {
  readonly onDidChangeTreeData: vscode.Event<void>;

  constructor(private readonly traces: RecordedTraces) {
    this.onDidChangeTreeData = traces.onDidChange;
  }

  async getChildren(node?: RecordedTrace): Promise<RecordedTrace[]> {
    if (node !== undefined) return [];
    const list = await this.traces.list();
    void vscode.commands.executeCommand('setContext', CONTEXT.hasTraces, list.length > 0);
    return [...list];
  }

  getTreeItem(trace: RecordedTrace): vscode.TreeItem {
    const item = new vscode.TreeItem(trace.title);
    item.id = trace.uri.toString();
    item.resourceUri = trace.uri;
    item.description = `${ago(trace.modified)} · ${bytes(trace.size)}`;
    item.tooltip = `${trace.uri.fsPath}\n${new Date(trace.modified).toLocaleString()}`;
    item.iconPath = new vscode.ThemeIcon('graph-line');
    item.contextValue = 'trace';
    item.command = { command: COMMANDS.tracesOpen, title: 'Open Trace', arguments: [trace] };
    return item;
  }
}

function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  return size < 1024 ** 2 ? `${(size / 1024).toFixed(0)} KiB` : `${(size / 1024 ** 2).toFixed(1)} MiB`;
}

function ago(time: number): string {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  return today ? date.toLocaleTimeString() : date.toLocaleDateString();
}
