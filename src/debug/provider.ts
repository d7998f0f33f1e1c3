import { statSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import type { ErrorFunnel } from '../ui/errors';
import { requireTrust } from '../ui/trust';
import { resolveRun, type Surroundings } from './configuration';

export const DEBUG_TYPE = 'skua';

/** Settings and file system as `resolveRun` wants them. */
export function surroundings(folder: vscode.WorkspaceFolder | undefined): Surroundings {
  const settings = vscode.workspace.getConfiguration('skua', folder);
  const chosen =
    folder ??
    (vscode.workspace.workspaceFolders?.length === 1 ? vscode.workspace.workspaceFolders[0] : undefined);
  return {
    ...(chosen?.uri.scheme === 'file' ? { folder: chosen.uri.fsPath } : {}),
    kindOf,
    defaults: {
      target: settings.get<string>('defaultTarget', 'sandbox'),
      otlpEndpoint: settings.get<string>('otlpEndpoint', ''),
      openTimeline: settings.get<boolean>('timeline.openOnRun', true),
    },
  };
}

function kindOf(file: string): 'file' | 'folder' | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat?.isDirectory() === true ? 'folder' : stat?.isFile() === true ? 'file' : undefined;
}

export class SkuaConfigurationProvider implements vscode.DebugConfigurationProvider {
  constructor(private readonly errors: ErrorFunnel) {}

  /** Configurations that fit the workspace: what Run and Debug offers without a launch.json. */
  async provideDebugConfigurations(
    folder: vscode.WorkspaceFolder | undefined,
  ): Promise<vscode.DebugConfiguration[]> {
    return suggestConfigurations(folder);
  }

  async resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    config: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined | null> {
    // F5 without a launch.json gives an empty configuration: offer what fits.
    if (config.type === DEBUG_TYPE && ('program' in config || 'request' in config)) return config;
    const suggestions = await suggestConfigurations(folder);
    const picked =
      suggestions.length === 1
        ? suggestions[0]
        : (
            await vscode.window.showQuickPick(
              suggestions.map((suggestion) => ({
                label: suggestion.name,
                description: String(suggestion['program']),
                suggestion,
              })),
              { title: 'Run with Kernel Tracing' },
            )
          )?.suggestion;
    return picked === undefined
      ? undefined
      : { ...picked, ...config, type: DEBUG_TYPE, request: 'launch', name: picked.name };
  }

  /** Refuses what cannot run, before any target is touched. */
  resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    config: vscode.DebugConfiguration,
  ): vscode.DebugConfiguration | undefined {
    try {
      requireTrust();
      resolveRun(config, surroundings(folder));
      return config;
    } catch (thrown) {
      this.errors.report(thrown);
      return undefined;
    }
  }
}

async function suggestConfigurations(
  folder: vscode.WorkspaceFolder | undefined,
): Promise<vscode.DebugConfiguration[]> {
  const root = folder?.uri ?? vscode.workspace.workspaceFolders?.[0]?.uri;
  const base = { type: DEBUG_TYPE, request: 'launch', args: [] };
  const fallback = { ...base, name: 'Run with kernel tracing', program: '${workspaceFolder}/a.out' };
  if (root?.scheme !== 'file') return [fallback];
  const entries = await vscode.workspace.fs.readDirectory(root);
  const names = new Set(entries.map(([name]) => name));
  const suggestions: vscode.DebugConfiguration[] = [];
  const stem = path.basename(root.fsPath);
  if (names.has('Makefile')) {
    suggestions.push({
      ...base,
      name: 'Build with make and trace',
      build: 'make',
      program: `\${workspaceFolder}/${stem}`,
    });
  }
  if (names.has('CMakeLists.txt')) {
    const build = 'cmake -S . -B build && cmake --build build';
    suggestions.push({
      ...base,
      name: 'Build with CMake and trace',
      build,
      program: `\${workspaceFolder}/build/${stem}`,
    });
  }
  for (const [name] of entries
    .filter(([n, type]) => type === vscode.FileType.File && isProgram(path.join(root.fsPath, n)))
    .slice(0, 5)) {
    suggestions.push({ ...base, name: `Trace ${name}`, program: `\${workspaceFolder}/${name}` });
  }
  const main = ['index.js', 'main.js', 'server.js', 'app.js'].find((name) => names.has(name));
  if (main !== undefined) {
    suggestions.push({
      ...base,
      name: `Trace Node ${main}`,
      program: 'node',
      args: [main],
      upload: 'folder',
      cwd: '${workspaceFolder}',
    });
  }
  return suggestions.length > 0 ? suggestions : [fallback];
}

/** An executable that is no script of a shell's dot file: has an x bit and no source extension. */
function isProgram(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && (stat.mode & 0o111) !== 0 && !path.basename(file).includes('.');
}
