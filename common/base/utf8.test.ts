import { expect, it } from 'vitest';
import { decodeUtf8 } from './utf8';

const decode = (...bytes: number[]): string => decodeUtf8(Uint8Array.from(bytes), 0, bytes.length);

it('decodes one to four bytes', () => {
  expect(decode(0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x90, 0xa6)).toBe('aé€🐦');
});

// Expected values are those of the WHATWG standard's own decoder.
it.each([
  ['a lone continuation byte', [0x80], '\ufffd'],
  ['an overlong slash', [0xc0, 0xaf], '\ufffd\ufffd'],
  ['a surrogate', [0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
  ['a code beyond Unicode', [0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
  ['a sequence cut short by a letter', [0xe2, 0x82, 0x61], '\ufffda'],
  ['a sequence cut short by the end', [0xf0, 0x9f, 0x90], '\ufffd'],
])('replaces %s', (_what, bytes, text) => {
  expect(decode(...bytes)).toBe(text);
});

it('decodes long texts', () => {
  const bytes = new Uint8Array(100_000).fill(0x78);
  expect(decodeUtf8(bytes, 0, bytes.length)).toBe('x'.repeat(100_000));
});
