import { describe, expect, it } from 'vitest';
import type { SkuaErrorCode } from '../base/errors';
import { MetadataReader, readMetadata } from './metadata';
import { enumLabels, type StructType } from './types';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

const HEAD = `/* CTF 1.8 */
typealias integer { size = 8; } := uint8_t;
typealias integer { size = 16; signed = true; base = hex; } := int16_t;
typealias integer { size = 32; align = 32; } := unsigned int;
typealias integer { size = 5; align = 1; } := uint5_t;
trace { major = 1; minor = 8; byte_order = le; uuid = "CC683A8A-e65f-4342-b33d-58f07a328896"; };
`;

/** The payload type of one event whose fields are given. */
function fields(text: string, before = ''): StructType {
  const trace = readMetadata(
    bytes(
      `${HEAD}${before}stream { id = 0; };\nevent { name = "e"; id = 0; stream_id = 0; fields := struct { ${text} }; };`,
    ),
  );
  return trace.streams.get(0)?.events.get(0)?.fields as StructType;
}

function error(action: () => unknown): { code: SkuaErrorCode; line: number } {
  try {
    action();
  } catch (thrown) {
    const { code, message } = thrown as { code: SkuaErrorCode; message: string };
    return { code, line: Number(/line (\d+)/.exec(message)?.[1]) };
  }
  throw new Error('It was accepted.');
}

describe('TSDL', () => {
  it('reads trace, environment and clock', () => {
    const trace = readMetadata(
      bytes(`${HEAD}
        env { hostname = "a \\"b\\"\\n"; tracer_major = 2; negative = -5; };
        clock { name = "monotonic"; uuid = "u"; description = "d"; freq = 1000; offset_s = 7; offset = -2; };`),
    );
    expect(trace.uuid).toBe('cc683a8a-e65f-4342-b33d-58f07a328896');
    expect(Object.fromEntries(trace.env)).toEqual({ hostname: 'a "b"\n', tracer_major: 2n, negative: -5n });
    expect(trace.clocks.get('monotonic')).toEqual({
      name: 'monotonic',
      uuid: 'u',
      description: 'd',
      frequency: 1000n,
      offsetSeconds: 7n,
      offsetCycles: -2n,
    });
  });

  it('reads integers with their defaults, bases, byte orders and clocks', () => {
    const { fields: f } = fields(
      'integer { size = 64; signed = 1; byte_order = be; base = 16; align = 64; encoding = none; } _a; uint5_t b; int16_t c; unsigned int d;' +
        ' integer { size = 27; align = 1; map = clock.monotonic.value; } e; integer { size = 8; encoding = UTF8; base = octal; } f[0x10];',
    );
    expect(f.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(f[0]?.type).toEqual({
      kind: 'integer',
      size: 64,
      align: 64,
      signed: true,
      byteOrder: 'be',
      base: 16,
      encoding: 'none',
    });
    expect(f[1]?.type).toMatchObject({ size: 5, align: 1, signed: false, base: 10, byteOrder: 'native' });
    expect(f[2]?.type).toMatchObject({ size: 16, align: 8, signed: true, base: 16 });
    expect(f[3]?.type).toMatchObject({ size: 32, align: 32 });
    expect(f[4]?.type).toMatchObject({ size: 27, align: 1, clock: 'monotonic' });
    expect(f[5]?.type).toMatchObject({ kind: 'array', length: 16, element: { encoding: 'utf8', base: 8 } });
  });

  it('reads enumerations with ranges, gaps, strings and counting on', () => {
    const type = fields('enum : uint8_t { A, "b c" = 5, C, D = 10 ... 20, E, F = 1, } x;').fields[0]?.type;
    if (type?.kind !== 'enum') throw new Error('no enumeration');
    expect(type.mappings).toEqual([
      { label: 'A', from: 0n, to: 0n },
      { label: 'b c', from: 5n, to: 5n },
      { label: 'C', from: 6n, to: 6n },
      { label: 'D', from: 10n, to: 20n },
      { label: 'E', from: 21n, to: 21n },
      { label: 'F', from: 1n, to: 1n },
    ]);
    expect(enumLabels(type, 15)).toEqual(['D']);
    expect(enumLabels(type, 9n)).toEqual([]);
  });

  it('reads named and nested structures, variants, typedefs, sequences and arrays of arrays', () => {
    const f = fields(
      `uint8_t n; string s; enum tag t; struct point p; points list[2][n]; struct { } align(64) pad;
       variant choice <t> v; typedef uint8_t byte; byte last; floating_point { exp_dig = 8; mant_dig = 24; } x;
       struct inner { uint8_t q; }; struct inner i, j;`,
      `struct point { int16_t x; int16_t y; };
       typedef struct point points;
       enum tag : uint8_t { one = 1, two };
       variant choice { uint8_t one; string two; };\n`,
    );
    expect(f.fields.map(({ name }) => name).join()).toBe('n,s,t,p,list,pad,v,last,x,i,j');
    expect(f.fields[4]?.type).toMatchObject({
      kind: 'array',
      length: 2,
      element: { kind: 'sequence', length: ['n'], element: { kind: 'struct' } },
    });
    expect(f.fields[5]?.type).toEqual({ kind: 'struct', fields: [], align: 64 });
    expect(f.align).toBe(64);
    expect(f.fields[6]?.type).toMatchObject({ kind: 'variant', tag: ['t'] });
    expect(f.fields[8]?.type).toMatchObject({ kind: 'float', size: 32 });
  });

  it('keeps both names when shortening one would hide the other', () => {
    expect(fields('uint8_t _a; uint8_t a; uint8_t __b; uint8_t _;').fields.map(({ name }) => name)).toEqual([
      '_a',
      'a',
      '_b',
      '_',
    ]);
  });

  it('takes metadata in pieces cut anywhere, also in mid-token, and grows', () => {
    const text = `${HEAD}stream { id = 0; };\nevent { name = "first /* no comment */"; id = 0; };\n// event {\nevent { name = "second"; id = 1; };\n`;
    for (let size = 1; size < 40; size += 1) {
      const reader = new MetadataReader();
      for (let at = 0; at < text.length; at += size) reader.append(bytes(text.slice(at, at + size)));
      expect([...(reader.finish().streams.get(0)?.events.values() ?? [])].map(({ name }) => name)).toEqual([
        'first /* no comment */',
        'second',
      ]);
    }
  });

  it.each([true, false])('reads packets of metadata, little-endian: %s', (little) => {
    const packet = (text: string, padding: number): Uint8Array => {
      const all = new Uint8Array(37 + text.length + padding);
      const view = new DataView(all.buffer);
      view.setUint32(0, 0x75d11d57, little);
      view.setUint32(24, (37 + text.length) * 8, little);
      view.setUint32(28, all.length * 8, little);
      all[35] = 1;
      all[36] = 8;
      all.set(bytes(text), 37);
      return all;
    };
    const half = HEAD.length >> 1;
    const whole = new Uint8Array([...packet(HEAD.slice(0, half), 11), ...packet(HEAD.slice(half), 0)]);
    expect(readMetadata(whole).byteOrder).toBe('le');
    const reader = new MetadataReader();
    for (const byte of whole) reader.append(new Uint8Array([byte]));
    expect(reader.finish().byteOrder).toBe('le');
    expect(error(() => readMetadata(whole.subarray(0, whole.length - 1))).code).toBe('ctf-metadata-invalid');
  });

  it.each([
    ['an undefined type', 'foo_t x;', 'ctf-unknown-type'],
    ['an undefined structure', 'struct foo x;', 'ctf-unknown-type'],
    ['an integer of 65 bits', 'integer { size = 65; } x;', 'ctf-unknown-type'],
    ['a float of 16 bits', 'floating_point { exp_dig = 5; mant_dig = 11; } x;', 'ctf-unknown-type'],
    ['a pointer', 'uint8_t *x;', 'ctf-unknown-type'],
    ['a length that is no earlier field', 'uint8_t a[n]; uint8_t n;', 'ctf-unknown-type'],
    ['a length that is a string', 'string n; uint8_t a[n];', 'ctf-unknown-type'],
    ['a tag that is no enumeration', 'uint8_t t; variant <t> { uint8_t a; } v;', 'ctf-unknown-type'],
    ['a variant without tag', 'variant { uint8_t a; } v;', 'ctf-unknown-type'],
    ['an alignment of 3', 'integer { size = 8; align = 3; } x;', 'ctf-metadata-invalid'],
    ['an integer without size', 'integer { align = 8; } x;', 'ctf-metadata-invalid'],
    ['an unknown byte order', 'integer { size = 8; byte_order = pdp; } x;', 'ctf-metadata-invalid'],
    ['an enumeration over a string', 'enum : string { A } x;', 'ctf-metadata-invalid'],
    ['a range that ends before it begins', 'enum : uint8_t { A = 5 ... 3 } x;', 'ctf-metadata-invalid'],
    ['two fields of one name', 'uint8_t a; uint8_t a;', 'ctf-metadata-invalid'],
    ['a missing semicolon', 'uint8_t a uint8_t b;', 'ctf-unknown-type'],
  ] as const)('refuses %s, and says where', (_what, text, code) => {
    const refused = error(() => fields(`\n${text}`));
    expect(refused.code).toBe(code);
    // A reference that cannot be resolved is known only at the end of the event, which begins a line earlier.
    expect([8, 9]).toContain(refused.line);
  });

  it.each([
    ['no trace block', 'stream { id = 0; };'],
    ['another version', 'trace { major = 2; minor = 0; byte_order = le; };'],
    ['no byte order', 'trace { major = 1; minor = 8; };'],
    ['an unfinished statement', `${HEAD}stream { id = 0;`],
    ['an unclosed string', `${HEAD}env { a = "x; };\n`],
    ['an odd character', `${HEAD}env { a = $; };`],
    ['a stray brace', `${HEAD}};`],
    ['an unknown block', `${HEAD}foo { };`],
    ['an event of an unknown stream', `${HEAD}event { name = "e"; id = 0; stream_id = 3; };`],
    [
      'an event twice',
      `${HEAD}stream { id = 0; }; event { name = "a"; id = 1; }; event { name = "b"; id = 1; };`,
    ],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(error(() => readMetadata(bytes(text))).code).toBe('ctf-metadata-invalid');
  });

  it('reads event classes when they are asked for, those that are wrong too, and all of them at the end', () => {
    const reader = new MetadataReader();
    const event = (id: number, type: string): string =>
      `event { name = "e${id}"; id = ${id}; stream_id = 0; loglevel = 4; fields := struct { ${type} x; }; };\n`;
    reader.append(bytes(`${HEAD}stream { id = 0; };\n${event(1, 'uint8_t')}${event(2, 'foo_t')}`));
    const events = reader.trace.streams.get(0)?.events;
    expect([...(events?.values() ?? [])].map(({ id, name }) => [id, name])).toEqual([
      [1, 'e1'],
      [2, 'e2'],
    ]);
    expect(events?.get(1)?.fields?.fields[0]).toMatchObject({ name: 'x', type: { size: 8 } });
    expect(events?.get(1)).toMatchObject({ logLevel: 4, context: undefined });
    const unknown = { code: 'ctf-unknown-type', line: 9 };
    expect(error(() => events?.get(2)?.fields)).toEqual(unknown);
    expect(error(() => reader.finish())).toEqual(unknown);
  });

  it('refuses structures that double at each level, and nesting without end, in little time', () => {
    let doubling = 'typedef uint8_t t0;';
    for (let i = 0; i < 60; i += 1) doubling += ` typedef struct { t${i} a; t${i} b; } t${i + 1};`;
    expect(error(() => fields(`${doubling} t60 x;`)).code).toBe('ctf-metadata-invalid');
    expect(error(() => fields(`${'struct { '.repeat(100_000)} uint8_t x;`)).code).toBe(
      'ctf-metadata-invalid',
    );
  });
});
