/**
 * The whole chain, nothing recorded before, with the extension installed from its .vsix: F5 on the sample → the sandbox is built → live
 * timeline → click on a `write` system call → exactly its line.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../../tools/editor/server';
import { Editor, packExtension } from './editor';
import { COLD_BUILD_MS, kernelComplaints, GUEST_TARGET, guestRuns, noGuest } from './guest';
import { findSpan, stageOf } from './timelinePage';

/** Twenty seconds at least: on a slow machine the first spans of an emulated guest are seen after ten, and "live" has to be told from "at the end". */
const ORDERS = '240';
let root: string;
let folder: string;
let editor: Editor;

interface LaunchFile {
  readonly configurations: { target: string; args: string[] }[];
}

/** The sample as it is shipped, but on a guest of the tests' own and with more orders. */
function copySample(): string {
  const copy = path.join(root, 'sample');
  cpSync(path.join(repoRoot, 'examples/sample'), copy, {
    recursive: true,
    filter: (file) => !/\/checkout$|\/journal\.\w+$/.test(file),
  });
  const launchFile = path.join(copy, '.vscode/launch.json');
  const launch = JSON.parse(readFileSync(launchFile, 'utf8')) as LaunchFile;
  for (const configuration of launch.configurations) {
    expect(configuration).toMatchObject({ target: 'sandbox', args: ['--orders', '20'] });
    configuration.target = GUEST_TARGET;
    configuration.args = ['--orders', ORDERS];
  }
  writeFileSync(launchFile, JSON.stringify(launch, null, 2));
  return copy;
}

/** Line of the only line of the sample that contains `text`. */
function sampleLine(text: string): number {
  const lines = readFileSync(path.join(folder, 'checkout.cpp'), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(text) ? [index + 1] : []));
  expect(found, text).toHaveLength(1);
  return found[0] as number;
}

/** State and counts of the timeline at one instant. */
async function timelineNow(): Promise<{
  readonly state: string;
  readonly detail: string;
  readonly calls: number;
}> {
  const [state, detail, counts] = await editor
    .timeline()
    .locator('.toolbar')
    .evaluate((toolbar) => {
      const status = toolbar.querySelector<HTMLElement>('.run-state');
      return [
        status?.textContent ?? '',
        status?.title ?? '',
        toolbar.querySelector('.counts')?.textContent ?? '',
      ] as const;
    });
  return {
    state,
    detail,
    calls: Number(/([\d,]+) system calls?/.exec(counts)?.[1]?.replaceAll(',', '') ?? 0),
  };
}

async function startSample(): Promise<void> {
  await editor.openFile('checkout.cpp');
  await editor.page.keyboard.press('F5');
}

beforeAll(async () => {
  await noGuest();
  root = mkdtempSync(path.join(tmpdir(), 'skua-chain-'));
  folder = copySample();
  editor = await Editor.open({
    workspace: folder,
    extension: { vsix: packExtension(root) },
    settings: {
      'workbench.colorTheme': 'Default Dark Modern',
      'editor.minimap.enabled': false,
      'debug.openDebug': 'neverOpen',
    },
  });
});

afterAll(async () => {
  await editor.close();
  await noGuest();
  rmSync(root, { recursive: true, force: true });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    await editor.screenshot(`failed-chain-${task.name.replace(/\W+/g, '-')}`);
});

describe('F5 on the sample', () => {
  it('asks before it builds the sandbox, and takes no for an answer', async () => {
    await startSample();
    // F5 builds the sample first, with the tracing client that comes with the extension.
    await editor.dialog('Skua will build its sandbox').waitFor({ timeout: 240_000 });
    await editor.screenshot('sandbox-question');
    await editor.answer('Skua will build its sandbox', 'Cancel');
    await editor.page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: 30_000 });
    // To have said no is not an error.
    await expect.poll(() => editor.page.locator('.notification-toast').count()).toBe(0);
  });

  it('says what it is doing while it builds and boots, and can be cancelled', async () => {
    await startSample();
    await editor.answer('Skua will build its sandbox', 'Build Sandbox', 90_000);
    const progress = editor.toast(/Skua: Run with kernel tracing: \w/);
    await progress.waitFor({ timeout: 60_000 });
    await editor.timeline().getByRole('heading', { name: 'Preparing' }).waitFor({ timeout: 30_000 });
    await editor.screenshot('sandbox-progress');
    await progress.getByText('Cancel').click();
    await editor.timeline().locator('.run-state').filter({ hasText: 'Stopped' }).waitFor({ timeout: 60_000 });
    await editor.page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: 30_000 });
    await editor.screenshot('sandbox-cancelled');
    await expect.poll(() => editor.page.locator('.notification-toast').count()).toBe(0);
    expect(await guestRuns()).toBe(false);
    await editor.command('View: Close All Editors');
  });

  it(
    'shows spans while the program runs, and the exact line of a write that is clicked',
    async () => {
      const { page } = editor;
      // It was agreed to before: nothing is asked a second time.
      await startSample();
      const state = editor.timeline().locator('.run-state');
      await state.filter({ hasText: /Live|Failed/ }).waitFor({ timeout: COLD_BUILD_MS });
      // Live: calls arrive, and more of them, while the program has not ended.
      await expect.poll(async () => (await timelineNow()).calls, { timeout: 60_000 }).toBeGreaterThan(0);
      const early = await timelineNow();
      await editor.screenshot('live');
      await expect
        .poll(async () => (await timelineNow()).calls, { timeout: 60_000 })
        .toBeGreaterThan(early.calls);
      const later = await timelineNow();
      for (const now of [early, later])
        expect(now).toMatchObject({ state: 'Live', detail: expect.stringMatching(/process \d+/) as string });

      await state.filter({ hasText: 'Ended' }).waitFor({ timeout: 240_000 });
      expect((await timelineNow()).calls).toBeGreaterThan(later.calls);
      // When the session has ended, VS Code gives the keyboard back to the editor.
      await page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: 30_000 });
      await page.waitForTimeout(1500);
      // Room for the timeline, as a person would make it.
      await editor.command('View: Toggle Panel Visibility');

      const { x, y } = await findSpan(editor, 'name:write journal.log is:syscall');
      await page.keyboard.press('Escape');
      await stageOf(editor).click({ position: { x, y } });
      const active = page
        .locator('.editor-group-container', {
          has: page.locator('.tab.active[data-resource-name="checkout.cpp"]'),
        })
        .locator('.monaco-editor .margin .line-numbers.active-line-number')
        .first();
      await expect
        .poll(() => active.innerText(), { timeout: 15_000 })
        .toBe(String(sampleLine('write(journal, entry')));
      await page.waitForTimeout(2000);
      await editor.screenshot('chain');
    },
    COLD_BUILD_MS + 300_000,
  );

  it('keeps the trace and the program’s output', async () => {
    await editor.skuaIcon().click();
    await editor.page
      .locator('.monaco-list-row[aria-label*="Run with kernel tracing"]')
      .first()
      .waitFor({ timeout: 15_000 });
    await editor.command('Debug Console: Focus on Debug Console View');
    await editor.page
      .locator('.repl')
      .getByText(/exited with code 0/)
      .first()
      .waitFor({ timeout: 10_000 });
    await editor.screenshot('chain-views');
  });

  it('leaves the guest’s kernel without a complaint', async () => {
    expect(await kernelComplaints()).toEqual([]);
  });
});
