import { describe, expect, it } from 'vitest';
import { Lag } from './lag';

describe('Lag', () => {
  it('gives quantiles that are at most a tenth too high', () => {
    const lag = new Lag();
    for (let ms = 1; ms <= 1000; ms += 1) lag.record(5_000_000_000n, 5000 + ms);
    for (const p of [0.1, 0.5, 0.99]) {
      expect(lag.quantile(p)).toBeGreaterThanOrEqual(1000 * p);
      expect(lag.quantile(p)).toBeLessThan(1000 * p * 1.1);
    }
    expect(lag.toString()).toMatch(/^p50 \d+ ms, p99 \d+ ms$/);
  });

  it('takes what is out of range as the nearest it knows', () => {
    const lag = new Lag();
    lag.record(5_000_000_000n, 1000);
    expect(lag.quantile(1)).toBe(1);
    lag.record(0n, 1e12);
    expect(lag.quantile(1)).toBeGreaterThan(1e6);
    expect(new Lag().quantile(0.5)).toBe(0);
  });
});
