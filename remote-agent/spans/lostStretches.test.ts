import { describe, expect, it } from 'vitest';
import { LostStretches } from './lostStretches';

function stretches(limit: number, ...added: readonly (readonly [number, number, number])[]): string {
  const lost = new LostStretches(limit);
  for (const [start, end, events] of added) lost.add(BigInt(start), BigInt(end), events);
  return lost.list.map(({ startNs, endNs, events }) => `${startNs}-${endNs}:${events}`).join(' ');
}

describe('LostStretches', () => {
  it('keeps them apart, in order, and joins what touches', () => {
    expect(stretches(9, [0, 10, 1], [20, 30, 2])).toBe('0-10:1 20-30:2');
    expect(stretches(9, [20, 30, 2], [0, 10, 1])).toBe('0-10:1 20-30:2');
    expect(stretches(9, [0, 10, 1], [10, 20, 2])).toBe('0-20:3');
    expect(stretches(9, [0, 10, 1], [20, 30, 2], [5, 25, 4])).toBe('0-30:7');
    expect(stretches(9, [0, 10, 1], [20, 30, 2], [40, 50, 4], [12, 18, 8])).toBe(
      '0-10:1 12-18:8 20-30:2 40-50:4',
    );
  });

  it('gets coarser, never wrong, when there are too many', () => {
    expect(stretches(2, [0, 10, 1], [12, 20, 2], [100, 110, 4])).toBe('0-20:3 100-110:4');
    expect(stretches(2, [0, 10, 1], [100, 110, 2], [112, 120, 4])).toBe('0-10:1 100-120:6');
  });
});
