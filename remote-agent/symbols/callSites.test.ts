import { describe, expect, it } from 'vitest';
import { ATTR } from '../../common/model/span';
import { CallSites, recordedStack } from './callSites';
import type { StackSample, SymbolizedStack } from './types';

/** As the kernel records them: a site, and for a definition 64 bytes of registers and a piece of stack. */
function field(site: bigint, stack?: number): Uint8Array {
  const bytes = new Uint8Array(stack === undefined ? 8 : 8 + 64 + 8);
  new DataView(bytes.buffer).setBigUint64(0, site, true);
  if (stack !== undefined) bytes[72] = stack;
  return bytes;
}
const sample = (site: bigint, stack?: number): StackSample => ({ pid: 7, bytes: field(site, stack) });

/** A symbolizer that gives stack n the line n. */
function solver(more: Partial<SymbolizedStack> = {}) {
  const asked: number[] = [];
  const symbolize = (samples: readonly StackSample[]): Promise<readonly SymbolizedStack[]> => {
    asked.push(...samples.map(({ bytes }) => bytes[64] ?? -1));
    return Promise.resolve(
      samples.map(({ bytes }) => ({
        frames: [{ address: '0x1', inlined: false, function: 'f', file: '/a.c', line: bytes[64] ?? 0 }],
        end: 'complete' as const,
        source: { known: true as const, frame: 0 },
        reusable: true,
        ...more,
      })),
    );
  };
  return { asked, symbolize };
}

describe('recordedStack', () => {
  it('tells references from definitions and refuses every other length', () => {
    expect(recordedStack(field(5n))).toEqual({ kind: 'reference', site: 5n });
    const definition = recordedStack(field(2n ** 64n - 1n, 9));
    expect(definition).toMatchObject({ kind: 'definition', site: 2n ** 64n - 1n });
    expect(definition.kind === 'definition' && definition.bytes.length).toBe(72);
    for (const length of [0, 1, 7, 9, 71])
      expect(recordedStack(new Uint8Array(length))).toEqual({ kind: 'malformed' });
    // A view into a larger buffer, as packets are.
    expect(recordedStack(Uint8Array.from([0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]).subarray(3))).toEqual({
      kind: 'reference',
      site: 5n,
    });
  });
});

describe('CallSites', () => {
  const lines = (answers: readonly Readonly<Record<string, unknown>>[]) =>
    answers.map((a) => a[ATTR.codeLine] ?? a[ATTR.sourceUnknown]);

  it('symbolizes a definition once and gives references its line, in one batch and later ones', async () => {
    const { asked, symbolize } = solver();
    const sites = new CallSites(symbolize);
    expect(lines(await sites.resolve([sample(1n, 10), sample(1n), sample(2n, 20), sample(1n)]))).toEqual([
      10, 10, 20, 10,
    ]);
    expect(lines(await sites.resolve([sample(2n), sample(1n)]))).toEqual([20, 10]);
    expect(asked).toEqual([10, 20]);
  });

  it('recalls what was answered, and nothing that has to be waited for', async () => {
    const sites = new CallSites(solver().symbolize);
    const asked = sites.resolve([sample(1n, 10)]);
    expect(sites.recall(field(1n))).toBeUndefined();
    await asked;
    await new Promise((resolve) => setImmediate(resolve));
    expect(sites.recall(field(1n))?.[ATTR.codeLine]).toBe(10);
    for (const other of [field(1n, 10), field(2n), new Uint8Array(9)])
      expect(sites.recall(other)).toBeUndefined();
  });

  it('has no line for a reference that comes before its definition, or without one', async () => {
    const sites = new CallSites(solver().symbolize);
    expect(lines(await sites.resolve([sample(1n), sample(1n, 10)]))).toEqual(['stack-lost', 10]);
    expect(lines(await sites.resolve([sample(3n)]))).toEqual(['stack-lost']);
  });

  it('takes the newest definition, and never remembers site 0', async () => {
    const sites = new CallSites(solver().symbolize);
    await sites.resolve([sample(1n, 10), sample(0n, 5)]);
    expect(lines(await sites.resolve([sample(1n, 11), sample(1n), sample(0n)]))).toEqual([
      11,
      11,
      'stack-lost',
    ]);
  });

  it('asks again, once, for code of which nothing was mapped yet, when the kernel could not look at the mappings', async () => {
    const { asked, symbolize } = solver();
    const early = new Set([5, 6]);
    const sites = new CallSites(
      async (samples) => {
        const stacks = await symbolize(samples);
        return stacks.map((stack, i) =>
          early.has(samples[i]?.bytes[64] ?? 0)
            ? { ...stack, end: 'unmapped-code', source: { known: false, reason: 'unmapped-code' } }
            : stack,
        );
      },
      10,
      20,
    );
    const answers = sites.resolve([sample(0n, 5), sample(1n, 6), sample(2n, 7)]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    early.clear();
    expect(lines(await answers)).toEqual([5, 'unmapped-code', 7]);
    expect(asked).toEqual([5, 6, 7, 5]);
  });

  it('keeps what belongs to one call from the others of its site', async () => {
    const sites = new CallSites(solver({ reusable: false }).symbolize);
    expect(lines(await sites.resolve([sample(1n, 10), sample(1n)]))).toEqual([10, 'stack-not-shared']);
  });

  it('forgets what was not used for longest, never what is used', async () => {
    const sites = new CallSites(solver().symbolize, 2);
    await sites.resolve([sample(1n, 10), sample(2n, 20), sample(1n), sample(3n, 30)]);
    expect(lines(await sites.resolve([sample(1n), sample(2n), sample(3n)]))).toEqual([10, 'stack-lost', 30]);
  });

  it('claims nothing more of code in files that have changed', async () => {
    const { symbolize } = solver();
    const sites = new CallSites(async (samples) =>
      (await symbolize(samples)).map((stack) => ({
        ...stack,
        frames: stack.frames.map((f) => ({ ...f, module: `/lib${String(f.line)}.so` })),
      })),
    );
    await sites.resolve([sample(1n, 10), sample(2n, 20)]);
    sites.changed(['/lib10.so', '/other.so']);
    expect(lines(await sites.resolve([sample(1n), sample(2n)]))).toEqual(['module-changed', 20]);
    expect(lines(await sites.resolve([sample(1n, 10), sample(1n)]))).toEqual([10, 10]);
  });

  it('answers what is no recorded stack as none, and leaves the others their order', async () => {
    const sites = new CallSites(solver().symbolize);
    const bad = { pid: 7, bytes: new Uint8Array(20) };
    expect(lines(await sites.resolve([bad, sample(1n, 10)]))).toEqual(['no-stack', 10]);
  });

  it('rejects as the symbolizer does, references to what it could not answer too', async () => {
    const sites = new CallSites(() => Promise.reject(new Error('broken')));
    await expect(sites.resolve([sample(1n, 10)])).rejects.toThrow('broken');
    await expect(sites.resolve([sample(1n)])).rejects.toThrow('broken');
  });
});
