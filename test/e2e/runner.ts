/**
 * Runs the mocha suite of test/e2e/suite inside a real extension host of the browser-based VS Code, and returns what it printed and its
 * exit code. `desktop.ts` runs the same bundle in desktop VS Code.
 */
import { build } from 'esbuild';
import { cpSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { format } from 'node:util';
import { startBrowser } from '../../tools/editor/browser';
import { repoRoot, startServer } from '../../tools/editor/server';
import { writeFixtures } from './fixtureFiles';

export const SUITE_ENTRY = path.join(repoRoot, 'out/e2e/suite.cjs');

/** Bundles the suite; mocha and the editor's API stay outside. */
export async function bundleSuite(): Promise<void> {
  await build({
    entryPoints: [path.join(repoRoot, 'test/e2e/suite/index.ts')],
    outfile: SUITE_ENTRY,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
}

/** A copy of the test workspace with the fixture traces in it, so that tests may write settings and files. */
export function temporaryWorkspace(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'skua-workspace-'));
  cpSync(path.join(repoRoot, 'test/e2e/workspace'), folder, { recursive: true });
  // Line annotations leave files alone that are newer than the recording.
  const old = new Date('2026-01-01T00:00:00Z');
  for (const file of ['src/journal.c', 'src/journal.h', 'src/main.c'])
    utimesSync(path.join(folder, file), old, old);
  writeFixtures(folder);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface SuiteResult {
  readonly exitCode: number;
  readonly output: string;
}

export async function runSuite(options: {
  readonly trusted: boolean;
  readonly grep?: string;
}): Promise<SuiteResult> {
  await bundleSuite();
  const workspace = temporaryWorkspace();
  // The extension host inherits nothing of this process but its environment.
  writeFileSync(path.join(workspace.folder, '.suite.json'), JSON.stringify({ grep: options.grep ?? '' }));
  const server = await startServer({
    workspace: workspace.folder,
    extension: 'none',
    smokeTestDriver: true,
    workspaceTrust: !options.trusted,
    settings: options.trusted
      ? {}
      : { 'security.workspace.trust.startupPrompt': 'never', 'security.workspace.trust.banner': 'never' },
  });
  const browser = await startBrowser();
  let output = '';
  try {
    const page = await browser.newPage();
    const exitCode = new Promise<number>((resolve, reject) => {
      setTimeout(
        () => reject(new Error(`The suite did not end in time. Output so far:\n${output}`)),
        180_000,
      ).unref();
      void page.exposeFunction('codeAutomationExit', (code: number) => resolve(code));
    });
    await page.exposeFunction('codeAutomationLog', (_type: string, args: readonly unknown[]) => {
      output += `${format(...args)}\n`;
    });
    const remote = (file: string): string => `vscode-remote://127.0.0.1:${server.port}${file}`;
    const payload = JSON.stringify([
      ['extensionDevelopmentPath', remote(repoRoot)],
      ['extensionTestsPath', remote(SUITE_ENTRY)],
    ]);
    await page.goto(`${server.workspaceUrl}&payload=${encodeURIComponent(payload)}`);
    return { exitCode: await exitCode, output };
  } finally {
    await browser.close();
    await server.stop();
    workspace.remove();
  }
}
