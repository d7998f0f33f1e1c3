import { describe, expect, it } from 'vitest';
import { SkuaError } from '../base/errors';
import { memoryFile, openSavedCtf } from './folder';
import { parseJson } from './json-integers';
import { MetadataReader, readMetadata } from './metadata';
import { BitWriter } from './testing/bit-writer';
import { enumLabels, type CtfEvent, type CtfItem } from './types';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Numbers beyond 2^53 are written as `"@123"` and come out as JSON integers. */
const sequence = (...fragments: object[]): string =>
  fragments.map((f) => `\u001e${JSON.stringify(f, null, 2).replace(/"@(-?\d+)"/g, '$1')}`).join('');

const int = (length: number, more: object = {}, type = 'unsigned'): object => ({
  type: `fixed-length-${type}-integer`,
  length,
  alignment: length % 8 === 0 ? 8 : 1,
  'byte-order': 'little-endian',
  ...more,
});
const struct = (members: Record<string, object | string>, more: object = {}): object => ({
  type: 'structure',
  'member-classes': Object.entries(members).map(([name, fc]) => ({ name, 'field-class': fc })),
  ...more,
});
const at = (origin: string, ...path: string[]): object => ({ origin, path });
const role = (...roles: string[]): object => ({ roles });

const UUID = '2a6422d0-6cee-11e0-8c08-cb07d7b3a564';
const UUID_BYTES = UUID.replaceAll('-', '')
  .match(/../g)
  ?.map((hex) => Number.parseInt(hex, 16)) as number[];

/** The head of a trace as LTTng 2.15 writes it: packet header, clock, packet context, compact and extended event headers. */
const HEAD = [
  { type: 'preamble', version: 2, uuid: UUID_BYTES },
  {
    type: 'trace-class',
    namespace: 'lttng.org,2009',
    name: '',
    uid: UUID,
    environment: { hostname: 'h', tracer_major: 2 },
    'packet-header-field-class': struct({
      magic: int(32, role('packet-magic-number')),
      id: { type: 'static-length-blob', length: 16, ...role('metadata-stream-uuid') },
      class: int(32, role('data-stream-class-id')),
      instance: int(64, role('data-stream-id')),
    }),
  },
  {
    type: 'clock-class',
    id: 'monotonic',
    name: 'monotonic',
    description: 'Monotonic Clock',
    frequency: 1_000_000_000,
    origin: 'unix-epoch',
    // Nanoseconds since 1970 do not fit a double.
    'offset-from-origin': { seconds: 0, cycles: '@1700000000123456789' },
  },
  {
    type: 'data-stream-class',
    id: 0,
    'default-clock-class-id': 'monotonic',
    'packet-context-field-class': struct({
      begin: int(64, role('default-clock-timestamp')),
      end: int(64, role('packet-end-default-clock-timestamp')),
      content: int(64, role('packet-content-length')),
      total: int(64, role('packet-total-length')),
      sequence: int(64, role('packet-sequence-number')),
      discarded: int(64, role('discarded-event-record-counter-snapshot')),
      cpu_id: int(32),
    }),
    'event-record-header-field-class': struct(
      {
        number: int(5, {
          ...role('event-record-class-id'),
          mappings: { compact: [[0, 30]], extended: [[31, 31]] },
        }),
        v: {
          type: 'variant',
          'selector-field-location': at('event-record-header', 'number'),
          options: [
            {
              name: 'compact',
              'selector-field-ranges': [[0, 30]],
              'field-class': struct({ timestamp: int(27, role('default-clock-timestamp')) }),
            },
            {
              name: 'extended',
              'selector-field-ranges': [[31, 31]],
              'field-class': struct({
                number: int(32, role('event-record-class-id')),
                timestamp: int(64, role('default-clock-timestamp')),
              }),
            },
          ],
        },
      },
      { 'minimum-alignment': 8 },
    ),
    'event-record-common-context-field-class': struct({ tid: int(32, {}, 'signed'), length: int(8) }),
  },
];

const event = (
  id: number,
  name: string,
  payload: Record<string, object | string>,
  more: object = {},
): object => ({
  type: 'event-record-class',
  'data-stream-class-id': 0,
  id,
  name,
  'payload-field-class': struct(payload),
  ...more,
});

interface Packet {
  readonly sequence: number;
  readonly discarded: number;
  readonly begin: bigint;
  readonly end: bigint;
}

/** One packet of the stream above. `write` writes its events. */
function packet(options: Partial<Packet>, write: (w: BitWriter) => void): Uint8Array {
  const { sequence: number = 0, discarded = 0, begin = 1000n, end = 1n << 32n } = options;
  const build = (bits: number): BitWriter => {
    const w = new BitWriter(true).int(0xc1fc1fc1, 32);
    for (const byte of UUID_BYTES) w.int(byte, 8);
    w.int(0, 32).int(5, 64);
    for (const value of [begin, end, bits, Math.ceil(bits / 64) * 64, number, discarded]) w.int(value, 64);
    w.int(3, 32);
    write(w);
    return w;
  };
  const w = build(build(0).bits.length);
  return w.align(64).finish();
}

const compact = (w: BitWriter, id: number, timestamp: number): BitWriter =>
  w.align(8).int(id, 5).int(timestamp, 27);
const extended = (w: BitWriter, id: number, timestamp: bigint): BitWriter =>
  w.align(8).int(31, 5).int(id, 32).int(timestamp, 64);

function decode(metadata: string, ...packets: Uint8Array[]): CtfItem[] {
  const files = packets.map((bytes, i) => memoryFile(`stream_${i}`, bytes));
  return [...openSavedCtf(encode(metadata), files).batches()].flat();
}

function failure(action: () => unknown): { readonly code: string; readonly message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof SkuaError) return error;
    throw error;
  }
  return { code: 'accepted', message: '' };
}

describe('CTF 2', () => {
  it('reads what LTTng writes: headers by role, 64-bit offsets, contexts, every field class', () => {
    const metadata = sequence(
      ...HEAD,
      { type: 'field-class-alias', name: 'u16', 'field-class': int(16) },
      event(
        7,
        'all',
        {
          big: { ...int(16), 'byte-order': 'big-endian' },
          signed: int(64, {}, 'signed'),
          state: int(8, {
            mappings: {
              off: [[0, 0]],
              on: [[1, 1]],
              many: [
                [2, '@255'],
                [0, 0],
              ],
            },
          }),
          ratio: { ...int(64), type: 'fixed-length-floating-point-number' },
          text: { type: 'null-terminated-string' },
          name: { type: 'static-length-string', length: 8 },
          path: {
            type: 'dynamic-length-string',
            'length-field-location': at('event-record-common-context', 'length'),
          },
          raw: { type: 'static-length-blob', length: 3 },
          n: int(8),
          bytes: { type: 'dynamic-length-blob', 'length-field-location': at('event-record-payload', 'n') },
          pair: { type: 'static-length-array', length: 2, 'element-field-class': 'u16' },
          list: {
            type: 'dynamic-length-array',
            'minimum-alignment': 32,
            'length-field-location': { path: ['n'] },
            'element-field-class': struct({ a: int(3), b: int(5) }),
          },
          flag: { ...int(8), type: 'fixed-length-boolean' },
          bits: { ...int(12), type: 'fixed-length-bit-array' },
          choice: {
            type: 'variant',
            'selector-field-location': at('event-record-payload', 'n'),
            options: [
              { name: 'none', 'selector-field-ranges': [[0, 0]], 'field-class': struct({}) },
              {
                name: 'few',
                'selector-field-ranges': [
                  [1, 1],
                  [2, 3],
                ],
                'field-class': struct({ inner: int(8) }),
              },
            ],
          },
        },
        { attributes: { 'lttng.org,2009': { 'log-level': 'debug:system' } } },
      ),
      event(300, 'sparse', { x: int(8) }),
    );
    const bytes = packet({ begin: 5000n }, (w) => {
      compact(w, 7, 6000).int(-9, 32).int(4, 8);
      // The payload is as aligned as its most aligned member.
      w.align(32).int(0x12, 8).int(0x34, 8).int(-5n, 64).int(1, 8);
      const ratio = new DataView(new ArrayBuffer(8));
      ratio.setFloat64(0, 2.5, true);
      w.int(ratio.getBigUint64(0, true), 64).text('grüße');
      for (const char of 'abc\0\0\0\0\0/tmp') w.int(char.charCodeAt(0), 8);
      w.int(1, 8).int(2, 8).int(3, 8).int(2, 8).int(0xaa, 8).int(0xbb, 8).int(1, 16).int(2, 16);
      w.align(32).int(1, 3).int(2, 5).int(3, 3).int(4, 5).int(1, 8).int(0xabc, 12, 1).int(77, 8);
      extended(w, 300, (1n << 40n) + 1n)
        .int(1, 32)
        .int(0, 8)
        .int(5, 8);
    });
    const items = decode(metadata, bytes);
    expect(items).toHaveLength(2);
    const [first, second] = items as CtfEvent[];
    expect(first).toMatchObject({ name: 'all', id: 7, cpu: 3, context: { tid: -9, length: 4 } });
    expect(first?.timestampNs).toBe(1_700_000_000_123_456_789n + 6000n);
    expect(first?.eventClass.logLevel).toBe(7);
    expect(first?.fields).toEqual({
      big: 0x1234,
      signed: -5n,
      state: 1,
      ratio: 2.5,
      text: 'grüße',
      name: 'abc',
      path: '/tmp',
      raw: Uint8Array.of(1, 2, 3),
      n: 2,
      bytes: Uint8Array.of(0xaa, 0xbb),
      pair: [1, 2],
      list: [
        { a: 1, b: 2 },
        { a: 3, b: 4 },
      ],
      flag: 1,
      bits: 0xabc,
      choice: { inner: 77 },
    });
    expect(second).toMatchObject({ name: 'sparse', id: 300, fields: { x: 5 } });
    expect(second?.timestampNs).toBe(1_700_000_000_123_456_789n + (1n << 40n) + 1n);
    const type = first?.eventClass.fields?.fields.find((field) => field.name === 'state')?.type;
    expect(type?.kind === 'enum' && [0, 1, 200].map((value) => enumLabels(type, value))).toEqual([
      ['off', 'many'],
      ['on'],
      ['many'],
    ]);
  });

  it('counts what was lost, by the roles of the packet context', () => {
    const metadata = sequence(...HEAD, event(0, 'e', {}));
    const one = (w: BitWriter): BitWriter => compact(w, 0, 2000).int(1, 32).int(0, 8);
    const packets = [
      packet({ sequence: 0, end: 3000n }, one),
      packet({ sequence: 3, discarded: 12, begin: 4000n, end: 5000n }, (w) =>
        compact(w, 0, 4500).int(1, 32).int(0, 8),
      ),
    ];
    const joined = Uint8Array.from(packets.flatMap((bytes) => [...bytes]));
    expect(decode(metadata, joined).map((item) => [item.kind, 'count' in item ? item.count : 1])).toEqual([
      ['event', 1],
      ['lost', 12],
      ['lost-packets', 2],
      ['event', 1],
    ]);
  });

  it('takes a field for the packet size only when its role says so', () => {
    const metadata = sequence(
      { type: 'preamble', version: 2 },
      { type: 'data-stream-class', 'packet-context-field-class': struct({ packet_size: int(8) }) },
      event(0, 'e', { x: int(8) }),
    );
    expect(decode(metadata, Uint8Array.of(1, 9, 8)).map((item) => (item as CtfEvent).fields)).toEqual([
      { x: 9 },
      { x: 8 },
    ]);
  });

  it.each([1, 7, 64])(
    'grows by pieces of %d bytes, also in packets, and knows when a fragment is complete',
    (size) => {
      const text = encode(sequence(...HEAD, event(1, 'naïve "}"', { x: int(8) })));
      const header = new DataView(new ArrayBuffer(37));
      header.setUint32(0, 0x75d11d57, true);
      header.setUint32(24, (37 + text.length) * 8, true);
      header.setUint32(28, (37 + text.length) * 8, true);
      header.setUint8(35, 2);
      for (const bytes of [text, Uint8Array.from([...new Uint8Array(header.buffer), ...text])]) {
        const reader = new MetadataReader();
        for (let i = 0; i < bytes.length; i += size) reader.append(bytes.subarray(i, i + size));
        // Live: nothing has said that it is over.
        expect(reader.trace.streams.get(0)?.events.get(1)?.name).toBe('naïve "}"');
        expect(reader.finish().uuid).toBe(UUID);
      }
      expect(failure(() => readMetadata(text.subarray(0, text.length - 1)))).toMatchObject({
        code: 'ctf-metadata-invalid',
      });
    },
  );

  it.each<[string, string, object[], RegExp]>([
    ['a later version', 'ctf-metadata-invalid', [{ type: 'preamble', version: 3 }], /CTF 3/],
    ['no preamble', 'ctf-metadata-invalid', [{ type: 'trace-class' }], /before the preamble/],
    [
      'extensions',
      'ctf-unknown-type',
      [{ type: 'preamble', version: 2, extensions: { 'x.org': {} } }],
      /x\.org/,
    ],
    ['an unknown fragment', 'ctf-metadata-invalid', [...HEAD, { type: 'future' }], /future/],
    [
      'an event of no stream',
      'ctf-metadata-invalid',
      [...HEAD, { type: 'event-record-class', 'data-stream-class-id': 9 }],
      /class 9/,
    ],
    ['an event twice', 'ctf-metadata-invalid', [...HEAD, event(1, 'a', {}), event(1, 'b', {})], /twice/],
    [
      'a variable-length integer',
      'ctf-unknown-type',
      [...HEAD, event(1, 'a', { x: { type: 'variable-length-unsigned-integer' } })],
      /variable-length/,
    ],
    [
      'an optional field',
      'ctf-unknown-type',
      [...HEAD, event(1, 'a', { x: { type: 'optional' } })],
      /optional/,
    ],
    [
      'UTF-16',
      'ctf-unknown-type',
      [...HEAD, event(1, 'a', { x: { type: 'null-terminated-string', encoding: 'utf-16le' } })],
      /utf-16le/,
    ],
    [
      'an odd bit order',
      'ctf-unknown-type',
      [...HEAD, event(1, 'a', { x: int(8, { 'bit-order': 'last-to-first' }) })],
      /bit order/,
    ],
    ['an undefined alias', 'ctf-unknown-type', [...HEAD, event(1, 'a', { x: 'nope' })], /nope/],
    [
      'an alias of itself',
      'ctf-metadata-invalid',
      [...HEAD, { type: 'field-class-alias', name: 'me', 'field-class': 'me' }, event(1, 'a', { x: 'me' })],
      /nested/,
    ],
    [
      'a length that is not there',
      'ctf-unknown-type',
      [
        ...HEAD,
        event(1, 'a', {
          x: { type: 'dynamic-length-blob', 'length-field-location': at('event-record-payload', 'len') },
        }),
      ],
      /len/,
    ],
    ['an integer of 65 bits', 'ctf-unknown-type', [...HEAD, event(1, 'a', { x: int(65) })], /65 bits/],
    [
      'an alignment of 3',
      'ctf-metadata-invalid',
      [...HEAD, event(1, 'a', { x: int(8, { alignment: 3 }) })],
      /power of two/,
    ],
    [
      'a missing length',
      'ctf-metadata-invalid',
      [...HEAD, event(1, 'a', { x: { type: 'static-length-string' } })],
      /"length" is missing/,
    ],
    [
      'a range that is none',
      'ctf-metadata-invalid',
      [...HEAD, event(1, 'a', { x: int(8, { mappings: { a: [[2, 1]] } }) })],
      /range/,
    ],
  ])('refuses %s', (_what, code, fragments, message) => {
    const error = failure(() => readMetadata(encode(sequence(...fragments))));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/line \d+/);
  });

  it('refuses text between two fragments', () => {
    const text = `${sequence(...HEAD)}\n stray\n${sequence(event(1, 'a', {}))}`;
    expect(failure(() => readMetadata(encode(text)))).toMatchObject({ code: 'ctf-metadata-invalid' });
    const reader = new MetadataReader();
    reader.append(encode(sequence(...HEAD)));
    expect(failure(() => reader.append(encode(`\n stray\n${sequence(event(1, 'a', {}))}`))).message).toMatch(
      /between/,
    );
  });

  it('survives metadata that is damaged anywhere, with a typed error or a trace', { timeout: 60_000 }, () => {
    const whole = encode(sequence(...HEAD, event(1, 'a', { x: int(8) })));
    const outcomes = new Set<string>();
    for (let i = 0; i < 800; i += 1) {
      const bytes = whole.slice();
      bytes[(i * 7919) % bytes.length] = (i * 31) & 0xff;
      outcomes.add(failure(() => readMetadata(bytes)).code);
    }
    expect([...outcomes].sort()).toEqual(['accepted', 'ctf-metadata-invalid', 'ctf-unknown-type']);
  });
});

describe('JSON with whole integers', () => {
  it('keeps all digits, and is JSON.parse otherwise', () => {
    const text =
      '{"a": [18446744073709551615, -9007199254740993, 1.5, 2e3, true, false, null], "b\\u00e9\\n": {"__proto__": ""}}';
    const value = parseJson(text) as Record<string, unknown>;
    expect(value['a']).toEqual([18446744073709551615n, -9007199254740993n, 1.5, 2000, true, false, null]);
    expect(Object.keys(value)).toEqual(['a', 'bé\n']);
    expect(Object.keys(value['bé\n'] as object)).toEqual(['__proto__']);
  });

  it.each([
    '',
    '{',
    '{"a" 1}',
    '[1,]',
    '01',
    '"a',
    'nul',
    '{} {}',
    '"\u0001"',
    `${'['.repeat(200)}${']'.repeat(200)}`,
  ])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });
});
