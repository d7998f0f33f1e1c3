/**
 * How smoothly the timeline moves with many spans: the real bundle in headless Chromium (software rendering, no GPU), driven by wheel
 * events, one a frame. Writes bench/results/timeline.json.   usage: npx tsx bench/timeline.ts [spans …]
 *
 * `frame`: time from one animation frame to the next, ms; 16.7 is the screen's own rhythm. `script`: JavaScript alone per frame, from the
 * profiler. Both matter: `frame` is what is seen, `script` does not depend on how fast the machine fills pixels.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { chromium, type Browser, type Page } from 'playwright-core';
import { serveWebview } from '../tools/webview-dev.mjs';

const SIZES = [10_000, 100_000, 1_000_000, 5_000_000];
const FRAMES = 90;

/** Wheel events of each phase. */
const PHASES = {
  zoomIn: { deltaY: -30, ctrlKey: true },
  pan: { deltaX: 80 },
  zoomOut: { deltaY: 30, ctrlKey: true },
  panWhole: { deltaX: 8 },
  scroll: { deltaY: 60 },
} as const;

interface PhaseResult {
  readonly frame: { readonly p50: number; readonly p95: number; readonly max: number };
  readonly script: number;
}

interface SizeResult {
  readonly spans: number;
  /** From the first message to the last span placed and drawn, ms. */
  readonly loadMs: number;
  readonly heapMb: number;
  readonly phases: Readonly<Record<string, PhaseResult>>;
}

const round = (n: number) => Math.round(n * 100) / 100;

async function measurePhase(page: Page, wheel: object): Promise<PhaseResult> {
  const session = await page.context().newCDPSession(page);
  await session.send('Profiler.enable');
  await session.send('Profiler.setSamplingInterval', { interval: 250 });
  await session.send('Profiler.start');
  const frames = await page.evaluate(
    async ({ wheel, count }) => {
      const stage = document.querySelector('.stage');
      if (!stage) throw new Error('no stage');
      const box = stage.getBoundingClientRect();
      const place = { clientX: box.left + box.width * 0.6, clientY: box.top + box.height * 0.3 };
      const nextFrame = () =>
        new Promise<number>((resolve) => {
          requestAnimationFrame(resolve);
        });
      const times: number[] = [];
      let last = await nextFrame();
      for (let i = 0; i < count; i++) {
        stage.dispatchEvent(new WheelEvent('wheel', { bubbles: true, cancelable: true, ...place, ...wheel }));
        const now = await nextFrame();
        times.push(now - last);
        last = now;
      }
      return times;
    },
    { wheel, count: FRAMES },
  );
  const { profile } = await session.send('Profiler.stop');
  await session.detach();
  const notScript = new Set(
    profile.nodes
      .filter((n) => ['(idle)', '(program)', '(root)'].includes(n.callFrame.functionName))
      .map((n) => n.id),
  );
  let script = 0;
  (profile.samples ?? []).forEach((id, i) => {
    if (!notScript.has(id)) script += (profile.timeDeltas ?? [])[i] ?? 0;
  });
  frames.sort((a, b) => a - b);
  const at = (share: number) =>
    round(frames[Math.min(frames.length - 1, Math.floor(frames.length * share))] ?? NaN);
  return { frame: { p50: at(0.5), p95: at(0.95), max: at(1) }, script: round(script / 1000 / FRAMES) };
}

async function measureSize(browser: Browser, url: string, spans: number): Promise<SizeResult> {
  const page = await browser.newPage({ viewport: { width: 1400, height: 850 }, reducedMotion: 'reduce' });
  // tsx marks named functions with a helper that the page does not have.
  await page.addInitScript('globalThis.__name = (f) => f');
  const began = Date.now();
  await page.goto(`${url}?data=columns&spans=${spans}`);
  await page.waitForFunction(
    (wanted) => {
      const text = document.querySelector('.counts')?.textContent ?? '';
      const counts = [...text.matchAll(/([\d,]+) (span|system call)/g)].map((m) =>
        Number(m[1]?.replaceAll(',', '')),
      );
      return counts.reduce((a, b) => a + b, 0) >= wanted;
    },
    spans,
    { timeout: 300_000 },
  );
  const loadMs = Date.now() - began;
  // The first layout with merged traces is part of loading, not of moving.
  await page.waitForTimeout(3000);
  const phases: Record<string, PhaseResult> = {};
  for (const [name, wheel] of Object.entries(PHASES)) phases[name] = await measurePhase(page, wheel);
  const heapMb = await page.evaluate(
    () => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize / 1e6,
  );
  await page.close();
  return { spans, loadMs, heapMb: Math.round(heapMb), phases };
}

async function main(): Promise<void> {
  const asked = process.argv.slice(2).map(Number);
  const server = await serveWebview({ minify: true });
  const browser = await chromium.launch({
    executablePath: process.env['SKUA_CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--enable-precise-memory-info',
      '--js-flags=--max-old-space-size=8192',
    ],
  });
  const results: SizeResult[] = [];
  try {
    for (const spans of asked.length > 0 ? asked : SIZES) {
      const result = await measureSize(browser, server.url, spans);
      results.push(result);
      console.log(JSON.stringify(result));
    }
  } finally {
    await browser.close();
    await server.close();
  }
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    kernel: release(),
    browser: 'headless Chromium, software rendering',
  };
  mkdirSync('bench/results', { recursive: true });
  writeFileSync(
    'bench/results/timeline.json',
    `${JSON.stringify({ benchmark: 'timeline', machine, bundleBytes: server.sizes['/timeline.js'], frames: FRAMES, results }, null, 2)}\n`,
  );
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
