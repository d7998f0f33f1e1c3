import { stat } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { TraceModel } from '../runs/model';
import type { SourceNavigator } from '../source/navigator';
import type { TimelinePanels } from '../timeline/panels';
import { heat, linesByFile, lineText, type LineStat } from './lines';

const LEVELS = 5;
/** While spans arrive, totals are counted again at most this often. */
const REFRESH_MS = 1000;
/** Beyond this many spans a live trace is counted only when it ends. */
const LIVE_LIMIT = 200_000;

export interface AnnotatedFile {
  readonly model: TraceModel;
  readonly lines: readonly LineStat[];
}

/**
 * Marks, in visible editors, the lines that made system calls in the trace shown last: a background bar whose strength is the line's share
 * of the time, and the totals at the end of the line. A file changed after the recording is left alone: a wrong line is worse than none.
 */
export class LineAnnotations implements vscode.Disposable {
  private model: TraceModel | undefined;
  private modelSubscription: vscode.Disposable | undefined;
  private files = new Map<string, AnnotatedFile>();
  private timer: NodeJS.Timeout | undefined;
  private generation = 0;
  private readonly bars = Array.from({ length: LEVELS }, (_, level) => barDecoration(level));
  private readonly subscriptions: vscode.Disposable[];
  private readonly changes = new vscode.EventEmitter<void>();
  /** Totals have changed: CodeLenses are asked for again. */
  readonly onDidChange = this.changes.event;

  constructor(
    private readonly panels: TimelinePanels,
    private readonly navigator: SourceNavigator,
  ) {
    this.subscriptions = [
      panels.onDidChangeActive(() => this.follow()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.draw()),
      vscode.workspace.onDidSaveTextDocument(() => void this.count()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('skua.lineAnnotations') || event.affectsConfiguration('skua.codeLens'))
          this.draw();
        if (event.affectsConfiguration('skua.sourceMap')) void this.count();
      }),
    ];
  }

  /** What is known about a document, undefined when nothing is, or when annotations are off or out of date. */
  of(document: vscode.TextDocument): AnnotatedFile | undefined {
    return document.uri.scheme === 'file' && !document.isDirty
      ? this.files.get(document.uri.fsPath)
      : undefined;
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.modelSubscription?.dispose();
    for (const disposable of [...this.subscriptions, ...this.bars, this.changes]) disposable.dispose();
  }

  /** The trace of the timeline in front; without one, that of the last as long as it is open. */
  private follow(): void {
    const { model } = this.panels.active ?? this.panels.current ?? {};
    if (model === this.model) return;
    this.model = model;
    this.modelSubscription?.dispose();
    this.modelSubscription = model?.onDidChange((change) => {
      if (change === 'state') this.schedule(0);
      else if (change === 'spans' && model.store.size < LIVE_LIMIT) this.schedule(REFRESH_MS);
    });
    this.schedule(0);
  }

  private schedule(delay: number): void {
    if (delay === 0) {
      clearTimeout(this.timer);
      this.timer = undefined;
    }
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.count();
    }, delay);
  }

  private async count(): Promise<void> {
    const { model } = this;
    const generation = (this.generation += 1);
    const files = new Map<string, AnnotatedFile>();
    if (model !== undefined) {
      const recordedMs = Number((model.store.epoch ?? 0n) / 1_000_000n);
      for (const [recorded, lines] of linesByFile(model.store.spans())) {
        const local = await this.navigator.resolve(recorded, model.sourceMap);
        if (local !== undefined && (await unchangedSince(local, recordedMs)))
          files.set(local, { model, lines });
      }
    }
    if (generation !== this.generation) return;
    this.files = files;
    this.draw();
  }

  private draw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const on = vscode.workspace
        .getConfiguration('skua', editor.document)
        .get<boolean>('lineAnnotations.enabled', true);
      const lines = on ? (this.of(editor.document)?.lines ?? []) : [];
      const heaviest = Math.max(0, ...lines.map(({ totalNs }) => totalNs));
      this.bars.forEach((bar, level) => {
        const options = lines
          .filter((line) => line.line <= editor.document.lineCount && heat(line, heaviest, LEVELS) === level)
          .map((line): vscode.DecorationOptions => {
            const { range } = editor.document.lineAt(line.line - 1);
            return { range, renderOptions: { after: { contentText: lineText(line) } } };
          });
        editor.setDecorations(bar, options);
      });
    }
    this.changes.fire();
  }
}

/** Clocks of two machines are compared: a few seconds of difference decide nothing. */
async function unchangedSince(file: string, timeMs: number): Promise<boolean> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Infinity }));
  return mtimeMs <= timeMs + 5000;
}

function barDecoration(level: number): vscode.TextEditorDecorationType {
  // Theme colours cannot be made translucent here; these two tints are readable on both kinds of themes.
  const alpha = 0.05 + level * 0.045;
  return vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    overviewRulerLane: vscode.OverviewRulerLane.Right,
    overviewRulerColor: new vscode.ThemeColor('charts.blue'),
    light: { backgroundColor: `rgba(0, 122, 153, ${alpha})`, borderColor: `rgba(0, 122, 153, ${alpha * 3})` },
    dark: {
      backgroundColor: `rgba(79, 182, 201, ${alpha})`,
      borderColor: `rgba(79, 182, 201, ${alpha * 3})`,
    },
    borderStyle: 'solid',
    borderWidth: '0 0 0 3px',
    after: {
      margin: '0 0 0 3em',
      color: new vscode.ThemeColor('editorCodeLens.foreground'),
      fontStyle: 'italic',
    },
  });
}
