import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { DisposableStore } from '../../common/base/disposable';
import { TimelineHost } from '../../common/view/host';
import { timelineHtml } from '../../common/view/html';
import type { TimelineCommandId } from '../../common/view/commands';
import { DEFAULT_SETTINGS, type SourceLocation } from '../../common/view/protocol';
import { COMMANDS } from '../commands';
import type { TraceModel } from '../runs/model';
import type { SourceNavigator } from '../source/navigator';
import type { ErrorFunnel } from '../ui/errors';

/** What the serializer finds after a window reload; written into the webview's own state. */
export interface PanelState {
  /** Uri of the file that holds the trace, or will hold it when the run ends. */
  readonly file: string;
}

export interface PanelServices {
  readonly extensionUri: vscode.Uri;
  readonly navigator: SourceNavigator;
  readonly errors: ErrorFunnel;
  readonly log: vscode.LogOutputChannel;
  focusChanged(focused: boolean): void;
}

const SOURCE_UNKNOWN: Readonly<Record<string, string>> = {
  'no-debug-info': 'The program has no debug information. Build it with -g (optimised code is fine).',
  'unwind-failed': 'The call stack could not be unwound to the program.',
  'module-changed': 'The program on the target has changed since it was traced. Run it again.',
};

/** One trace in one webview: a panel of its own or the custom editor of a file. Ends with its panel. */
export class TimelinePanel implements vscode.Disposable {
  private readonly host: TimelineHost;
  private readonly owned = new DisposableStore();
  private readonly ended = new vscode.EventEmitter<void>();
  readonly onDidDispose = this.ended.event;

  constructor(
    readonly panel: vscode.WebviewPanel,
    readonly model: TraceModel,
    private readonly services: PanelServices,
    persist: PanelState | undefined,
  ) {
    const { webview } = panel;
    const media = vscode.Uri.joinPath(services.extensionUri, 'dist', 'webview');
    webview.options = { enableScripts: true, enableCommandUris: false, localResourceRoots: [media] };
    this.host = new TimelineHost({
      store: model.store,
      title: model.title,
      post: (message) => void webview.postMessage(message),
      schedule: (run, delayMs) => {
        const timer = setTimeout(run, delayMs);
        return { dispose: () => clearTimeout(timer) };
      },
      actions: {
        openSource: (location, how) => this.openSource(location, how),
        sourceUnknown: (reason) => {
          const why =
            SOURCE_UNKNOWN[reason] ?? (reason === '' ? 'Spans of the program itself carry none.' : reason);
          void vscode.window.showInformationMessage(`Skua: No source line is known for this span. ${why}`);
        },
        pickSource: (location) => this.try(services.navigator.pick(location, model.sourceMap)),
        copy: (text, what) => {
          void vscode.env.clipboard
            .writeText(text)
            .then(() => vscode.window.setStatusBarMessage(`Skua: ${what} copied`, 2000));
        },
        exportTrace: () => void vscode.commands.executeCommand(COMMANDS.timelineExportOtlp),
        stop: () => model.stop?.(),
        showLog: () => services.log.show(),
        focusChanged: (focused) => services.focusChanged(focused),
        selectionChanged: () => undefined,
        problem: (message, detail) => services.log.error(`timeline: ${message}\n${detail}`),
      },
      resolveSource: (file) => services.navigator.resolve(file, model.sourceMap),
      settings: timelineSettings(),
      ...(persist === undefined ? {} : { persist }),
    });
    this.owned.add(this.host);
    this.owned.add(webview.onDidReceiveMessage((message: unknown) => this.host.receive(message)));
    this.owned.add(panel.onDidDispose(() => this.dispose()));
    this.owned.add(
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('skua.timeline')) this.host.setSettings(timelineSettings());
      }),
    );
    this.owned.add(model.onDidChange(() => this.update()));
    this.update();
    const icon = vscode.Uri.joinPath(services.extensionUri, 'media');
    panel.iconPath = {
      light: vscode.Uri.joinPath(icon, 'file-light.svg'),
      dark: vscode.Uri.joinPath(icon, 'file-dark.svg'),
    };
    webview.html = timelineHtml({
      cspSource: webview.cspSource,
      nonce: randomBytes(16).toString('base64url'),
      scriptUri: webview.asWebviewUri(vscode.Uri.joinPath(media, 'timeline.js')).toString(),
      styleUri: webview.asWebviewUri(vscode.Uri.joinPath(media, 'timeline-style.css')).toString(),
      title: model.title,
    });
  }

  command(id: TimelineCommandId): void {
    this.host.command(id);
  }

  /** Brings the panel to the front and selects the span. */
  reveal(traceId?: string, spanId?: string): void {
    this.panel.reveal(undefined, false);
    const index =
      traceId === undefined || spanId === undefined ? undefined : this.model.store.indexOf(traceId, spanId);
    if (index !== undefined) this.host.reveal(index);
  }

  dispose(): void {
    void this.owned.dispose();
    this.ended.fire();
    this.ended.dispose();
  }

  private update(): void {
    this.host.setState(this.model.state);
    this.host.setLoss(this.model.loss, this.model.lost);
  }

  private openSource(
    location: SourceLocation,
    how: { readonly toSide: boolean; readonly preserveFocus: boolean },
  ): void {
    this.try(
      this.services.navigator.open(location, this.model.sourceMap, { ...how, from: this.panel.viewColumn }),
    );
  }

  private try(work: Promise<unknown>): void {
    work.catch((thrown: unknown) => this.services.errors.report(thrown));
  }
}

function timelineSettings(): typeof DEFAULT_SETTINGS {
  const settings = vscode.workspace.getConfiguration('skua.timeline');
  return { openSourceOnClick: settings.get('openSourceOnClick', DEFAULT_SETTINGS.openSourceOnClick) };
}
