/** The whole chain, nothing recorded before: F5 on the sample → live timeline → click on a `write` system call → exactly its line. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../../tools/editor/server';
import { Editor } from './editor';
import { findSpan, stageOf } from './timelinePage';

const CLIENTS = path.join(repoRoot, 'dist/clients');
let folder: string;
let editor: Editor;

/** Line of the only line of the sample that contains `text`. */
function sampleLine(text: string): number {
  const lines = readFileSync(path.join(folder, 'checkout.cpp'), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(text) ? [index + 1] : []));
  expect(found, text).toHaveLength(1);
  return found[0] as number;
}

beforeAll(async () => {
  folder = path.join(mkdtempSync(path.join(tmpdir(), 'skua-chain-')), 'sample');
  cpSync(path.join(repoRoot, 'examples/sample'), folder, {
    recursive: true,
    filter: (file) => !/\/checkout$|\/journal\.\w+$/.test(file),
  });
  execFileSync('make', ['-s', '-C', folder], {
    env: { ...process.env, SKUA_CLIENTS: CLIENTS },
    stdio: 'inherit',
  });
  editor = await Editor.open({
    workspace: folder,
    extension: 'checkout',
    settings: {
      'workbench.colorTheme': 'Default Dark Modern',
      'editor.minimap.enabled': false,
      'debug.openDebug': 'neverOpen',
    },
    env: { SKUA_CLIENTS: CLIENTS },
  });
});

afterAll(async () => {
  await editor.close();
  rmSync(path.dirname(folder), { recursive: true, force: true });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    await editor.screenshot(`failed-chain-${task.name.replace(/\W+/g, '-')}`);
});

describe('F5 on the sample', () => {
  it('shows spans while the program runs, and the exact line of a write that is clicked', async () => {
    const { page } = editor;
    await editor.openFile('checkout.cpp');
    await page.keyboard.press('F5');

    const timeline = editor.timeline();
    const state = timeline.locator('.run-state');
    const counts = timeline.locator('.counts');
    const calls = async (): Promise<number> =>
      Number(/([\d,]+) system calls?/.exec(await counts.innerText())?.[1]?.replaceAll(',', '') ?? 0);
    await state.filter({ hasText: /Running|Live/i }).waitFor({ timeout: 240_000 });
    // Live: system calls are there before the program has ended.
    await expect.poll(calls, { timeout: 60_000 }).toBeGreaterThan(0);
    const first = await calls();
    expect(await state.innerText()).toMatch(/Running|Live/i);
    await editor.screenshot('live');

    await state.filter({ hasText: 'Ended' }).waitFor({ timeout: 120_000 });
    expect(await calls()).toBeGreaterThanOrEqual(first);
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
  }, 480_000);

  it('keeps the trace and the program’s output', async () => {
    await editor.page.locator('.activitybar a.action-label[aria-label*="Skua"]').click();
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
});
