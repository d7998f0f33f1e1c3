/**
 * Makes the pictures of README and docs/images from the real chain: F5 on the sample in the sandbox, in a real editor.
 * usage: npx tsx tools/media/screenshots.ts [TRACE.skua]   With a trace of the sample that was recorded before, nothing is run and the
 * picture of the live timeline stays as it is.   (after `npm run build`; SKUA_TEST_INSTANCE chooses the sandbox, as for the tests)
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Editor } from '../../test/e2e/editor';
import { GUEST_TARGET, noGuest } from '../../test/e2e/guest';
import { repoRoot } from '../editor/server';

const IMAGES = path.join(repoRoot, 'docs/images');
const SIZE = { width: 1440, height: 860 };
const instance = process.env['SKUA_TEST_INSTANCE'];
const [, , recorded] = process.argv;

async function main(): Promise<void> {
  const root = mkdtempSync(path.join(tmpdir(), 'skua-media-'));
  const workspace = path.join(root, 'sample');
  copySample(workspace);
  const editor = await Editor.open(
    {
      workspace,
      extension: 'checkout',
      settings: {
        'workbench.colorTheme': 'Default Dark Modern',
        'editor.minimap.enabled': false,
        'debug.openDebug': 'neverOpen',
        'breadcrumbs.enabled': false,
        'workbench.layoutControl.enabled': false,
        'remote.autoForwardPorts': false,
      },
    },
    SIZE,
  );
  try {
    if (recorded === undefined) await record(editor);
    else await open(editor, recorded);
    await pictures(editor);
  } finally {
    await editor.close();
    if (instance !== undefined) await noGuest();
    rmSync(root, { recursive: true, force: true });
  }
}

function copySample(workspace: string): void {
  cpSync(path.join(repoRoot, 'examples/sample'), workspace, {
    recursive: true,
    filter: (file) => !/\/checkout$|\/journal\.\w+$/.test(file),
  });
  if (instance !== undefined) {
    const file = path.join(workspace, '.vscode/launch.json');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"sandbox"', `"${GUEST_TARGET}"`));
  }
}

/** Presses F5, answers the question about the sandbox, photographs the running program and waits for its end. */
async function record(editor: Editor): Promise<void> {
  const { page } = editor;
  await editor.openFile('checkout.cpp');
  await editor.command('View: Toggle Primary Side Bar Visibility');
  await page.keyboard.press('F5');
  const state = editor.timeline().locator('.run-state');
  const question = editor.dialog('Skua will build its sandbox');
  await Promise.any([question.waitFor({ timeout: 240_000 }), state.waitFor({ timeout: 240_000 })]);
  if (await question.isVisible()) await editor.answer('Skua will build its sandbox', 'Build Sandbox');
  await state.filter({ hasText: 'Live' }).waitFor({ timeout: 1_500_000 });
  await page
    .locator('.repl')
    .getByText(/order +(8|9|1\d)\b/)
    .first()
    .waitFor({ timeout: 120_000 });
  await picture(editor, 'live');
  await state.filter({ hasText: 'Ended' }).waitFor({ timeout: 300_000 });
  await page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: 30_000 });
  await page.waitForTimeout(1500);
}

async function open(editor: Editor, trace: string): Promise<void> {
  await editor.openFile('checkout.cpp');
  await editor.command('View: Toggle Primary Side Bar Visibility');
  await editor.command('View: Split Editor into Right Group');
  await editor.command('Skua: Open Trace…');
  await editor.chooseFile(path.resolve(trace));
  await editor.timeline().getByText('Ended').first().waitFor({ timeout: 60_000 });
  await editor.page.waitForTimeout(2000);
}

async function pictures(editor: Editor): Promise<void> {
  const { page } = editor;
  const timeline = editor.timeline();
  if (recorded === undefined) await editor.command('View: Toggle Panel Visibility');
  await editor.command('Notifications: Clear All Notifications');
  // One order whose copy of the journal took long: select it, fit it, then a call below it.
  await timeline.locator('.search input').fill('name:write journal.bak is:syscall');
  await timeline
    .getByText(/\d+ match/)
    .first()
    .waitFor();
  await page.keyboard.press('Enter');
  await page.waitForTimeout(500);
  await timeline.locator('.search input').fill('');
  await page.keyboard.press('Escape');
  for (const key of ['ArrowUp', 'f', 'f', 'ArrowDown', 'ArrowRight', 'Enter']) {
    await page.keyboard.press(key);
    await page.waitForTimeout(400);
  }
  await page.waitForTimeout(2500);
  await picture(editor, 'timeline-dark');
  await editor.setSetting('workbench.colorTheme', 'Default Light Modern');
  await picture(editor, 'timeline-light');
  await editor.setSetting('workbench.colorTheme', 'Default Dark Modern');
  const code = page.locator('.editor-instance .monaco-editor').first();
  await code.screenshot({ path: path.join(IMAGES, 'line-annotations.png') });
}

async function picture(editor: Editor, name: string): Promise<void> {
  await editor.page.mouse.move(2, SIZE.height - 2);
  await editor.page.waitForTimeout(700);
  await editor.page.screenshot({ path: path.join(IMAGES, `${name}.png`) });
  console.log(`docs/images/${name}.png`);
}

void main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
