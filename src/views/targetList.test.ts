import { describe, expect, it } from 'vitest';
import { hostAliases, settingsTargets } from './targetList';

describe('hostAliases', () => {
  it('lists names, not patterns, once each', () =>
    expect(
      hostAliases(
        'Host alpha beta *.example !no\n  HostName 10.0.0.1\nHOST=gamma\nHost *\n  User me\nMatch host x\n  User y\nHost alpha\n',
      ),
    ).toEqual(['alpha', 'beta', 'gamma']));

  it('finds none in an empty file', () => expect(hostAliases('# nothing\n')).toEqual([]));
});

describe('settingsTargets', () => {
  it('keeps what is valid and counts the rest', () =>
    expect(settingsTargets([{ host: 'a', port: 22 }, { host: '' }, 'b', 7])).toEqual({
      targets: [
        { kind: 'ssh', host: 'a', port: 22 },
        { kind: 'ssh', host: 'b' },
      ],
      invalid: 2,
    }));

  it('takes anything but a list as none', () =>
    expect(settingsTargets({})).toEqual({ targets: [], invalid: 0 }));
});
