import { describe, expect, it } from 'vitest';
import {
  AnswerReader,
  encodeForget,
  encodeMapping,
  encodeSymbolize,
  LocationTable,
  type HelperAnswer,
} from './encoding';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function framed(message: unknown): Uint8Array {
  const text = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(text.length);
  return Buffer.concat([head, text]);
}

describe('requests', () => {
  it('a mapping: pid, start, end, pgoff, ino, path', () => {
    const bytes = encodeMapping(7, {
      start: 0x1000n,
      end: 0x2000n,
      pgoff: 0x3000n,
      ino: 9n,
      devMajor: 8,
      devMinor: 1,
      path: '/a',
    });
    expect(hex(bytes)).toBe(
      '27000000' +
        '01' +
        '07000000' +
        '0010000000000000' +
        '0020000000000000' +
        '0030000000000000' +
        '0900000000000000' +
        '2f61',
    );
  });

  it('the end of a process', () => {
    expect(hex(encodeForget(7))).toBe('05000000' + '02' + '07000000');
  });

  it('samples: batch, count, then pid, length and bytes of each', () => {
    const samples = [
      { pid: 1, bytes: new Uint8Array([0xaa]) },
      { pid: 2, bytes: new Uint8Array() },
    ];
    expect(hex(encodeSymbolize(5, samples))).toBe(
      '1a000000' + '03' + '05000000' + '02000000' + '01000000' + '01000000' + 'aa' + '02000000' + '00000000',
    );
  });

  it('cuts a sample that cannot be one', () => {
    expect(encodeSymbolize(0, [{ pid: 1, bytes: new Uint8Array(100_000) }]).length).toBe(5 + 8 + 8 + 65_536);
  });
});

describe('AnswerReader', () => {
  it.each([1, 3, 7, 1000])('puts answers together from chunks of %i bytes', (size) => {
    const messages = [{ a: 1 }, { text: 'ümläut' }, []];
    const bytes = Buffer.concat(messages.map(framed));
    const reader = new AnswerReader();
    const answers: unknown[] = [];
    for (let at = 0; at < bytes.length; at += size)
      answers.push(...reader.push(bytes.subarray(at, at + size)));
    expect(answers).toEqual(messages);
  });

  it('refuses a length that cannot be right, and text that is no JSON', () => {
    expect(() => new AnswerReader().push(new Uint8Array([255, 255, 255, 255]))).toThrow();
    expect(() => new AnswerReader().push(new Uint8Array([1, 0, 0, 0, 0x7b]))).toThrow();
  });
});

describe('LocationTable', () => {
  const answer = (
    stacks: HelperAnswer['stacks'],
    locations: HelperAnswer['locations'] = [],
  ): HelperAnswer => ({
    batch: 1,
    locations,
    stacks,
  });
  const location = {
    id: 1,
    module: '/app',
    frames: [
      { inlined: true, function: 'inner', file: '/a.c', line: 3, column: 5 },
      { inlined: false, function: 'outer', file: '/a.c', line: 9 },
    ],
  };

  it('lays inlined frames out and knows locations of earlier answers', () => {
    const table = new LocationTable();
    const first = table.resolve(answer([{ end: 'complete', frames: [['0x10', 1]], source: 0 }], [location]));
    const second = table.resolve(answer([{ end: 'complete', frames: [['0x10', 1]], source: 0 }]));
    expect(second).toEqual(first);
    expect(first[0]?.frames.map((f) => [f.address, f.function, f.inlined, f.module])).toEqual([
      ['0x10', 'inner', true, '/app'],
      ['0x10', 'outer', false, '/app'],
    ]);
  });

  it('keeps an address of which nothing is known', () => {
    const [stack] = new LocationTable().resolve(
      answer([{ end: 'unmapped-code', frames: [['0x99', 0]], unknown: 'unmapped-code' }]),
    );
    expect(stack).toEqual({
      frames: [{ address: '0x99', inlined: false }],
      end: 'unmapped-code',
      source: { known: false, reason: 'unmapped-code' },
      reusable: true,
    });
  });
});
