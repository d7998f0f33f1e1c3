import { utils } from 'ssh2';
import { expect, it } from 'vitest';
import { newKeyPair } from './new-key';

// So many, because ssh2 itself makes one in 256 that cannot be read.
it('makes keys that can be read, each of them', () => {
  for (let i = 0; i < 2000; i++) {
    const pair = newKeyPair();
    expect(utils.parseKey(pair.private)).not.toBeInstanceOf(Error);
    expect(utils.parseKey(pair.public)).not.toBeInstanceOf(Error);
  }
});

it('encrypts with a passphrase', () => {
  const pair = newKeyPair({ passphrase: 'open sesame' });
  expect(utils.parseKey(pair.private)).toBeInstanceOf(Error);
  expect(utils.parseKey(pair.private, 'open sesame')).not.toBeInstanceOf(Error);
});
