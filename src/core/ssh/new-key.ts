import { utils } from 'ssh2';

interface NewKeyOptions {
  readonly comment?: string;
  /** Encrypts the private key. */
  readonly passphrase?: string;
}

/**
 * Returns a new Ed25519 key pair in OpenSSH's formats.
 *
 * ssh2 1.17 takes leading zero bytes off the public key, so that one pair in 256 can be read by nobody: such a pair is thrown away.
 */
export function newKeyPair({ comment = '', passphrase }: NewKeyOptions = {}): utils.KeyPairReturn {
  for (;;) {
    const pair =
      passphrase === undefined
        ? utils.generateKeyPairSync('ed25519', { comment })
        : utils.generateKeyPairSync('ed25519', { comment, passphrase, cipher: 'aes256-cbc', rounds: 4 });
    if (!(utils.parseKey(pair.private, passphrase) instanceof Error)) return pair;
  }
}
