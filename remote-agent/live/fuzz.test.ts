import { describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { memoryFile, openSavedCtf } from '../../common/ctf/folder';
import { fixture } from './testing/fixtures';

/** Mutations are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const RUNS = 2000;
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff];

/** Overwrites, flips, removes or repeats bytes. */
function mutate(original: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = original.slice();
  for (let n = random(4); n >= 0; n -= 1) {
    const at = random(bytes.length);
    switch (random(5)) {
      case 0:
        bytes[at] = INTERESTING[random(INTERESTING.length)] as number;
        break;
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << random(8));
        break;
      case 2:
        bytes.fill(random(256), at, at + random(16));
        break;
      case 3:
        bytes = bytes.slice(0, Math.max(1, at));
        break;
      default:
        bytes.copyWithin(at, random(bytes.length), random(bytes.length));
    }
  }
  return bytes;
}

interface Outcome {
  readonly items: number;
  readonly code: string;
}

/** Decodes and gives up at far more items than the original has. Anything but a SkuaError fails the test. */
function attempt(metadata: Uint8Array, streams: readonly Uint8Array[]): Outcome {
  let items = 0;
  try {
    const saved = openSavedCtf(
      metadata,
      streams.map((bytes, i) => memoryFile(`s_${i}`, bytes)),
    );
    for (const batch of saved.batches()) items += batch.length;
    return { items, code: 'decoded' };
  } catch (error) {
    if (error instanceof SkuaError) return { items, code: error.code };
    throw error;
  }
}

describe('a trace with mutated bytes', () => {
  const { metadata, streams, lines } = fixture('overwrite');
  /** An event takes 7 bytes at least (its header); a mutated one cannot make more than that allows. */
  const most = streams.reduce((sum, bytes) => sum + bytes.length, 0) / 7;

  it(`is decoded or refused, ${RUNS} times: streams`, () => {
    const random = generator(20261123);
    const codes = new Map<string, number>();
    let slowest = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const which = random(streams.length);
      const mutated = streams.map((bytes, i) => (i === which ? mutate(bytes, random) : bytes));
      const begin = performance.now();
      const { items, code } = attempt(metadata, mutated);
      slowest = Math.max(slowest, performance.now() - begin);
      expect(items).toBeLessThan(most);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect([...codes.keys()].sort()).toEqual(['ctf-packet-invalid', 'decoded']);
    expect(codes.get('ctf-packet-invalid')).toBeGreaterThan(RUNS / 10);
    expect(slowest).toBeLessThan(2000);
    expect(attempt(metadata, streams)).toEqual({ items: expect.any(Number) as number, code: 'decoded' });
    expect(attempt(metadata, streams).items).toBeGreaterThanOrEqual(lines.length);
  }, 120_000);

  it(`is decoded or refused, ${RUNS} times: metadata`, () => {
    const random = generator(42);
    const codes = new Set<string>();
    // One short stream is enough: the metadata is what is mutated.
    const short = [(streams[0] as Uint8Array).slice(0, 4096)];
    for (let run = 0; run < RUNS; run += 1) codes.add(attempt(mutate(metadata, random), short).code);
    expect([...codes].sort()).toEqual([
      'ctf-metadata-invalid',
      'ctf-packet-invalid',
      'ctf-unknown-type',
      'decoded',
    ]);
  }, 120_000);
});
