import * as vscode from 'vscode';
import { COMMANDS, VIEW_TYPE } from '../commands';
import { FileTrace } from '../files/fileTrace';
import type { RecordedTrace, RecordedTraces } from '../files/recordedTraces';
import type { LiveRun } from '../runs/liveRun';
import { exportOtlp } from '../timeline/commands';
import type { ViewServices } from './services';
import { registerTargetCommands } from './targetCommands';

/** The views pass the node that was clicked; the palette passes nothing. */
type Handler = (...args: never[]) => unknown;

/** Commands of the three views. Most also work from the palette, where they ask for what the view would have given. */
export function registerViewCommands(services: ViewServices): vscode.Disposable[] {
  const { errors, traces } = services;
  const on = (id: string, handler: Handler): vscode.Disposable =>
    vscode.commands.registerCommand(id, errors.guard(handler));
  return [
    ...registerTargetCommands(services),
    on(COMMANDS.tracesRefresh, () => traces.refresh()),
    on(COMMANDS.tracesOpen, (trace: RecordedTrace) => openTrace(trace.uri)),
    on(COMMANDS.openTrace, () => chooseTrace()),
    on(COMMANDS.tracesRename, (trace: RecordedTrace) => renameTrace(traces, trace)),
    on(COMMANDS.tracesDelete, (trace: RecordedTrace) => deleteTrace(traces, trace)),
    on(COMMANDS.tracesExportOtlp, async (trace: RecordedTrace) => {
      await exportOtlp(await FileTrace.read(trace.uri, services.maxSpans()));
    }),
    on(COMMANDS.tracesOpenFolder, () => openFolder(traces)),
    on(COMMANDS.sessionsStop, (run?: LiveRun) => (run ?? services.registry.running.at(-1))?.stop()),
    on(COMMANDS.sessionsShow, (run?: LiveRun) => showSession(services, run)),
  ];
}

async function openTrace(uri: vscode.Uri): Promise<void> {
  await vscode.commands.executeCommand('vscode.openWith', uri, VIEW_TYPE.traceEditor);
}

async function chooseTrace(): Promise<void> {
  const [file] =
    (await vscode.window.showOpenDialog({
      title: 'Open Trace',
      filters: { 'Skua trace': ['skua'], 'OTLP JSON': ['json'] },
    })) ?? [];
  if (file !== undefined) await openTrace(file);
}

async function renameTrace(traces: RecordedTraces, trace: RecordedTrace): Promise<void> {
  const title = await vscode.window.showInputBox({
    title: 'Rename Trace',
    value: trace.title,
    prompt: 'A trace you have named is never deleted by itself.',
  });
  if (title !== undefined) await traces.rename(trace, title);
}

async function deleteTrace(traces: RecordedTraces, trace: RecordedTrace): Promise<void> {
  const remove = 'Delete';
  const chosen = await vscode.window.showWarningMessage(
    `Delete the trace "${trace.title}"?`,
    { modal: true, detail: 'It cannot be restored.' },
    remove,
  );
  if (chosen === remove) await traces.delete(trace);
}

async function openFolder(traces: RecordedTraces): Promise<void> {
  await vscode.workspace.fs.createDirectory(traces.folder);
  if (vscode.env.remoteName === undefined && vscode.env.uiKind === vscode.UIKind.Desktop) {
    await vscode.env.openExternal(traces.folder);
    return;
  }
  // The file manager of this machine cannot show a folder of another.
  const copy = 'Copy Path';
  const chosen = await vscode.window.showInformationMessage(
    `Skua: recorded traces are in ${traces.folder.fsPath}`,
    copy,
  );
  if (chosen === copy) await vscode.env.clipboard.writeText(traces.folder.fsPath);
}

async function showSession(
  { registry, panels, traces }: ViewServices,
  run: LiveRun | undefined,
): Promise<void> {
  const chosen = run ?? registry.running.at(-1) ?? registry.runs.at(-1);
  if (chosen === undefined) await vscode.commands.executeCommand('skua.sessions.focus');
  else panels.show(chosen, { file: traces.plannedFile(chosen).toString() });
}
