import { describe, expect, it } from 'vitest';
import { NO_LOSS, type LossReport } from '../model/loss';
import { balanceText, causesIn, LOSS_CAUSES, lossCount, missingText } from './loss';

const FACTS: readonly (keyof LossReport)[] = ['eventsOffered', 'eventsDecoded', 'issued', 'ownSyscalls'];

describe('the list of causes', () => {
  it('has every count of a report but the facts, once, with something to do about it', () => {
    const keys = LOSS_CAUSES.map(({ key }) => key);
    expect([...keys, ...FACTS].sort()).toEqual(Object.keys(NO_LOSS).sort());
    for (const cause of LOSS_CAUSES) expect(cause.remedy).toMatch(/\.$/);
  });

  it('is shown in the order of the way from kernel to screen', () => {
    const loss = { ...NO_LOSS, store: 1, ringBuffer: 1200, eventsDecoded: 9 };
    expect(causesIn(loss).map((cause) => `${lossCount(loss, cause)} ${cause.key}`)).toEqual([
      '1,200 events ringBuffer',
      '1 span store',
    ]);
  });
});

describe('missingText', () => {
  it('sums by unit, and leaves out what is only incomplete or counted twice', () => {
    expect(missingText(NO_LOSS)).toBe('');
    expect(missingText({ ...NO_LOSS, exitLost: 5, packetsMissing: 2, export: 1 })).toBe('');
    expect(missingText({ ...NO_LOSS, ringBuffer: 1200, stream: 1, entryLost: 1, ssh: 2, store: 1 })).toBe(
      '1,201 events, 1 system call, 3 spans',
    );
  });
});

describe('balanceText', () => {
  it('says how many of the calls made were delivered, once the kernel has told', () => {
    expect(balanceText(NO_LOSS)).toBeUndefined();
    expect(
      balanceText({ ...NO_LOSS, issued: 2000, entryLost: 100, bothLost: 200, ssh: 3, unexplained: 1 }),
    ).toBe('2,000 system calls made inside spans, 1,696 delivered');
  });
});
