import { describe, expect, it } from 'vitest';
import { formatCount, formatDuration, formatOffset, parseDuration, plural, tickStep } from './format';

describe('formatDuration', () => {
  it.each<[number, string]>([
    [0, '0 ns'],
    [1, '1 ns'],
    [999, '999 ns'],
    [1000, '1 µs'],
    [1234.4, '1.234 µs'],
    [999_949, '999.9 µs'],
    [999_960, '1 ms'],
    [1_500_000, '1.5 ms'],
    [2_000_000_000, '2 s'],
    [59_999_999_999, '60 s'],
    [61_500_000_000, '1 min 1.5 s'],
    [-5000, '−5 µs'],
    [NaN, '…'],
  ])('%d → %s', (ns, text) => {
    expect(formatDuration(ns)).toBe(text);
  });
});

describe('formatOffset', () => {
  it.each<[number, number, string]>([
    [0, 2e6, '0 ms'],
    [1_250_000, 50_000, '1.25 ms'],
    [1_250_000, 10, '1.25000 ms'],
    [3e9, 5e8, '3.0 s'],
    [-20_000, 10_000, '−20 µs'],
    [-0.2, 1, '0 ns'],
  ])('%d in steps of %d → %s', (ns, step, text) => {
    expect(formatOffset(ns, step)).toBe(text);
  });
});

describe('tickStep', () => {
  it('is the smallest 1, 2 or 5 times a power of ten that is large enough', () => {
    for (let min = 1; min < 1e9; min *= 1.37) {
      const step = tickStep(min);
      expect(step).toBeGreaterThanOrEqual(min * 0.999);
      expect(step).toBeLessThan(min * 2.51);
      expect(['1', '2', '5']).toContain(step.toExponential(0)[0]);
    }
  });
});

describe('parseDuration', () => {
  it.each<[string, number | undefined]>([
    ['5', 5],
    ['1.5ms', 1_500_000],
    ['20us', 20_000],
    ['20µs', 20_000],
    ['2s', 2e9],
    ['1min', 60e9],
    ['', undefined],
    ['ms', undefined],
    ['1h', undefined],
    ['-5us', undefined],
  ])('%s → %s', (text, ns) => {
    expect(parseDuration(text)).toBe(ns);
  });
});

it('counts', () => {
  expect([
    formatCount(1234567),
    formatCount(999),
    plural(1, 'span'),
    plural(2, 'span'),
    plural(0, 'child', 'children'),
  ]).toEqual(['1,234,567', '999', '1 span', '2 spans', '0 children']);
});
