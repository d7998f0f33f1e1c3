import path from 'node:path';
import * as vscode from 'vscode';
import { TIMELINE_COMMANDS } from '../../common/view/commands';
import { COMMANDS } from '../commands';
import { fileName } from '../files/names';
import { writeOtlpFile, writeTraceFile } from '../files/recordedTraces';
import type { TraceModel } from '../runs/model';
import type { ErrorFunnel } from '../ui/errors';
import type { TimelinePanels } from './panels';

/** Commands of the timeline in front. */
export function registerTimelineCommands(panels: TimelinePanels, errors: ErrorFunnel): vscode.Disposable[] {
  const register = (id: string, run: () => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(
      id,
      errors.guard(() => run()),
    );
  return [
    ...TIMELINE_COMMANDS.map(({ id }) => register(id, () => panels.active?.command(id))),
    register(COMMANDS.timelineSaveAs, () => withModel(panels, saveAs)),
    register(COMMANDS.timelineExportOtlp, () => withModel(panels, exportOtlp)),
    register(COMMANDS.timelineStop, () => panels.current?.model.stop?.()),
  ];
}

async function withModel(panels: TimelinePanels, run: (model: TraceModel) => Promise<void>): Promise<void> {
  const model = panels.current?.model;
  if (model === undefined) void vscode.window.showInformationMessage('Skua: No timeline is open.');
  else await run(model);
}

async function saveAs(model: TraceModel): Promise<void> {
  const file = await chooseFile(model, 'skua', 'Skua trace', 'Save Trace');
  if (file === undefined) return;
  await writeTraceFile(model, file);
  void vscode.window.setStatusBarMessage(`Skua: trace saved to ${path.basename(file.fsPath)}`, 4000);
}

/** Asks where, then writes the trace as OTLP JSON. */
export async function exportOtlp(model: TraceModel): Promise<void> {
  const file = await chooseFile(model, 'otlp.json', 'OTLP JSON', 'Export');
  if (file === undefined) return;
  await writeOtlpFile(model, file);
  void vscode.window.setStatusBarMessage(`Skua: trace exported to ${path.basename(file.fsPath)}`, 4000);
}

function chooseFile(
  model: TraceModel,
  extension: string,
  kind: string,
  saveLabel: string,
): Thenable<vscode.Uri | undefined> {
  const name = `${fileName(model.title) || 'trace'}.${extension}`;
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  return vscode.window.showSaveDialog({
    title: `${saveLabel}: ${model.title}`,
    saveLabel,
    // Dialogs compare what follows the last dot.
    filters: { [kind]: [extension.slice(extension.lastIndexOf('.') + 1)] },
    ...(folder === undefined ? {} : { defaultUri: vscode.Uri.joinPath(folder, name) }),
  });
}
