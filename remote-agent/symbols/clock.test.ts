import { describe, expect, it } from 'vitest';
import { parseClock } from './clock';

describe('parseClock', () => {
  it('reads a measurement', () => {
    expect(
      parseClock(
        '{"offsetNs":"1795421799489628563","boundNs":21,"monotonicNs":"1947408880534","rounds":10000}\n',
      ),
    ).toEqual({ offsetNs: 1795421799489628563n, boundNs: 21, monotonicNs: 1947408880534n });
  });

  it.each([
    '',
    'null',
    '[]',
    '{"offsetNs":1,"boundNs":21,"monotonicNs":"1"}',
    '{"offsetNs":"x","boundNs":21,"monotonicNs":"1"}',
    '{"offsetNs":"1","boundNs":0,"monotonicNs":"1"}',
    '{"offsetNs":"1","boundNs":5}',
  ])('takes %j for what it is: no measurement', (text) => {
    expect(parseClock(text)).toBeUndefined();
  });
});
