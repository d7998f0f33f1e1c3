/** A real VS Code in a browser, as tests and screenshots use it: see docs/testing-editor.md. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext, FrameLocator, Locator, Page } from 'playwright-core';
import { startBrowser } from '../../tools/editor/browser';
import { repoRoot, startServer, type EditorServer, type ServerOptions } from '../../tools/editor/server';

export interface Size {
  readonly width: number;
  readonly height: number;
}

const DEFAULT_SIZE: Size = { width: 1440, height: 900 };
const EXTENSION_ID = 'skua.skua';

/** What a user installs, packed from this checkout's build into the folder. Returns the path of the .vsix. */
export function packExtension(folder: string): string {
  const file = path.join(folder, 'skua.vsix');
  execFileSync(process.execPath, ['tools/package.mjs', '--out', file], { cwd: repoRoot, stdio: 'pipe' });
  return file;
}

export class Editor {
  private constructor(
    readonly server: EditorServer,
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly page: Page,
    readonly workspace: string,
  ) {}

  static async open(options: ServerOptions, size: Size = DEFAULT_SIZE): Promise<Editor> {
    const server = await startServer(options, (line) => console.log(line));
    let browser: Browser | undefined;
    try {
      browser = await startBrowser();
      const context = await browser.newContext({
        viewport: size,
        permissions: ['clipboard-read', 'clipboard-write'],
      });
      const page = await context.newPage();
      const editor = new Editor(server, browser, context, page, options.workspace);
      await page.goto(server.workspaceUrl);
      await editor.workbench();
      return editor;
    } catch (error) {
      await browser?.close();
      await server.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      await this.browser.close();
    } finally {
      await this.server.stop();
    }
  }

  async workbench(): Promise<void> {
    await this.page.locator('.monaco-workbench').waitFor({ timeout: 60_000 });
    await this.page
      .locator('.explorer-folders-view, .welcome-view, .empty-view')
      .first()
      .waitFor({ timeout: 60_000 });
    // Until the extension is known, F5 only opens the debug view: no debugger is there yet.
    await this.skuaIcon().waitFor({ timeout: 60_000 });
  }

  skuaIcon(): Locator {
    return this.page.locator('.activitybar a.action-label[aria-label*="Skua"]');
  }

  /** Reloads the window, after its state has been written: the browser's workbench does that every five seconds. */
  async reload(): Promise<void> {
    await this.page.waitForTimeout(6500);
    await this.page.reload();
    await this.page.locator('.monaco-workbench').waitFor({ timeout: 60_000 });
  }

  /** Runs a command by its palette title; the palette lists only commands known when it opened, and closes when an editor takes the focus. */
  async command(title: string): Promise<void> {
    await this.quickInput('F1', `>${title}`, (label) => label.startsWith(title));
  }

  /** Opens a file of the workspace through Quick Open. */
  async openFile(name: string): Promise<void> {
    const base = path.basename(name);
    await this.quickInput('Control+P', name, (label) => label.includes(base));
    await this.tab(base).waitFor();
  }

  /** Opens a quick input, types, and accepts the first entry once it is the wanted one. */
  async quickInput(key: string, text: string, wanted: (label: string) => boolean): Promise<void> {
    const input = this.page.locator('.quick-input-widget .quick-input-filter input');
    const row = this.page.locator('.quick-input-list .monaco-list-row').first();
    let label = '';
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await this.page.keyboard.press(key);
      try {
        await input.fill(text, { timeout: 2000 });
        await this.page.waitForTimeout(300);
        label = (await row.getAttribute('aria-label', { timeout: 1000 })) ?? '';
        if (wanted(label)) {
          await this.page.keyboard.press('Enter');
          await input.waitFor({ state: 'hidden', timeout: 5000 });
          return;
        }
      } catch {
        // Something else took the focus meanwhile: once more.
      }
      await this.page.keyboard.press('Escape');
      await this.page.waitForTimeout(400);
    }
    throw new Error(`Nothing fits "${text}"; first entry: "${label}".`);
  }

  /** Chooses from a list that a command has opened. */
  async quickPick(label: string): Promise<void> {
    const row = this.page.locator(`.quick-input-list .monaco-list-row[aria-label^="${label}"]`).first();
    await row.click({ timeout: 15_000 });
  }

  /** Answers a file dialog, which in the browser is an input with a path. */
  async chooseFile(file: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget .quick-input-filter input');
    await input.waitFor({ timeout: 15_000 });
    // The dialog fills in its own proposal a moment after it has opened.
    await this.page.waitForTimeout(1000);
    await input.fill(file);
    await this.page.waitForTimeout(500);
    await input.press('Enter');
    await input.waitFor({ state: 'hidden', timeout: 10_000 });
  }

  tab(name: string): Locator {
    return this.page.locator(`.tab[data-resource-name*="${name}"], .tab[aria-label*="${name}"]`).first();
  }

  /** The document inside a timeline's webview. */
  timeline(): FrameLocator {
    return this.page
      .frameLocator(`iframe.webview.ready[src*="extensionId=${EXTENSION_ID}"]`)
      .frameLocator('iframe#active-frame');
  }

  /** `{ file, line, column }` of the text editor that was opened last. */
  async cursor(): Promise<{ readonly file: string; readonly line: number; readonly column: number }> {
    const text = await this.page.locator('#status\\.editor\\.selection').innerText();
    const match = /Ln (\d+), Col (\d+)/.exec(text);
    const tab = this.page.locator('.editor-group-container.active .tab.active');
    return {
      file: (await tab.getAttribute('data-resource-name')) ?? '',
      line: Number(match?.[1] ?? NaN),
      column: Number(match?.[2] ?? NaN),
    };
  }

  /** Name of the active tab in every editor group, left to right. */
  async activeTabs(): Promise<readonly string[]> {
    return this.page
      .locator('.editor-group-container .tab.active')
      .evaluateAll((tabs) => tabs.map((tab) => tab.getAttribute('data-resource-name') ?? ''));
  }

  /** A modal question. VS Code in the browser draws it in the page. */
  dialog(text: string | RegExp): Locator {
    return this.page.locator('.monaco-dialog-box', { hasText: text });
  }

  /** Waits for a modal question and presses one of its buttons. */
  async answer(text: string | RegExp, button: string, limitMs = 15_000): Promise<void> {
    const dialog = this.dialog(text);
    await dialog.waitFor({ timeout: limitMs });
    await dialog.locator('.monaco-button', { hasText: button }).first().click();
    await dialog.waitFor({ state: 'hidden' });
  }

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notification-toast', { hasText: text });
  }

  /** Changes a workspace setting as an edit of its settings.json does (the server does not watch that of the user). */
  async setSetting(name: string, value: unknown): Promise<void> {
    const file = path.join(this.workspace, '.vscode/settings.json');
    const settings = existsSync(file)
      ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)
      : {};
    writeFileSync(file, JSON.stringify({ ...settings, [name]: value }, null, 2));
    await this.page.waitForTimeout(2000);
  }

  /** Kept as test output: out/screenshots/NAME.png. */
  async screenshot(name: string): Promise<string> {
    const folder = path.join(repoRoot, 'out/screenshots');
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${name}.png`);
    await this.page.screenshot({ path: file });
    return file;
  }
}
