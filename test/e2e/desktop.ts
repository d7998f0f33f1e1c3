/** Runs the mocha suite in desktop VS Code; see docs/testing-editor.md.  usage: npx tsx test/e2e/desktop.ts */
import { runTests } from '@vscode/test-electron';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { repoRoot } from '../../tools/editor/server';
import { bundleSuite, SUITE_ENTRY, temporaryWorkspace } from './runner';

async function main(): Promise<void> {
  await bundleSuite();
  const workspace = temporaryWorkspace();
  writeFileSync(path.join(workspace.folder, '.suite.json'), JSON.stringify({ grep: '' }));
  const userData = mkdtempSync(path.join(tmpdir(), 'skua-code-'));
  const executable = process.env['SKUA_VSCODE'];
  try {
    process.exitCode = await runTests({
      ...(executable === undefined ? {} : { vscodeExecutablePath: executable }),
      extensionDevelopmentPath: repoRoot,
      extensionTestsPath: SUITE_ENTRY,
      launchArgs: [
        workspace.folder,
        '--disable-workspace-trust',
        '--disable-extensions',
        '--user-data-dir',
        userData,
      ],
    });
  } finally {
    workspace.remove();
    rmSync(userData, { recursive: true, force: true });
  }
}

void main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
