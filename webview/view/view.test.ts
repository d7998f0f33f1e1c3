import { describe, expect, it } from 'vitest';
import { random } from '../dev/generate';
import { readViewState } from '../view-state';
import { LiveClock } from './live-clock';
import { OVERVIEW_BINS, Overview } from './overview';
import { MIN_WINDOW_NS, Viewport, clamped, panned, zoomed } from './viewport';

describe('Viewport', () => {
  it('comes to rest exactly at its last target', () => {
    const view = new Viewport();
    view.setWindow({ from: 0, to: 1000 }, true);
    view.setWindow({ from: 500, to: 700 }, false);
    view.setWindow({ from: 100, to: 200 }, false);
    let frames = 0;
    while (view.advance(16)) frames += 1;
    expect(frames).toBeLessThan(60);
    expect(view.window).toEqual({ from: 100, to: 200 });
  });

  it('remembers views, once each, and goes both ways', () => {
    const view = new Viewport();
    for (const from of [1, 2, 3]) {
      view.remember();
      view.remember();
      view.setWindow({ from: from * 100, to: from * 100 + 50 }, true);
    }
    expect([view.goBack()?.from, view.goBack()?.from]).toEqual([200, 100]);
    expect(view.goForward()?.from).toBe(300);
  });

  it('never gets narrower than what can be shown', () => {
    const view = new Viewport();
    view.setWindow({ from: 50, to: 50 }, true);
    expect(view.to - view.from).toBe(MIN_WINDOW_NS);
  });
});

it('zooms with the anchor in place, and pans', () => {
  expect(zoomed({ from: 0, to: 100 }, 0.5, 25)).toEqual({ from: 12.5, to: 62.5 });
  expect(panned({ from: 0, to: 100 }, -10)).toEqual({ from: -10, to: 90 });
});

it('keeps the window over the data', () => {
  const extent = { from: 0, to: 1000 };
  expect(clamped({ from: -1e9, to: 1e9 }, extent)).toEqual({ from: -600 + 0, to: 600 });
  const right = clamped({ from: 5000, to: 5100 }, extent);
  expect(right.from).toBeLessThan(1000);
  expect(right.to - right.from).toBeCloseTo(100);
  expect(clamped({ from: 200, to: 300 }, extent)).toEqual({ from: 200, to: 300 });
});

describe('LiveClock', () => {
  it('runs with the wall clock and never backwards', () => {
    const clock = new LiveClock();
    clock.observe(1e9, 1000);
    expect(clock.now(1000)).toBe(1e9);
    expect(clock.now(1500)).toBe(1.5e9);
    // A late batch does not hold the edge back, an early one moves it.
    clock.observe(1.1e9, 1600);
    expect(clock.now(1600)).toBe(1.6e9);
    clock.observe(2e9, 1700);
    expect(clock.now(1700)).toBe(2e9);
    expect(clock.now(1650)).toBe(2e9);
  });
});

describe('Overview', () => {
  it('keeps every span while its range grows to both sides', () => {
    const overview = new Overview();
    const rand = random(3);
    let kernel = 0;
    for (let i = 0; i < 5000; i++) {
      const isKernel = rand() < 0.7;
      if (isKernel) kernel += 1;
      overview.add((rand() - 0.3) * Math.pow(10, rand() * 9), isKernel, false);
    }
    const sum = (counts: Uint32Array) => counts.reduce((a, b) => a + b, 0);
    expect([sum(overview.kernel), sum(overview.user)]).toEqual([kernel, 5000 - kernel]);
  });

  it('counts where spans start', () => {
    const overview = new Overview();
    overview.add(0, true, true);
    overview.add(1_000_000_000, false, false);
    const { origin, binNs } = overview.range;
    const bin = (time: number) => Math.floor((time - origin) / binNs);
    expect([overview.kernel[bin(0)], overview.errors[bin(0)], overview.user[bin(1e9)]]).toEqual([1, 1, 1]);
    expect(bin(1e9)).toBeLessThan(OVERVIEW_BINS);
  });
});

describe('readViewState', () => {
  it.each([null, 'x', {}, { version: 2 }])('ignores %j', (saved) => {
    expect(readViewState(saved)).toBeUndefined();
  });

  it('takes what is sound and replaces what is not', () => {
    expect(
      readViewState({
        version: 1,
        window: { from: 1, to: 0 },
        marks: [1, 'a', NaN],
        scrollY: -5,
        selected: 3,
        collapsed: ['k', 2],
        host: { file: 'x' },
      }),
    ).toMatchObject({
      window: null,
      marks: [1],
      scrollY: 0,
      selected: 3,
      collapsed: ['k'],
      merged: null,
      panelOpen: true,
    });
  });
});
