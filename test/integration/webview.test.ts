/** The timeline's real bundle in a real browser, driven by mouse and keyboard through the development page (webview/dev). */
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WebviewToHost } from '../../common/view/protocol';
import { serveWebview, type ServedWebview } from '../../tools/webview-dev.mjs';

const CHROMIUM = process.env['SKUA_CHROMIUM'] ?? '/usr/bin/chromium';

let server: ServedWebview | undefined;
let browser: Browser | undefined;
let page: Page;
/** Errors of the page; each test ends with a look at them. */
let problems: string[];
let requests: string[];

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

afterEach(async () => {
  await page.close();
  expect(problems).toEqual([]);
  // Nothing is loaded but the page's own files.
  expect(requests.filter((url) => !url.startsWith(server?.url ?? ''))).toEqual([]);
});

async function open(query: string, size = { width: 1200, height: 760 }): Promise<void> {
  if (!browser || !server) throw new Error('The browser did not start.');
  page = await browser.newPage({ viewport: size, reducedMotion: 'reduce' });
  problems = [];
  requests = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => {
    // The toolkit adds an empty inline style; the policy refuses it, without harm.
    if (message.type() === 'error' && !/inline style/.test(message.text())) problems.push(message.text());
  });
  await page.goto(`${server.url}?${query}`);
}

const counts = () => page.locator('.counts').textContent();
const info = () => page.locator('.footer .info').textContent();
const spoken = () => page.locator('[aria-live=polite].sr-only').textContent();
const details = () => page.locator('.details-host');
const sent = (): Promise<readonly WebviewToHost[]> =>
  page.evaluate(() => (window as unknown as { skuaDev: { received: WebviewToHost[] } }).skuaDev.received);
const lastSent = async (type: WebviewToHost['type']) => (await sent()).filter((m) => m.type === type).at(-1);

/** Place of the selected span on the page, once it has been drawn. */
async function selectionBox(): Promise<{ readonly x: number; readonly y: number; readonly width: number }> {
  const stage = page.locator('.stage');
  await expect.poll(() => stage.getAttribute('data-selection')).not.toBeNull();
  const [x, y, width, height] = JSON.parse((await stage.getAttribute('data-selection')) ?? '[]') as [
    number,
    number,
    number,
    number,
  ];
  const box = await stage.boundingBox();
  if (!box) throw new Error('The stage has no place.');
  return { x: box.x + x + width / 2, y: box.y + y + height / 2, width };
}

async function find(query: string): Promise<void> {
  await page.locator('.stage').focus();
  await page.keyboard.press('Slash');
  await page.keyboard.type(query);
  await expect.poll(() => page.locator('.matches').textContent()).toMatch(/^\d[\d,]* match/);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
}

describe('the timeline', () => {
  it('finds a system call, shows everything about it and opens its source with one click', async () => {
    await open('data=demo&traces=6');
    await expect.poll(counts).toMatch(/6 traces/);
    await find('name:openat status:ENOENT');
    await expect.poll(() => details().textContent()).toContain('ENOENT: No such file or directory');
    const text = await details().innerText();
    for (const part of [
      '/var/cache/skua/missing.idx',
      'O_RDONLY',
      'thread 4300',
      'handler.cpp:83',
      'inlined',
      'not mapped',
    ]) {
      expect(text).toContain(part);
    }
    expect(await spoken()).toMatch(
      /^openat \/var\/cache\/skua\/missing\.idx, system call, .* error, handler\.cpp:83/,
    );
    const box = await selectionBox();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.stage').getAttribute('data-selection')).toBeNull();
    await page.mouse.click(box.x, box.y);
    await expect.poll(() => lastSent('openSource')).toMatchObject({ toSide: false, preserveFocus: true });
    await page.keyboard.press('Alt+Enter');
    await expect.poll(() => lastSent('openSource')).toMatchObject({ toSide: true, preserveFocus: false });
    await page.locator('.stack .link').nth(2).click();
    await expect.poll(() => lastSent('openSource')).toMatchObject({ frame: 2 });
  });

  it('says what a call waited for and goes along the wake-up, with keys and with links', async () => {
    await open('data=demo&traces=4');
    await expect.poll(counts).toMatch(/4 traces/);
    await find('waker:orders');
    const waiting = page.locator('.waiting');
    await expect.poll(() => waiting.innerText()).toMatch(/Blocked\s+[\d.]+\sµs 7\d %/);
    await expect
      .poll(() => waiting.innerText())
      .toMatch(/Woken by orders\/4318 in (?:work|db\.query|prefetch) › write/);
    const heading = () => page.locator('.details h2').innerText();
    expect(await heading()).toBe('futex');
    expect(await spoken()).toMatch(/^futex, system call, .*, blocked .*, runnable /);
    await page.locator('.stage').focus();
    await page.keyboard.press('BracketLeft');
    await expect.poll(heading).toBe('write');
    await expect
      .poll(() => waiting.innerText())
      .toMatch(/On CPU\s+[\d.]+\sµs 100 %[^]*Woke futex in orders\/\d+/);
    await page.keyboard.press('BracketRight');
    await expect.poll(heading).toBe('futex');
    await page.keyboard.press('BracketRight');
    await expect
      .poll(() => page.locator('.notice').innerText())
      .toBe('No traced thread was woken from this span.');
    await page.locator('.waker .link').click();
    await expect.poll(heading).toBe('write');
    await page.locator('.woke .link').first().click();
    await expect.poll(heading).toBe('futex');
    // The table for screen readers has it too.
    await page.keyboard.press('KeyT');
    const row = page.locator('.tree-row.active');
    await expect.poll(() => row.innerText()).toMatch(/futex[^]*blocked [\d.]+\sµs · runnable [\d.]+\sµs/);
  });

  it('walks the tree with the arrow keys and along the row with . and ,', async () => {
    await open('data=demo&traces=3');
    await expect.poll(counts).toMatch(/3 traces/);
    await page.locator('.stage').focus();
    const press = async (key: string, name: RegExp) => {
      await page.keyboard.press(key);
      await expect.poll(spoken).toMatch(name);
    };
    await press('ArrowDown', /^request, span/);
    await press('ArrowDown', /^getpid, system call/);
    await press('ArrowRight', /^openat/);
    await press('ArrowRight', /^work, span/);
    await press('.', /^work, span/);
    await press('ArrowDown', /^getpid/);
    await press('ArrowUp', /^work/);
    await press('ArrowUp', /^request/);
    await press('ArrowUp', /root span/);
    await press('[', /no wakeup data/);
  });

  it('zooms, pans, remembers views and shows the whole trace again', async () => {
    await open('data=demo&traces=4');
    await expect.poll(counts).toMatch(/4 traces/);
    await page.locator('.stage').focus();
    await expect.poll(info).toMatch(/in view/);
    const whole = await info();
    await page.keyboard.press('w');
    await expect.poll(info).not.toBe(whole);
    await page.keyboard.press('Control+z');
    await expect.poll(info).toBe(whole);
    await page.mouse.move(700, 200);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -300);
    await page.keyboard.up('Control');
    await expect.poll(info).not.toBe(whole);
    await page.keyboard.press('d');
    await page.keyboard.press('0');
    await expect.poll(info).toBe(whole);
  });

  it('sums up a dragged range', async () => {
    await open('data=demo&traces=4');
    await expect.poll(counts).toMatch(/4 traces/);
    await page.mouse.move(400, 300);
    await page.mouse.down();
    await page.mouse.move(700, 320, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => details().textContent()).toMatch(/^Range of /);
    expect(await details().locator('tbody tr').count()).toBeGreaterThan(5);
    // The sums lead to the longest span of a name, and to a search.
    await details().locator('tbody tr', { hasText: 'futex' }).locator('.link').first().click();
    await expect.poll(() => page.locator('.matches').textContent()).toMatch(/match/);
    expect(await lastSent('search')).toMatchObject({ query: 'name:futex' });
  });

  it('hides what does not match, and says so when that is everything', async () => {
    await open('data=demo&traces=4');
    await expect.poll(counts).toMatch(/4 traces/);
    await find('name:prefetch');
    await page.keyboard.press('h');
    await expect.poll(spoken).toMatch(/Only matching/);
    await page.keyboard.press('/');
    await page.keyboard.type('nothing-is-called-so');
    await expect.poll(() => page.locator('.state-page').textContent()).toContain('Nothing matches');
    await page.getByText('Clear search').click();
    await expect.poll(() => page.locator('.state-page').isHidden()).toBe(true);
  });

  it('explains a query it cannot run', async () => {
    await open('data=demo&traces=2');
    await expect.poll(counts).toMatch(/2 traces/);
    await page.keyboard.press('/');
    await page.keyboard.type('>soon');
    await expect.poll(() => page.locator('.matches').textContent()).toContain('not a duration');
  });

  it('is a table for those who cannot see it, linked with the selection', async () => {
    await open('data=demo&traces=3');
    await expect.poll(counts).toMatch(/3 traces/);
    await page.locator('.stage').focus();
    await page.keyboard.press('t');
    const grid = page.getByRole('treegrid', { name: 'Spans' });
    await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe('4');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    const active = grid.locator(`#${(await grid.getAttribute('aria-activedescendant')) ?? 'none'}`);
    expect(await active.getAttribute('aria-level')).toBe('3');
    expect(await active.innerText()).toMatch(/getpid/);
    expect(await active.getByRole('gridcell').count()).toBe(5);
    await expect.poll(spoken).toMatch(/^getpid/);
    await page.keyboard.press('Enter');
    await expect.poll(() => lastSent('openSource')).toMatchObject({ preserveFocus: false });
    // And back: what is selected in the timeline is the active row.
    await find('name:db.query');
    await expect.poll(() => grid.locator('[aria-selected=true]').innerText()).toMatch(/db\.query/);
  });

  it('lists the events of everything below a span', async () => {
    await open('data=demo&traces=2');
    await expect.poll(counts).toMatch(/2 traces/);
    await find('is:user name:request');
    await page.locator('vscode-panel-tab', { hasText: 'Events' }).click();
    await expect.poll(() => page.locator('.events tbody tr').count()).toBeGreaterThan(20);
    await page.getByLabel('of all spans below').uncheck();
    await expect.poll(() => page.locator('.events').textContent()).toContain('No events.');
  });

  it('comes back after a reload as it was left', async () => {
    await open('data=demo&traces=5');
    await expect.poll(counts).toMatch(/5 traces/);
    await find('name:prefetch');
    await page.keyboard.press('m');
    await page.keyboard.press('Shift+E');
    await expect
      .poll(() => page.evaluate(() => sessionStorage.getItem('skua-dev-state')))
      .toContain('"allCollapsed":true');
    const before = { info: await info(), text: await details().innerText() };
    expect(
      JSON.parse(await page.evaluate(() => sessionStorage.getItem('skua-dev-state') ?? '{}')),
    ).toMatchObject({ host: { run: 'dev' } });
    await page.reload();
    await expect.poll(counts).toMatch(/5 traces/);
    await expect.poll(() => details().innerText()).toBe(before.text);
    await expect.poll(info).toBe(before.info);
    await expect.poll(() => page.locator('.matches').textContent()).toBe('5 matches');
  });

  it('follows a running program until the user pans, and stays when it ends', async () => {
    await open('data=live&traces=12');
    const follow = { name: /Follow the live edge/ };
    const following = (pressed: boolean) => page.getByRole('button', { ...follow, pressed }).count();
    await expect.poll(() => page.locator('.run-state').textContent()).toBe('Live');
    await expect.poll(() => following(true)).toBe(1);
    await expect.poll(counts).toMatch(/traces/);
    await page.locator('.stage').focus();
    await page.keyboard.press('a');
    await expect.poll(() => following(false)).toBe(1);
    await page.keyboard.press('Space');
    await expect.poll(() => following(true)).toBe(1);
    await expect.poll(() => page.locator('.run-state').textContent(), { timeout: 30_000 }).toBe('Ended');
    await expect.poll(counts).toMatch(/12 traces/);
    expect(await page.getByRole('button', follow).count()).toBe(0);
  });

  it.each([
    ['preparing', 'Building the kernel modules'],
    ['running', 'no spans yet'],
    ['ended', 'Check the sampling'],
    ['failed', 'mokutil --import'],
  ])('says what to do next when there is nothing to show: %s', async (state, text) => {
    await open(`data=none&state=${state}`);
    await expect.poll(() => page.locator('.state-page').textContent()).toContain(text);
  });

  it('shows what was lost, and where', async () => {
    await open('data=demo&traces=4&lost=1');
    await page.getByRole('button', { name: /lost: 14 events, 3 spans/ }).click();
    await expect
      .poll(() => page.locator('.losses-view').innerText())
      .toContain('events lost in full kernel buffers');
  });

  it('works in 420 pixels', async () => {
    await open('data=demo&traces=4', { width: 420, height: 640 });
    await expect.poll(info).toMatch(/in view/);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    for (const part of ['.search', '.stage', '.footer'])
      expect(await page.locator(part).isVisible()).toBe(true);
  });

  it('lists every key', async () => {
    await open('data=demo&traces=2');
    await page.locator('.stage').focus();
    await page.keyboard.press('Shift+Slash');
    const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    expect(await help.isVisible()).toBe(true);
    await page.keyboard.press('Escape');
    expect(await help.isVisible()).toBe(false);
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('stage');
  });
});

describe('a million spans', () => {
  it('load, zoom, pan, select and stay accessible', async () => {
    await open('data=columns&spans=1000000');
    await expect
      .poll(counts, { timeout: 90_000 })
      .toBe('9,010 traces · 99,100 spans · 900,900 system calls · 1,782 failed');
    // So many similar traces share their rows.
    await expect
      .poll(() => page.getByRole('button', { name: /Merge similar/, pressed: true }).count())
      .toBe(1);
    await page.locator('.stage').focus();
    await page.mouse.move(700, 160);
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press('w');
      await page.keyboard.press(i % 2 === 0 ? 'd' : 'a');
    }
    await expect.poll(info).toMatch(/^[\d.]+ µs in view of/);
    await page.keyboard.press('ArrowDown');
    await expect.poll(spoken).toMatch(/selected|, span,/);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await expect.poll(spoken).toMatch(/system call/);
    await selectionBox();
    await page.keyboard.press('t');
    const grid = page.getByRole('treegrid', { name: 'Spans' });
    // Only rows in view exist, whatever their number.
    await expect.poll(() => grid.locator('[role=row]').count()).toBeGreaterThan(5);
    expect(await grid.locator('[role=row]').count()).toBeLessThan(80);
    expect(Number(await grid.getAttribute('aria-rowcount'))).toBeGreaterThan(9010);
  });
});
