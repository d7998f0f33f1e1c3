import { describe, expect, it } from 'vitest';
import { NO_LOSS, totalLost, type LossReport } from '../model/loss';
import { describeLosses, LOSS_CAUSES } from './losses';

describe('losses in words', () => {
  it('knows every cause that is counted', () => {
    const one: LossReport = { ...NO_LOSS, eventsDecoded: 5 };
    expect(describeLosses(one)).toBe('');
    for (const cause of Object.keys(NO_LOSS) as (keyof LossReport)[]) {
      if (totalLost({ ...NO_LOSS, [cause]: 1 }) === 0) continue;
      expect(LOSS_CAUSES.map(([known]) => known)).toContain(cause);
    }
  });

  it('gives each cause with its count', () => {
    expect(describeLosses({ ...NO_LOSS, unpaired: 19, ringBuffer: 2400 })).toBe(
      'Kernel buffers were full: 2,400; System calls seen only in part: 19',
    );
  });
});
