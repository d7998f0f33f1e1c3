/** The first minutes of somebody who has installed the .vsix and knows nothing else: a trace opens, the walkthrough leads to the sample. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Editor, packExtension } from './editor';
import { temporaryWorkspace } from './runner';

const root = mkdtempSync(path.join(tmpdir(), 'skua-package-'));
let workspace: ReturnType<typeof temporaryWorkspace>;
let editor: Editor;

beforeAll(async () => {
  workspace = temporaryWorkspace();
  editor = await Editor.open({
    workspace: workspace.folder,
    extension: { vsix: packExtension(root) },
    settings: { 'workbench.colorTheme': 'Default Dark Modern' },
    env: { XDG_CACHE_HOME: path.join(root, 'cache') },
  });
});

afterAll(async () => {
  await editor.close();
  workspace.remove();
  rmSync(root, { recursive: true, force: true });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    await editor.screenshot(`failed-package-${task.name.replace(/\W+/g, '-')}`);
});

describe('the installed package', () => {
  it('opens a trace', async () => {
    await editor.openFile('journal.skua');
    await editor.timeline().getByText('42 system calls').first().waitFor({ timeout: 60_000 });
  });

  it('gets one started in three steps', async () => {
    await editor.command('Skua: Get Started');
    const { page } = editor;
    await page.getByText('Trace a program into the kernel').first().waitFor({ timeout: 15_000 });
    for (const step of ['Start the sandbox', 'Run a program', 'Click a span'])
      await page.getByRole('heading', { name: step }).or(page.getByText(step)).first().waitFor();
    await page.waitForTimeout(1000);
    await editor.screenshot('walkthrough');
  });

  it('brings the whole sample', async () => {
    await editor.command('Skua: Open Sample Workspace…');
    await editor.chooseFile(`${root}/`);
    const sample = path.join(root, 'skua-sample');
    await editor.page
      .locator('.explorer-folders-view .monaco-list-row[aria-label*="checkout.cpp"]')
      .waitFor({ timeout: 60_000 });
    for (const file of ['Makefile', 'README.md', '.vscode/launch.json', 'data/prices.csv', 'data/coupons'])
      expect(existsSync(path.join(sample, file)), file).toBe(true);
  });
});
