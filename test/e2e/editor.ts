/** A real VS Code in a browser, as tests and screenshots use it: see docs/testing-editor.md. */
import { mkdirSync } from 'node:fs';
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

export class Editor {
  private constructor(
    readonly server: EditorServer,
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  static async open(options: ServerOptions, size: Size = DEFAULT_SIZE): Promise<Editor> {
    const server = await startServer(options, (line) => console.log(line));
    let browser: Browser | undefined;
    try {
      browser = await startBrowser();
      const context = await browser.newContext({ viewport: size, permissions: ['clipboard-read', 'clipboard-write'] });
      const page = await context.newPage();
      const editor = new Editor(server, browser, context, page);
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
    await this.page.locator('.explorer-folders-view, .welcome-view, .empty-view').first().waitFor({ timeout: 60_000 });
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.page.locator('.monaco-workbench').waitFor({ timeout: 60_000 });
  }

  /** Runs a command by its palette title; the palette lists only commands known when it opened, hence the retries. */
  async command(title: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget .quick-input-filter input');
    const row = this.page.locator('.quick-input-list .monaco-list-row').first();
    for (let attempt = 0; ; attempt += 1) {
      await this.page.keyboard.press('F1');
      await input.waitFor();
      await input.fill(`>${title}`);
      await this.page.waitForTimeout(250);
      const label = (await row.count()) > 0 ? ((await row.getAttribute('aria-label')) ?? '') : '';
      if (label.startsWith(title)) {
        await this.page.keyboard.press('Enter');
        return;
      }
      await this.page.keyboard.press('Escape');
      if (attempt >= 20) throw new Error(`The palette has no command "${title}"; first entry: "${label}".`);
      await this.page.waitForTimeout(500);
    }
  }

  /** Opens a file of the workspace through Quick Open. */
  async openFile(name: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget .quick-input-filter input');
    await this.page.keyboard.press('Control+P');
    await input.waitFor();
    await input.fill(name);
    await this.page.locator(`.quick-input-list .monaco-list-row[aria-label*="${path.basename(name)}"]`).first().waitFor();
    await this.page.keyboard.press('Enter');
    await this.tab(path.basename(name)).waitFor();
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

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notification-toast', { hasText: text });
  }

  async setTheme(name: string): Promise<void> {
    await this.command('Preferences: Color Theme');
    const input = this.page.locator('.quick-input-widget .quick-input-filter input');
    await input.waitFor();
    await input.fill(name);
    await this.page.waitForTimeout(400);
    await this.page.keyboard.press('Enter');
    await this.page.waitForTimeout(600);
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
