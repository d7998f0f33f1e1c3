import { describe, expect, it } from 'vitest';
import { SkuaError } from '../base/errors';
import { readBits } from './bits';
import { memoryFile, openSavedCtf } from './folder';
import { Muxer, type MuxSource } from './muxer';
import { clockOffsetNs, StreamState } from './state';
import { StringTable } from './strings';
import { BitWriter } from './testing/bit-writer';
import type { CtfEvent, CtfItem } from './types';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

function metadata(order: 'le' | 'be', fields: string, extra = ''): Uint8Array {
  return bytes(`
    typealias integer { size = 8; } := u8;
    typealias integer { size = 32; } := u32;
    trace { major = 1; minor = 8; byte_order = ${order}; };
    ${extra}
    stream { id = 0; };
    event { name = "e"; id = 0; fields := struct { ${fields} }; };`);
}

function decode(meta: Uint8Array, ...streams: Uint8Array[]): CtfItem[] {
  return [
    ...openSavedCtf(
      meta,
      streams.map((s, i) => memoryFile(`s_${i}`, s)),
    ).batches(),
  ].flat();
}

function fieldsOf(order: 'le' | 'be', text: string, write: (writer: BitWriter) => void, extra = ''): unknown {
  const writer = new BitWriter(order === 'le');
  write(writer);
  const [event] = decode(metadata(order, text, extra), writer.finish());
  return (event as CtfEvent | undefined)?.fields;
}

function code(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SkuaError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe.each(['le', 'be'] as const)('generated decoders, byte order %s', (order) => {
  it('read every size from 1 to 64 bits at every bit of a byte, signed and unsigned', () => {
    for (let size = 1; size <= 64; size += 1) {
      for (let shift = 0; shift < 8; shift += 1) {
        const value = BigInt.asUintN(size, 0xf1e2_d3c4_b5a6_9788n >> BigInt(shift));
        const prefix = shift === 0 ? '' : `integer { size = ${shift}; align = 1; } p;`;
        const int = (name: string, signed: number): string =>
          `integer { size = ${size}; align = 1; signed = ${signed}; } ${name};`;
        const read = fieldsOf(order, `${prefix} ${int('a', 0)} ${int('b', 1)} u8 end;`, (w) => {
          if (shift > 0) w.int(1, shift, 1);
          w.int(value, size, 1).int(value, size, 1).int(0x5a, 8);
        });
        const signed = BigInt.asIntN(size, value);
        expect(read).toEqual({
          ...(shift === 0 ? {} : { p: 1 }),
          a: size <= 32 ? Number(value) : value,
          b: size <= 32 ? Number(signed) : signed,
          end: 0x5a,
        });
      }
    }
  });

  it('keep alignment: of numbers, structures, empty structures and sequences', () => {
    const read = fieldsOf(
      order,
      `u8 a; integer { size = 32; align = 32; } b; u8 c; struct { } align(64) pad; u8 n;
       integer { size = 16; align = 16; } list[n]; struct { u8 x; integer { size = 64; align = 64; } y; } s[2]; u8 end;`,
      (w) => {
        w.int(1, 8).int(2, 32, 32).int(3, 8).align(64).int(2, 8).int(500, 16, 16).int(501, 16, 16);
        for (const [x, y] of [[7, 8n] as const, [9, 10n] as const]) w.align(64).int(x, 8).int(y, 64, 64);
        w.int(0x5a, 8);
      },
    );
    expect(read).toEqual({
      a: 1,
      b: 2,
      c: 3,
      pad: {},
      n: 2,
      list: [500, 501],
      s: [
        { x: 7, y: 8n },
        { x: 9, y: 10n },
      ],
      end: 0x5a,
    });
  });

  it('read texts, bytes, floats, and sequences that end within a byte', () => {
    const write = (w: BitWriter): void => {
      w.text('héllo'.normalize('NFD').replace(/[^\x20-\x7e]/g, '')).text('');
      for (const byte of [...bytes('abc'), 0, 0x78, 0x79]) w.int(byte, 8);
      w.int(3, 8).int(1, 8).int(2, 8).int(255, 8);
      w.int(2, 8)
        .int(5, 3, 1)
        .int(6, 3, 1)
        .int(1, 1, 1)
        .int(0x40490fdb, 32)
        .int(0x3ff8_0000_0000_0000n, 64)
        .int(0x5a, 8);
    };
    const read = fieldsOf(
      order,
      `string s; string t; integer { size = 8; encoding = UTF8; } fixed[6]; u8 n; u8 raw[n];
       u8 m; integer { size = 3; align = 1; } bits[m]; integer { size = 1; align = 1; } flag;
       floating_point { exp_dig = 8; mant_dig = 24; } f; floating_point { exp_dig = 11; mant_dig = 53; } d; u8 end;`,
      write,
    );
    expect(read).toEqual({
      s: 'hello',
      t: '',
      fixed: 'abc',
      n: 3,
      raw: Uint8Array.of(1, 2, 255),
      m: 2,
      bits: [5, 6],
      flag: 1,
      f: Math.fround(Math.PI),
      d: 1.5,
      end: 0x5a,
    });
  });

  it('choose variants by the tag, with ranges, 64-bit tags and options that end within a byte', () => {
    const text = `enum : integer { size = 64; signed = 1; } { few = -5 ... 2, many = 3 } tag;
      variant <tag> { struct { integer { size = 5; align = 1; } five; } _few; string many; } v; u8 end;`;
    expect(fieldsOf(order, text, (w) => w.int(-5n, 64).int(17, 5, 1).int(0x5a, 8))).toEqual({
      tag: -5n,
      v: { five: 17 },
      end: 0x5a,
    });
    expect(fieldsOf(order, text, (w) => w.int(3n, 64).text('x').int(0x5a, 8))).toEqual({
      tag: 3n,
      v: 'x',
      end: 0x5a,
    });
    expect(code(() => fieldsOf(order, text, (w) => w.int(9n, 64).text('x')))).toBe('ctf-packet-invalid');
  });

  it('read nested sequences whose lengths are elsewhere', () => {
    const text = 'struct { u8 n; } head; u8 m; u8 grid[head.n][m]; u8 end;';
    const write = (w: BitWriter): void => {
      for (const value of [2, 3, 1, 2, 3, 4, 5, 6, 0x5a]) w.int(value, 8);
    };
    expect(fieldsOf(order, text, write)).toEqual({
      head: { n: 2 },
      m: 3,
      grid: [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)],
      end: 0x5a,
    });
  });
});

describe('hostile packets', () => {
  it.each([
    ['a byte sequence longer than the packet', 'u32 n; u8 a[n];', (w: BitWriter) => w.int(0xffff_ffff, 32)],
    [
      'a sequence of structures longer than the packet',
      'u32 n; struct { u8 x; } a[n];',
      (w: BitWriter) => w.int(0x7fff_ffff, 32),
    ],
    [
      'a sequence of nothing, four billion times',
      'u32 n; struct { } a[n];',
      (w: BitWriter) => w.int(0xffff_ffff, 32),
    ],
    ['a negative length', 'integer { size = 8; signed = 1; } n; u8 a[n];', (w: BitWriter) => w.int(-1, 8)],
    ['a fixed array longer than the packet', 'u8 a[4000000000];', (w: BitWriter) => w.int(1, 8)],
    ['a text without end', 'string s;', (w: BitWriter) => w.int(0x41, 8)],
    ['a number cut in two', 'u32 a;', (w: BitWriter) => w.int(1, 8)],
    ['an event without size', '', (w: BitWriter) => w.int(1, 8)],
  ])('%s is refused at once', (_what, text, write) => {
    const writer = new BitWriter(true);
    write(writer);
    expect(code(() => decode(metadata('le', text), writer.finish()))).toBe('ctf-packet-invalid');
  });

  it('keeps what was decoded before, and the other streams', () => {
    const good = new BitWriter(true).int(7, 8).int(8, 8).finish();
    const bad = new BitWriter(true).int(9, 8).int(200, 8).finish();
    const meta = metadata('le', 'variant <stream.event.context.t> { u8 a; u8 b; } v;').slice();
    expect(code(() => decode(meta, good))).toBe('ctf-unknown-type');
    const items: CtfItem[] = [];
    const text = 'enum : u8 { a = 0 ... 100 } t; variant <t> { struct { } a; } v;';
    const run = (): void => {
      for (const batch of openSavedCtf(metadata('le', text), [
        memoryFile('bad', bad),
        memoryFile('good', good),
      ]).batches()) {
        items.push(...batch);
      }
    };
    expect(code(run)).toBe('ctf-packet-invalid');
    expect(items.map((item) => (item.kind === 'event' ? item.fields['t'] : item.kind)).sort()).toEqual([
      7, 8, 9,
    ]);
  });

  it.each([
    ['beyond the file', 1_000_000, 100],
    ['zero', 0, 0],
    ['less than its own header', 8, 8],
    ['content beyond the packet', 80, 88],
    ['half a byte', 81, 81],
  ])('a packet whose size is %s is refused', (_what, packet, content) => {
    const meta =
      bytes(`typealias integer { size = 32; } := u32; trace { major = 1; minor = 8; byte_order = le; };
      stream { packet.context := struct { u32 packet_size; u32 content_size; }; };
      event { name = "e"; fields := struct { integer { size = 8; } a; }; };`);
    const stream = new BitWriter(true).int(packet, 32).int(content, 32).int(1, 8).int(2, 8).finish();
    expect(code(() => decode(meta, stream))).toBe('ctf-packet-invalid');
  });

  it('a packet of another trace, of no known stream, or without the magic number is refused', () => {
    const meta = bytes(`typealias integer { size = 32; } := u32;
      trace { major = 1; minor = 8; byte_order = le; uuid = "00000000-0000-0000-0000-0000000000ff";
        packet.header := struct { u32 magic; integer { size = 8; } uuid[16]; u32 stream_id; }; };
      stream { id = 0; }; event { name = "e"; fields := struct { integer { size = 8; } a; }; };`);
    const stream = (magic: number, last: number, id: number): Uint8Array => {
      const w = new BitWriter(true).int(magic, 32);
      for (let i = 0; i < 15; i += 1) w.int(0, 8);
      return w.int(last, 8).int(id, 32).int(7, 8).finish();
    };
    expect(decode(meta, stream(0xc1fc1fc1, 0xff, 0))).toHaveLength(1);
    for (const bad of [
      stream(0xc1fc1fc2, 0xff, 0),
      stream(0xc1fc1fc1, 0xfe, 0),
      stream(0xc1fc1fc1, 0xff, 1),
    ]) {
      expect(code(() => decode(meta, bad))).toBe('ctf-packet-invalid');
    }
  });
});

describe('loss', () => {
  const meta = bytes(`typealias integer { size = 32; } := u32;
    trace { major = 1; minor = 8; byte_order = le; };
    clock { name = c; };
    stream { packet.context := struct { integer { size = 32; map = clock.c.value; } timestamp_begin; u32 timestamp_end;
      u32 packet_size; u32 content_size; u32 packet_seq_num; u32 events_discarded; u32 cpu_id; }; };
    event { name = "e"; fields := struct { integer { size = 8; } a; }; };`);

  /** Packets of one event each: [sequence number, discarded events so far], each lasting 5 ns every 10 ns. */
  const loss = (...packets: readonly (readonly [number, number])[]): unknown[] => {
    const all = packets.map(([sequence, discarded], i) =>
      [i * 10, i * 10 + 5, 29 * 8, 29 * 8, sequence, discarded, 3]
        .reduce((w, v) => w.int(v, 32), new BitWriter(true))
        .int(i, 8),
    );
    const stream = all.flatMap((writer) => [...writer.finish()]);
    return decode(meta, Uint8Array.from(stream)).flatMap((item) => {
      if (item.kind === 'event') return [];
      const exact = item.kind === 'lost' && !item.exact ? '?' : '';
      return [`${item.kind} ${item.count}${exact} ${item.beginNs}-${item.endNs} cpu ${item.cpu}`];
    });
  };

  it('is the growth of the counter, in the time since the packet before', () => {
    expect(loss([0, 0], [1, 7], [2, 7], [3, 8])).toEqual(['lost 7 5-15 cpu 3', 'lost 1 25-35 cpu 3']);
    expect(loss([0, 4], [1, 4])).toEqual(['lost 4 0-5 cpu 3']);
  });

  it('is uncertain when the stream does not begin with its first packet', () => {
    expect(loss([8, 4], [9, 5])).toEqual(['lost 4? 0-5 cpu 3', 'lost 1 5-15 cpu 3']);
  });

  it('is counted once when an interrupted packet was closed with the later counter', () => {
    expect(loss([0, 150], [1, 100], [2, 160])).toEqual(['lost 150 0-5 cpu 3', 'lost 10 15-25 cpu 3']);
  });

  it('survives the wrap of a 32-bit counter', () => {
    expect(loss([0, 0], [1, 0x7fff_ffff], [2, 0xffff_fff0], [3, 4]).at(-1)).toBe('lost 20 25-35 cpu 3');
  });

  it('is whole packets at a gap in their numbers', () => {
    expect(loss([0, 0], [4, 0])).toEqual(['lost-packets 3 5-10 cpu 3']);
    expect(code(() => loss([5, 0], [3, 0]))).toBe('ctf-packet-invalid');
  });
});

describe('clock', () => {
  const clock = {
    name: 'c',
    frequency: 1_000_000_000n,
    offsetSeconds: 0n,
    offsetCycles: 1_795_422_819_532_265_675n,
  };

  it('follows partial timestamps across wraps of 27, 32 and 40 bits', () => {
    const state = new StreamState(new StringTable(), clock);
    let now = 0xff_f800_0000n;
    state.setClockCycles(now);
    const steps: readonly (readonly [bigint, number])[] = [
      [5n, 27],
      [2n ** 27n - 1n, 27],
      [100n, 32],
      [2n ** 32n - 1n, 32],
      [2n ** 33n, 40],
      [2n ** 40n - 7n, 40],
      [1n, 27],
    ];
    for (const [step, size] of steps) {
      now += step;
      const part = BigInt.asUintN(size, now);
      if (size <= 32) state.advanceClock(Number(part), 2 ** size);
      else state.advanceClockWide(part, size);
      expect(state.nowNs()).toBe(clock.offsetCycles + now);
    }
  });

  it('converts other frequencies as babeltrace2 does: the offset in whole seconds first', () => {
    const slow = { name: 'c', frequency: 1000n, offsetSeconds: 7n, offsetCycles: 2500n };
    expect(clockOffsetNs(slow)).toBe(9_500_000_000n);
    const state = new StreamState(new StringTable(), slow);
    state.setClockCycles(3n);
    expect(state.nowNs()).toBe(9_503_000_000n);
    const tsc = new StreamState(new StringTable(), { ...slow, frequency: 2_400_000_000n });
    expect(tsc.toNs(7n)).toBe(clockOffsetNs({ ...slow, frequency: 2_400_000_000n }) + 2n);
  });
});

describe('readBits', () => {
  it('refuses to read beyond the end', () => {
    expect(() => readBits(new DataView(new ArrayBuffer(2)), 10, 7, false, true)).toThrow(RangeError);
  });
});

describe('StringTable', () => {
  it('returns equal strings for equal bytes, whatever was there before', () => {
    const table = new StringTable();
    const words = Array.from(
      { length: 20_000 },
      (_none, i) => `/proc/${i % 9000}/status${'x'.repeat(i % 7)}`,
    );
    for (const word of [...words, 'é', '', 'y'.repeat(10_000)]) {
      const encoded = new TextEncoder().encode(`${word}\0`);
      expect(table.terminated(encoded, 0, encoded.length)).toBe(word);
      expect(table.end).toBe(encoded.length);
    }
  });
});

describe('Muxer', () => {
  const item = (ns: number): CtfItem =>
    ({ kind: 'lost-packets', count: 1, beginNs: BigInt(ns), endNs: 0n, cpu: 0 }) as unknown as CtfItem;

  class Source implements MuxSource {
    ended = false;
    progressNs: bigint | undefined;
    readonly waiting: number[] = [];
    fill(out: CtfItem[]): boolean {
      const items = this.waiting.splice(0, 3);
      out.push(...items.map(item));
      return items.length > 0;
    }
  }

  const read = (muxer: Muxer, limit = 1000): number[] => {
    const out: CtfItem[] = [];
    muxer.read(out, limit);
    return out.map((i) => Number((i as { beginNs: bigint }).beginNs));
  };

  it('merges many streams in order, whatever the limit', () => {
    for (const limit of [1, 2, 7, 1000]) {
      const muxer = new Muxer();
      const all: number[] = [];
      for (let s = 0; s < 9; s += 1) {
        const source = new Source();
        for (let i = 0; i < 50; i += 1) source.waiting.push(i * 9 + ((s * 5) % 9));
        all.push(...source.waiting);
        source.ended = true;
        muxer.add(source);
      }
      const got: number[] = [];
      for (let part = read(muxer, limit); part.length > 0; part = read(muxer, limit)) got.push(...part);
      expect(got).toEqual(all.sort((a, b) => a - b));
      expect(muxer.done).toBe(true);
    }
  });

  it('waits for a silent stream, goes on to its progress, and past it once it ends', () => {
    const muxer = new Muxer();
    const [fast, silent] = [new Source(), new Source()];
    muxer.add(fast);
    muxer.add(silent);
    fast.waiting.push(1, 5, 9, 12);
    expect(read(muxer)).toEqual([]);
    silent.progressNs = 5n;
    expect(read(muxer)).toEqual([1, 5]);
    silent.waiting.push(7);
    fast.progressNs = 12n;
    expect(read(muxer)).toEqual([7]);
    silent.progressNs = 9n;
    expect(read(muxer)).toEqual([9]);
    silent.ended = true;
    expect(read(muxer)).toEqual([12]);
    expect(muxer.done).toBe(false);
    fast.ended = true;
    expect(muxer.done).toBe(true);
  });
});
