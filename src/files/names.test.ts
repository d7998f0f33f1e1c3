import { describe, expect, it } from 'vitest';
import { automaticName, fileName, surplus, titleOf } from './names';

describe('names of recorded traces', () => {
  const at = new Date(2026, 0, 3, 4, 5, 6);

  it('sorts by age and gives the title back', () => {
    const name = automaticName('Run "my/app": 1', at);
    expect(name).toBe('2026-01-03 04.05.06 Run my app 1.skua');
    expect(titleOf(name)).toBe('Run my app 1');
    expect(automaticName('x', new Date(2026, 10, 3)) > automaticName('a', new Date(2026, 8, 30))).toBe(true);
  });

  it.each([
    ['..', ''],
    ['../../etc/passwd', 'etc passwd'],
    ['  a\n\tb  ', 'a b'],
    ['x'.repeat(200), 'x'.repeat(80)],
  ])('makes %j a file name', (title, expected) => expect(fileName(title)).toBe(expected));

  it('has a name for a title of nothing', () =>
    expect(automaticName('///', at)).toBe('2026-01-03 04.05.06 trace.skua'));

  it('deletes the oldest automatic ones only', () => {
    const automatic = [3, 1, 2].map((day) => automaticName('a', new Date(2026, 0, day)));
    expect(surplus(['kept.skua', ...automatic], 2)).toEqual([automatic[1]]);
    expect(surplus(['kept.skua', ...automatic], 3)).toEqual([]);
    expect(surplus(['kept.skua'], 0)).toEqual([]);
  });
});
