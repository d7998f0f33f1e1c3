/** What a person sees and does, in a real workbench, on a recorded trace. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Editor } from './editor';
import { lineOf } from './fixture';
import { temporaryWorkspace } from './runner';
import { findSpan } from './timelinePage';

let editor: Editor;
let workspace: ReturnType<typeof temporaryWorkspace>;
/** The person's own sandbox is neither shown nor touched. */
const cache = mkdtempSync(path.join(tmpdir(), 'skua-cache-'));

beforeAll(async () => {
  workspace = temporaryWorkspace();
  editor = await Editor.open({
    workspace: workspace.folder,
    extension: 'checkout',
    settings: { 'workbench.colorTheme': 'Default Dark Modern', 'editor.minimap.enabled': false },
    env: { XDG_CACHE_HOME: cache },
  });
}, 180_000);

afterAll(async () => {
  await editor.close();
  workspace.remove();
  rmSync(cache, { recursive: true, force: true });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await editor.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
});

async function openTrace(name = 'journal.skua'): Promise<void> {
  await editor.command('View: Close All Editors');
  await editor.openFile(name);
  await editor.timeline().locator('[aria-roledescription="timeline"]').waitFor({ timeout: 30_000 });
}

/** Waits until the counts of the toolbar say that every span has arrived. */
async function loaded(): Promise<void> {
  await editor.timeline().getByText('42 system calls').first().waitFor({ timeout: 20_000 });
}

const find = (query: string): ReturnType<typeof findSpan> => findSpan(editor, query);

async function expectLine(file: string, line: number): Promise<void> {
  await expect.poll(async () => editor.activeTabs(), { timeout: 10_000 }).toContain(path.basename(file));
  await expect
    .poll(
      () =>
        editor.page
          .locator('.editor-group-container', {
            has: editor.page.locator(`.tab.active[data-resource-name="${path.basename(file)}"]`),
          })
          .locator('.monaco-editor .margin .line-numbers.active-line-number')
          .first()
          .innerText(),
      { timeout: 10_000 },
    )
    .toBe(String(line));
}

describe('recorded trace', () => {
  it('shows every span', async () => {
    await openTrace();
    await loaded();
    await editor.timeline().getByText('9 spans').first().waitFor();
  });

  it('opens the exact line of a system call that is clicked', async () => {
    await openTrace();
    await loaded();
    const { x, y } = await find('write');
    await editor.page.keyboard.press('Escape');
    const stage = editor.timeline().locator('[aria-roledescription="timeline"]');
    await stage.click({ position: { x, y } });
    await expectLine('src/journal.c', lineOf('src/journal.c', 'write(fd, line'));
    await editor.page.waitForTimeout(1500);
    await editor.screenshot('timeline-click');
  });

  it('opens it from the keyboard and moves the focus there', async () => {
    await openTrace();
    await loaded();
    const stage = editor.timeline().locator('[aria-roledescription="timeline"]');
    await stage.focus();
    await find('nanosleep');
    await stage.focus();
    // Siblings alternate: append, nanosleep, append, nanosleep.
    await editor.page.keyboard.press('ArrowRight');
    await editor.page.keyboard.press('ArrowRight');
    await editor.page.keyboard.press('Enter');
    await expect
      .poll(() => editor.cursor(), { timeout: 10_000 })
      .toMatchObject({ file: 'main.c', line: lineOf('src/main.c', 'nanosleep(&delay') });
  });

  it('says so when a span has no source line', async () => {
    await openTrace();
    await loaded();
    await find('brk');
    await editor.timeline().locator('[aria-roledescription="timeline"]').focus();
    await editor.page.keyboard.press('Enter');
    await editor.toast(/No source line is known.*debug information/).waitFor({ timeout: 10_000 });
  });

  it('offers to pick the file when none matches', async () => {
    await openTrace('elsewhere.skua');
    await find('openat');
    await editor.timeline().locator('[aria-roledescription="timeline"]').focus();
    await editor.page.keyboard.press('Enter');
    const toast = editor.toast('No file here matches /build/other/library.c');
    await toast.waitFor({ timeout: 10_000 });
    await toast.getByText('Pick File…').waitFor();
    await editor.command('Notifications: Clear All Notifications');
  });

  it('marks the lines of the source and links back to the timeline', async () => {
    await openTrace();
    await loaded();
    await find('write');
    await editor.timeline().locator('[aria-roledescription="timeline"]').focus();
    await editor.page.keyboard.press('Enter');
    await expectLine('src/journal.c', lineOf('src/journal.c', 'write(fd, line'));
    await editor.page.keyboard.press('Escape');
    const line = editor.page.locator('.view-line', { hasText: 'write(fd, line' });
    await line.waitFor();
    // The end-of-line text is a pseudo element: its content is in the style of a generated class.
    await expect
      .poll(() =>
        line.evaluate((el) =>
          [...el.querySelectorAll('span')].map((s) => getComputedStyle(s, '::after').content).join(' '),
        ),
      )
      .toContain('write ×8 · ');
    await line.locator('span', { hasText: 'write' }).last().hover();
    const link = editor.page.locator('.monaco-hover a', { hasText: 'Show in timeline' });
    await link.waitFor({ timeout: 10_000 });
    await editor.screenshot('line-annotations');
    await link.click();
    await editor.timeline().getByText('900 µs').first().waitFor({ timeout: 10_000 });
  });

  it('comes back after the window was reloaded', async () => {
    await openTrace();
    await loaded();
    await editor.reload();
    await loaded();
  });

  it('looks right in every theme and in a narrow panel', async () => {
    await openTrace();
    await loaded();
    await find('fsync');
    for (const [theme, name] of [
      ['Default Light Modern', 'light'],
      ['Default High Contrast', 'high-contrast'],
      ['Default High Contrast Light', 'high-contrast-light'],
      ['Default Dark Modern', 'dark'],
    ] as const) {
      await editor.setSetting('workbench.colorTheme', theme);
      await editor.screenshot(`timeline-${name}`);
    }
    await editor.page.setViewportSize({ width: 700, height: 800 });
    await editor.page.waitForTimeout(1000);
    await editor.screenshot('timeline-narrow');
    const stage = editor.timeline().locator('[aria-roledescription="timeline"]');
    expect((await stage.boundingBox())?.width ?? 0).toBeGreaterThan(200);
    await editor.page.setViewportSize({ width: 1440, height: 900 });
  });
});

describe('files', () => {
  const saved = (name: string): string => path.join(workspace.folder, name);

  it('a trace is saved under another name, and is the same when it is opened', async () => {
    await openTrace();
    await loaded();
    await editor.command('Skua: Save Trace As');
    await editor.chooseFile(saved('copy.skua'));
    await expect.poll(() => existsSync(saved('copy.skua')), { timeout: 10_000 }).toBe(true);
    await openTrace('copy.skua');
    await loaded();
    await editor.timeline().getByText('9 spans').first().waitFor();
    await find('write');
    await editor.timeline().locator('[aria-roledescription="timeline"]').focus();
    await editor.page.keyboard.press('Enter');
    await expectLine('src/journal.c', lineOf('src/journal.c', 'write(fd, line'));
  });

  it('a trace is exported as OTLP JSON, which other tools and Skua itself read', async () => {
    await openTrace();
    await loaded();
    await editor.command('Skua: Export Timeline as OTLP JSON');
    await editor.chooseFile(saved('journal.otlp.json'));
    await expect.poll(() => existsSync(saved('journal.otlp.json')), { timeout: 10_000 }).toBe(true);
    const { resourceSpans } = JSON.parse(readFileSync(saved('journal.otlp.json'), 'utf8')) as {
      resourceSpans: { scopeSpans: { spans: { name: string; parentSpanId?: string }[] }[] }[];
    };
    const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    expect(spans).toHaveLength(51);
    expect(spans.filter(({ name }) => name === 'write')).toHaveLength(8);
    expect(spans.filter(({ parentSpanId }) => (parentSpanId ?? '') === '')).toHaveLength(1);
    await editor.command('View: Close All Editors');
    await editor.command('Skua: Open Trace…');
    await editor.chooseFile(saved('journal.otlp.json'));
    await loaded();
  });
});

describe('failures', () => {
  it('a broken file opens as a timeline that says what is wrong', async () => {
    await openTrace('broken.skua');
    await editor
      .toast(/broken/)
      .or(editor.toast(/trace/))
      .first()
      .waitFor({ timeout: 10_000 });
    await editor.timeline().getByText('Failed').first().waitFor();
    await editor.screenshot('broken-file');
    await editor.command('Notifications: Clear All Notifications');
  });

  it('a program that does not exist is named before anything is contacted', async () => {
    await editor.command('View: Close All Editors');
    await editor.quickInput('Control+P', 'debug Missing program', (label) =>
      label.startsWith('Missing program'),
    );
    const toast = editor.toast(/does not exist/);
    await toast.waitFor({ timeout: 20_000 });
    await toast.getByText('Open launch.json').waitFor();
    await editor.command('Notifications: Clear All Notifications');
  });

  it('a host that does not answer ends the session with a message and buttons', async () => {
    await editor.quickInput('Control+P', 'debug Unreachable host', (label) =>
      label.startsWith('Unreachable host'),
    );
    const toast = editor.toast(/127\.0\.0\.1/);
    await toast.first().waitFor({ timeout: 30_000 });
    await toast.first().getByText('Open Log').waitFor();
    await editor.page.locator('.repl').getByText('Unreachable host').first().waitFor();
    await editor.screenshot('unreachable-host');
    await editor.command('Notifications: Clear All Notifications');
  });
});

describe('views', () => {
  it('lists targets, sessions and traces, with something to do where there is nothing', async () => {
    await editor.skuaIcon().click();
    await editor.page.locator('.pane-header[aria-label*="Targets"]').waitFor();
    await editor.page.locator('.monaco-list-row[aria-label*="Sandbox"]').getByText('not built yet').waitFor();
    await editor.page.getByText('No traces recorded yet.').waitFor();
    await editor.screenshot('views');
  });
});
