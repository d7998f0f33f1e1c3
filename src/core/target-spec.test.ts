import { describe, expect, it } from 'vitest';
import { formatTarget, parseTarget } from './target-spec';

describe('parseTarget', () => {
  it.each([
    ['sandbox', { kind: 'sandbox', name: 'default' }],
    ['sandbox:two', { kind: 'sandbox', name: 'two' }],
    ['my-host', { kind: 'ssh', host: 'my-host' }],
    ['ssh://me@10.0.0.1:2222', { kind: 'ssh', host: '10.0.0.1', port: 2222, user: 'me' }],
    ['me@host', { kind: 'ssh', host: 'host', user: 'me' }],
    ['me@host:2222', { kind: 'ssh', host: 'host', port: 2222, user: 'me' }],
    ['ssh:me@host:2222', { kind: 'ssh', host: 'host', port: 2222, user: 'me' }],
    ['ssh:my-host', { kind: 'ssh', host: 'my-host' }],
    ['ssh://[fe80::1]:22', { kind: 'ssh', host: 'fe80::1', port: 22 }],
  ])('%s', (text, target) => {
    expect(parseTarget(text)).toEqual(target);
    expect(parseTarget(formatTarget(parseTarget(text)))).toEqual(target);
  });

  it('takes an object', () =>
    expect(parseTarget({ host: 'h', identityFile: '/k' })).toEqual({
      kind: 'ssh',
      host: 'h',
      identityFile: '/k',
    }));

  it.each([
    '',
    '-oProxyCommand=x',
    'ssh://a b',
    'ssh:',
    'me@',
    'ssh://h:99999',
    'sandbox:Ä',
    null,
    4,
    {},
    { host: 'h', pass: 'x' },
    { host: '-x' },
  ])('refuses %j', (value) => expect(() => parseTarget(value)).toThrow(/names no target/));
});
