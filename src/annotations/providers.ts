import * as vscode from 'vscode';
import { formatDuration, plural } from '../../common/view/format';
import { COMMANDS } from '../commands';
import type { RunRegistry } from '../runs/registry';
import type { TimelinePanels } from '../timeline/panels';
import type { LineAnnotations } from './annotations';
import { byFunction, type CallStat } from './lines';

/** Hovers draw tables without room between their columns. */
const GAP = '&nbsp;&nbsp;&nbsp;';
const FILES: vscode.DocumentSelector = { scheme: 'file' };

export function registerAnnotationProviders(
  annotations: LineAnnotations,
  panels: TimelinePanels,
  registry: RunRegistry,
): vscode.Disposable[] {
  return [
    vscode.languages.registerHoverProvider(FILES, {
      provideHover: (document, position) => hover(annotations, document, position),
    }),
    vscode.languages.registerCodeLensProvider(FILES, {
      onDidChangeCodeLenses: annotations.onDidChange,
      provideCodeLenses: (document) => codeLenses(annotations, document),
    }),
    vscode.commands.registerCommand(
      COMMANDS.showSpanInTimeline,
      (modelId: unknown, traceId: unknown, spanId: unknown) => {
        if (typeof modelId !== 'string' || typeof traceId !== 'string' || typeof spanId !== 'string') return;
        const open = panels.findById(modelId);
        const run = registry.get(modelId);
        const panel = open ?? (run === undefined ? undefined : panels.show(run, undefined));
        panel?.reveal(traceId, spanId);
      },
    ),
    vscode.commands.registerCommand(COMMANDS.toggleLineAnnotations, async () => {
      const settings = vscode.workspace.getConfiguration('skua');
      const on = settings.get<boolean>('lineAnnotations.enabled', true);
      await settings.update('lineAnnotations.enabled', !on, vscode.ConfigurationTarget.Global);
    }),
  ];
}

function hover(
  annotations: LineAnnotations,
  document: vscode.TextDocument,
  position: vscode.Position,
): vscode.Hover | undefined {
  if (!vscode.workspace.getConfiguration('skua', document).get<boolean>('lineAnnotations.enabled', true))
    return undefined;
  const file = annotations.of(document);
  const line = file?.lines.find((stat) => stat.line === position.line + 1);
  if (file === undefined || line === undefined) return undefined;
  const text = new vscode.MarkdownString('', true);
  text.isTrusted = { enabledCommands: [COMMANDS.showSpanInTimeline] };
  text.appendMarkdown(
    `| System call |${GAP}Calls |${GAP}Failed |${GAP}Total |${GAP}Longest | |\n|:--|--:|--:|--:|--:|:--|\n`,
  );
  for (const call of line.calls.slice(0, 10)) text.appendMarkdown(row(call, file.model.id));
  if (line.calls.length > 10) text.appendMarkdown(`\n${line.calls.length - 10} more`);
  return new vscode.Hover(text, document.lineAt(position.line).range);
}

function row({ name, count, errors, totalNs, maxNs, slowest }: CallStat, modelId: string): string {
  const args = encodeURIComponent(JSON.stringify([modelId, slowest.traceId, slowest.spanId]));
  const link = `[$(link-external) Show in timeline](command:${COMMANDS.showSpanInTimeline}?${args} "Select the longest one")`;
  // The name comes from the trace, which may come from anywhere.
  const safe = name.replace(/[^\w.:-]/g, '');
  return `| \`${safe}\` | ${count} | ${errors === 0 ? '' : errors} | ${formatDuration(totalNs)} | ${formatDuration(Math.max(maxNs, 0))} |${GAP}${link} |\n`;
}

function codeLenses(annotations: LineAnnotations, document: vscode.TextDocument): vscode.CodeLens[] {
  if (!vscode.workspace.getConfiguration('skua', document).get<boolean>('codeLens.enabled', false)) return [];
  const file = annotations.of(document);
  if (file === undefined) return [];
  return byFunction(file.lines)
    .filter(({ firstLine }) => firstLine <= document.lineCount)
    .map(({ name, firstLine, calls, totalNs }) => {
      const slowest = file.lines
        .filter((l) => l.functionName === name)
        .sort((a, b) => b.totalNs - a.totalNs)[0]?.calls[0]?.slowest;
      return new vscode.CodeLens(document.lineAt(firstLine - 1).range, {
        title: `${name}: ${plural(calls, 'system call')} · ${formatDuration(totalNs)}`,
        command: COMMANDS.showSpanInTimeline,
        arguments: [file.model.id, slowest?.traceId ?? '', slowest?.spanId ?? ''],
      });
    });
}
