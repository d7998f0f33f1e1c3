import { describe, expect, it } from 'vitest';
import { libraryLocation, linkMaps, type ReadWord } from './location';
import { mappedFiles } from './maps';

/** Memory of 64-bit words by address. */
const memory =
  (words: Readonly<Record<number, number | bigint>>): ReadWord =>
  (address) => {
    const value = words[address];
    return value === undefined ? undefined : BigInt(value);
  };

describe('link maps', () => {
  const DYNAMIC = 0x1000;
  const chain = {
    // DT_NEEDED, DT_DEBUG, DT_NULL
    [DYNAMIC]: 1,
    [DYNAMIC + 8]: 99,
    [DYNAMIC + 16]: 21,
    [DYNAMIC + 24]: 0x2000,
    [DYNAMIC + 32]: 0,
    [0x2008]: 0x3000,
    [0x3010]: 0xa000,
    [0x3018]: 0x4000,
    [0x4010]: 0xb000,
    [0x4018]: 0,
  };

  it('are found through the debugger interface, by what they describe', () => {
    expect([...linkMaps(memory(chain), DYNAMIC)]).toEqual([
      [0xa000, 0x3000],
      [0xb000, 0x4000],
    ]);
  });

  it('are none before the loader has begun, in static programs, and where memory cannot be read', () => {
    expect(linkMaps(memory({ ...chain, [DYNAMIC + 24]: 0 }), DYNAMIC).size).toBe(0);
    expect(linkMaps(memory({ [DYNAMIC]: 0 }), DYNAMIC).size).toBe(0);
    expect(linkMaps(memory({}), DYNAMIC).size).toBe(0);
    expect(linkMaps(memory({ ...chain, [0x2008]: 2n ** 63n }), DYNAMIC).size).toBe(0);
  });

  it('that lead in a circle come to an end', () => {
    expect(linkMaps(memory({ ...chain, [0x4018]: 0x3000 }), DYNAMIC).size).toBe(2);
  });
});

describe('the place of a library variable', () => {
  const LAYOUT = { module: 0x450, offset: 0x448 };
  const SYMBOL = { value: 0x10, tls: true };
  const place = (module: number, offset: number | bigint) =>
    libraryLocation(memory({ [0x5450]: module, [0x5448]: offset }), 0x5000, LAYOUT, SYMBOL);

  it('is fixed when the loader has given the block one', () => {
    expect(place(3, 0x80)).toEqual({ kind: 'static', offset: 0x10 - 0x80 });
  });

  it('is in the thread vector when it has not, or must not', () => {
    expect(place(3, 0)).toEqual({ kind: 'dtv', module: 3, offset: 0x10 });
    expect(place(3, 0xffff_ffff_ffff_ffffn)).toEqual({ kind: 'dtv', module: 3, offset: 0x10 });
  });

  it('is unknown before the module has a number, or when its numbers make no sense', () => {
    expect(place(0, 0)).toBeUndefined();
    expect(place(3, 2n ** 60n)).toBeUndefined();
    expect(libraryLocation(memory({}), 0x5000, LAYOUT, SYMBOL)).toBeUndefined();
  });
});

describe('mapped files', () => {
  it('are those whose beginning is mapped and that can be opened by name', () => {
    const maps = [
      '555555554000-555555556000 r--p 00000000 fe:01 1311 /usr/bin/a program',
      '555555556000-55555555a000 r-xp 00002000 fe:01 1311 /usr/bin/a program',
      '7ffff7a00000-7ffff7a20000 r--p 00000000 fe:01 2000                       /lib/libc.so.6',
      '7ffff7b00000-7ffff7b01000 r--p 00000000 fe:01 2001                       /tmp/gone.so (deleted)',
      '7ffff7c00000-7ffff7c01000 rw-p 00000000 00:00 0 ',
      '7ffff7fc1000-7ffff7fc5000 r--p 00000000 00:00 0                          [vvar]',
      '',
    ].join('\n');
    expect(mappedFiles(maps)).toEqual([
      { path: '/usr/bin/a program', identity: 'fe:01 1311', start: 0x555555554000 },
      { path: '/lib/libc.so.6', identity: 'fe:01 2000', start: 0x7ffff7a00000 },
    ]);
  });
});
