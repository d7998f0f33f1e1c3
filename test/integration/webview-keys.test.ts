/**
 * Every key and mouse gesture of the timeline's conventions does what the shortcut sheet says, in the real bundle. Effects are read from
 * the state that the webview saves for a reload: window, scroll position, selection, marks.
 */
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keyText, TIMELINE_COMMANDS, type TimelineCommand } from '../../common/view/commands';
import type { WebviewToHost } from '../../common/view/protocol';
import { serveWebview, type ServedWebview } from '../../tools/webview-dev.mjs';
import type { ViewState } from '../../webview/view-state';

const CHROMIUM = process.env['SKUA_CHROMIUM'] ?? '/usr/bin/chromium';
const SETTLE_MS = 350;

let server: ServedWebview | undefined;
let browser: Browser | undefined;
let page: Page;

beforeAll(async () => {
  if (!existsSync(CHROMIUM))
    throw new Error(`No browser at ${CHROMIUM}: apt-get install chromium, or set SKUA_CHROMIUM.`);
  server = await serveWebview();
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(async () => {
  if (!browser || !server) throw new Error('The browser did not start.');
  page = await browser.newPage({ viewport: { width: 1200, height: 560 }, reducedMotion: 'reduce' });
  await page.goto(`${server.url}?data=demo&traces=12`);
  await expect.poll(() => page.locator('.counts').textContent()).toMatch(/12 traces/);
  await page.locator('.stage').focus();
});

afterEach(async () => {
  await page.close();
});

async function press(key: string): Promise<void> {
  await page.keyboard.press(key);
}

/** The saved state, once what was done last has been saved. */
async function view(): Promise<ViewState> {
  await page.waitForTimeout(SETTLE_MS);
  return page.evaluate(() => JSON.parse(sessionStorage.getItem('skua-dev-state') ?? '{}') as ViewState);
}

async function change(act: () => Promise<void>): Promise<readonly [before: ViewState, after: ViewState]> {
  const before = await view();
  await act();
  return [before, await view()];
}

/** The whole trace is saved as no window at all: it grows while spans arrive. */
const width = ({ window }: ViewState): number => (window === null ? Infinity : window.to - window.from);
const from = ({ window }: ViewState): number => window?.from ?? -Infinity;
const spoken = () => page.locator('[aria-live=polite].sr-only').textContent();
const lastSent = async (type: WebviewToHost['type']) =>
  (
    await page.evaluate(
      () => (window as unknown as { skuaDev: { received: WebviewToHost[] } }).skuaDev.received,
    )
  )
    .filter((message) => message.type === type)
    .at(-1);

/** Selects the first span that a search finds and gives the keyboard back to the timeline. */
async function find(query: string): Promise<void> {
  await press('/');
  await page.keyboard.type(query);
  await expect.poll(() => page.locator('.matches').textContent()).toMatch(/^\d[\d,]* match/);
  await press('Enter');
  await press('Escape');
}

/** Begins with a window inside the trace, so that there is room on both sides. */
async function zoomIn(): Promise<void> {
  await press('w');
  await press('w');
}

describe('keys', () => {
  it('W and S zoom, 0 shows the whole trace, Ctrl+Z and Ctrl+Shift+Z go through the views', async () => {
    const [whole, near] = await change(() => press('w'));
    expect(width(near)).toBeLessThan(width(whole));
    const [, far] = await change(() => press('s'));
    expect(width(far)).toBeGreaterThan(width(near));
    await zoomIn();
    const [zoomed, again] = await change(() => press('0'));
    expect(width(again)).toBeGreaterThan(width(zoomed));
    const [, back] = await change(() => press('Control+z'));
    expect(back.window).toEqual(zoomed.window);
    const [, forward] = await change(() => press('Control+Shift+Z'));
    expect(width(forward)).toBeGreaterThan(width(zoomed));
  });

  it('W zooms at the mouse', async () => {
    const box = await page.locator('.stage').boundingBox();
    if (!box) throw new Error('The stage has no place.');
    await zoomIn();
    // The right end of the timeline stays where it is.
    await page.mouse.move(box.x + box.width - 2, box.y + 100);
    const [before, after] = await change(() => press('w'));
    const moved = Math.abs((after.window?.to ?? 0) - (before.window?.to ?? 0));
    expect(moved).toBeLessThan(width(before) * 0.01);
    expect(width(after)).toBeLessThan(width(before) * 0.9);
  });

  it('A and D pan, PageDown and PageUp scroll the rows', async () => {
    await zoomIn();
    const [middle, right] = await change(() => press('d'));
    expect(from(right)).toBeGreaterThan(from(middle));
    expect(width(right)).toBeCloseTo(width(middle));
    const [, left] = await change(() => press('a'));
    expect(from(left)).toBeLessThan(from(right));
    const [top, below] = await change(() => press('PageDown'));
    expect(below.scrollY).toBeGreaterThan(top.scrollY);
    const [, up] = await change(() => press('PageUp'));
    expect(up.scrollY).toBe(top.scrollY);
  });

  it('/ and Ctrl+F search, Enter and Shift+Enter go through the matches, and so do F3 and N', async () => {
    await press('Control+f');
    await page.keyboard.type('name:openat');
    await expect.poll(() => page.locator('.matches').textContent()).toMatch(/^\d+ match/);
    const steps: (number | null)[] = [];
    for (const key of ['Enter', 'Enter', 'Shift+Enter']) {
      await press(key);
      steps.push((await view()).selected);
    }
    expect(steps[1]).not.toBe(steps[0]);
    expect(steps[2]).toBe(steps[0]);
    await press('Escape');
    for (const key of ['F3', 'Shift+F3', 'n', 'Shift+N']) {
      await press(key);
      steps.push((await view()).selected);
    }
    expect(steps.slice(3)).toEqual([steps[1], steps[0], steps[1], steps[0]]);
  });

  it('F centres the selection, then fits it; R makes it the range; Esc clears', async () => {
    await find('is:user name:request');
    const [, centred] = await change(() => press('f'));
    const [, fitted] = await change(() => press('f'));
    expect(centred.selected).not.toBeNull();
    expect(width(fitted)).toBeLessThan(width(centred));
    const [, range] = await change(() => press('r'));
    expect(range.range).not.toBeNull();
    const [, cleared] = await change(() => press('Escape'));
    expect(cleared).toMatchObject({ selected: null, range: null });
  });

  it('M marks the selection, and removes the mark', async () => {
    await find('name:prefetch');
    const [, marked] = await change(() => press('m'));
    expect(marked.marks).toHaveLength(1);
    const [, bare] = await change(() => press('m'));
    expect(bare.marks).toHaveLength(0);
  });

  it('arrows go through the tree, . and , along the row', async () => {
    await find('is:user name:request');
    const [root, child] = await change(() => press('ArrowDown'));
    expect(child.selected).not.toBe(root.selected);
    const [, sibling] = await change(() => press('ArrowRight'));
    expect(sibling.selected).not.toBe(child.selected);
    const [, first] = await change(() => press('ArrowLeft'));
    expect(first.selected).toBe(child.selected);
    const [, next] = await change(() => press('.'));
    expect(next.selected).not.toBe(first.selected);
    const [, previous] = await change(() => press(','));
    expect(previous.selected).toBe(first.selected);
    const [, parent] = await change(() => press('ArrowUp'));
    expect(parent.selected).toBe(root.selected);
  });

  it('Enter opens the source, Alt+Enter to the side', async () => {
    await find('name:openat');
    await press('Enter');
    await expect.poll(() => lastSent('openSource')).toMatchObject({ toSide: false, preserveFocus: false });
    await press('Alt+Enter');
    await expect.poll(() => lastSent('openSource')).toMatchObject({ toSide: true });
  });

  it('Q hides the details, T opens the table, E collapses a row, G merges similar traces, Ctrl+C copies', async () => {
    await find('is:user name:request');
    const [open, closed] = await change(() => press('q'));
    expect([open.panelOpen, closed.panelOpen]).toEqual([true, false]);
    const [, collapsed] = await change(() => press('e'));
    expect(collapsed.collapsed).toHaveLength(1);
    const [, merged] = await change(() => press('g'));
    expect(merged.merged).toBe(true);
    await press('Control+c');
    await expect
      .poll(() => lastSent('copy'))
      .toMatchObject({ text: expect.stringContaining('request') as string });
    await press('t');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('role')))
      .toBe('treegrid');
  });

  it('Space says that there is no live edge in a trace that has ended', async () => {
    await press('Space');
    await expect.poll(spoken).toMatch(/no live edge/);
  });
});

describe('mouse', () => {
  const at = { x: 700, y: 260 };

  it('Ctrl+wheel zooms at the pointer, the wheel scrolls rows, Shift+wheel pans', async () => {
    await page.mouse.move(at.x, at.y);
    const [whole, near] = await change(async () => {
      await page.keyboard.down('Control');
      await page.mouse.wheel(0, -300);
      await page.keyboard.up('Control');
    });
    expect(width(near)).toBeLessThan(width(whole));
    const [top, below] = await change(() => page.mouse.wheel(0, 120));
    expect(below.scrollY).toBeGreaterThan(top.scrollY);
    expect(below.window).toEqual(top.window);
    const [, right] = await change(async () => {
      await page.keyboard.down('Shift');
      await page.mouse.wheel(0, 120);
      await page.keyboard.up('Shift');
    });
    expect(from(right)).not.toBe(from(below));
    expect(width(right)).toBeCloseTo(width(below));
  });

  it.each([
    { how: 'left', shift: false },
    { how: 'left', shift: true },
    { how: 'middle', shift: false },
  ] as const)('drag with the $how button, shift: $shift', async ({ how, shift }) => {
    await zoomIn();
    const [before, after] = await change(async () => {
      if (shift) await page.keyboard.down('Shift');
      await page.mouse.move(at.x, at.y);
      await page.mouse.down({ button: how });
      await page.mouse.move(at.x - 200, at.y, { steps: 4 });
      await page.mouse.up({ button: how });
      if (shift) await page.keyboard.up('Shift');
    });
    if (how === 'left' && !shift) {
      expect(after.range).not.toBeNull();
      expect(after.window).toEqual(before.window);
    } else {
      expect(after.range).toBeNull();
      expect(from(after)).toBeGreaterThan(from(before));
    }
  });
});

describe('the shortcut sheet', () => {
  it('lists every command with its keys, and every gesture', async () => {
    await press('Shift+Slash');
    const text = await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).innerText();
    for (const { title, keys } of TIMELINE_COMMANDS as readonly TimelineCommand[]) {
      expect(text).toContain(title);
      for (const key of keys.slice(0, 2)) expect(text, title).toContain(keyText(key));
    }
    for (const gesture of [
      'Ctrl+wheel',
      'Shift+wheel',
      'Shift+drag',
      'middle drag',
      'Drag',
      'Double click',
      'Right click',
      'Shift+Enter',
    ])
      expect(text).toContain(gesture);
    await press('Shift+Slash');
    expect(await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).isVisible()).toBe(false);
  });
});

describe('without a mouse', () => {
  it('Tab reaches every part in the order one reads them, each with a name', async () => {
    await page.locator('.skip').focus();
    const stops: string[] = [];
    for (let i = 0; i < 60; i++) {
      const stop = await page.evaluate(() => {
        let element = document.activeElement;
        while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
        if (element === null || element === document.body) return undefined;
        const host =
          element.getRootNode() instanceof ShadowRoot ? (element.getRootNode() as ShadowRoot).host : element;
        const name =
          element.getAttribute('aria-label') ??
          host.getAttribute('aria-label') ??
          host.getAttribute('title') ??
          host.textContent.trim();
        const part = host.closest('.skip, .toolbar, .stage, .splitter, .bottom-host, .footer');
        return { part: part === null ? host.outerHTML : part.className.replace(/ .*/, ''), name };
      });
      if (stop === undefined) break;
      expect(stop.name, JSON.stringify(stop)).not.toBe('');
      if (stops.at(-1) !== stop.part) stops.push(stop.part);
      await press('Tab');
    }
    expect(stops).toEqual(['skip', 'toolbar', 'stage', 'splitter', 'bottom-host', 'footer']);
  });
});
