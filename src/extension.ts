/** Activation: builds the services, registers what package.json contributes, and gives everything to the context to dispose. */
import * as vscode from 'vscode';
import { LineAnnotations } from './annotations/annotations';
import { registerAnnotationProviders } from './annotations/providers';
import { COMMANDS, VIEW_TYPE } from './commands';
import { core } from './core';
import { resolveRun } from './debug/configuration';
import { DEBUG_TYPE, SkuaConfigurationProvider, surroundings } from './debug/provider';
import { SkuaDebugSession, type SessionHost } from './debug/session';
import { RecordedTraces } from './files/recordedTraces';
import { TraceEditorProvider } from './files/traceEditor';
import { finishLiveRun, saveRun, startLiveRun } from './runs/execute';
import { RunRegistry } from './runs/registry';
import { SourceNavigator } from './source/navigator';
import { registerTimelineCommands } from './timeline/commands';
import { TimelinePanels } from './timeline/panels';
import { TimelineSerializer } from './timeline/serializer';
import { ErrorFunnel } from './ui/errors';
import { openSample } from './ui/sample';
import { requireTrust } from './ui/trust';
import { registerViewCommands } from './views/commands';
import { SessionsView } from './views/sessions';
import { TargetsView } from './views/targets';
import { TracesView } from './views/traces';

let endRuns: (() => Promise<void>) | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const own = <T extends vscode.Disposable>(disposable: T): T => {
    context.subscriptions.push(disposable);
    return disposable;
  };
  const maxSpans = (): number =>
    vscode.workspace.getConfiguration('skua').get<number>('timeline.maxSpans', 2_000_000);

  const log = own(vscode.window.createOutputChannel('Skua', { log: true }));
  const errors = new ErrorFunnel(log);
  const navigator = own(new SourceNavigator());
  const registry = new RunRegistry(core.startRun, maxSpans);
  const panels = own(new TimelinePanels({ extensionUri: context.extensionUri, navigator, errors, log }));
  const traces = own(new RecordedTraces(context));
  const targets = own(new TargetsView(core));
  const sessions = own(new SessionsView(registry));
  const annotations = own(new LineAnnotations(panels, navigator));
  endRuns = async () => {
    // A window that closes or reloads ends its runs; what they recorded so far is kept, and a restored panel finds it.
    await Promise.allSettled(registry.running.map((run) => saveRun(services, run)));
    await registry.dispose();
  };
  const services = { context, core, log, errors, panels, traces, targets, registry, maxSpans };

  own(vscode.window.registerTreeDataProvider('skua.traces', new TracesView(traces)));
  own(vscode.window.registerTreeDataProvider('skua.sessions', sessions));
  own(
    vscode.window.registerCustomEditorProvider(
      VIEW_TYPE.traceEditor,
      new TraceEditorProvider(panels, errors, maxSpans),
      {
        supportsMultipleEditorsPerDocument: true,
      },
    ),
  );
  own(
    vscode.window.registerWebviewPanelSerializer(
      VIEW_TYPE.timelinePanel,
      new TimelineSerializer(panels, maxSpans),
    ),
  );

  // Makefiles, the sample's among them, find the tracing clients that come with the extension.
  const { environmentVariableCollection: environment } = context;
  environment.description = 'Where the tracing clients of Skua are: `$SKUA_CLIENTS/include` and `/lib`.';
  environment.replace('SKUA_CLIENTS', vscode.Uri.joinPath(context.extensionUri, 'dist', 'clients').fsPath);

  const provider = new SkuaConfigurationProvider(errors);
  own(vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, provider));
  own(
    vscode.debug.registerDebugConfigurationProvider(
      DEBUG_TYPE,
      provider,
      vscode.DebugConfigurationProviderTriggerKind.Dynamic,
    ),
  );
  own(
    vscode.debug.registerDebugAdapterDescriptorFactory(DEBUG_TYPE, {
      createDebugAdapterDescriptor: ({ workspaceFolder }) => {
        // The package's session speaks VS Code's inline interface but does not name it.
        const session: unknown = new SkuaDebugSession(sessionHost(workspaceFolder));
        return new vscode.DebugAdapterInlineImplementation(session as vscode.DebugAdapter);
      },
    }),
  );

  const command = (id: string, handler: () => unknown): void => {
    own(vscode.commands.registerCommand(id, errors.guard(handler)));
  };
  command(COMMANDS.run, () => runWithTracing());
  command(COMMANDS.showLog, () => log.show());
  command(COMMANDS.openSample, () => openSample(context.extensionUri));
  command(COMMANDS.openSettings, () =>
    vscode.commands.executeCommand('workbench.action.openSettings', `@ext:${context.extension.id}`),
  );
  command(COMMANDS.openWalkthrough, () =>
    vscode.commands.executeCommand(
      'workbench.action.openWalkthrough',
      `${context.extension.id}#setup`,
      false,
    ),
  );
  for (const registration of registerTimelineCommands(panels, errors)) own(registration);
  for (const registration of registerViewCommands(services)) own(registration);
  for (const registration of registerAnnotationProviders(annotations, panels, registry)) own(registration);
  own(
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('skua.targets') || event.affectsConfiguration('skua.defaultTarget'))
        targets.refresh();
      if (event.affectsConfiguration('skua.traces')) traces.refresh();
    }),
  );

  function sessionHost(folder: vscode.WorkspaceFolder | undefined): SessionHost {
    return {
      create: (config) => {
        requireTrust();
        return registry.create(resolveRun(config, surroundings(folder)));
      },
      start: (run, listener) => startLiveRun(services, run, listener),
      finish: (run) => finishLiveRun(services, run),
      report: (error) => void errors.report(error),
    };
  }
}

/** VS Code waits for this for a few seconds. */
export async function deactivate(): Promise<void> {
  await endRuns?.();
  endRuns = undefined;
}

/** Run and Debug with the configurations of this type; what F5 does, for those who come from a view. */
async function runWithTracing(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.debug.selectandstart', DEBUG_TYPE);
}
