/** Field classes of CTF 2 (CTF2-SPEC-2.0 §5.3) as the types that the decoder generator knows. */
import type { Fragment } from './ctf2-fragment';
import { unknownType } from './errors';
import type { Json } from './json-integers';
import { isObject, Fragment as FragmentOf } from './ctf2-fragment';
import {
  alignmentOf,
  type CtfField,
  type CtfType,
  type FieldPath,
  type IntegerType,
  type VariantOption,
} from './types';

/** Which structure a field class belongs to: a field's meaning depends on it. */
export type Scope = 'packet-header' | 'packet-context' | 'event-record-header' | 'event-record';

/** Absolute paths as the generator has them, by the `origin` of a field location. */
const ROOTS: Readonly<Record<string, FieldPath>> = {
  'packet-header': ['trace', 'packet', 'header'],
  'packet-context': ['stream', 'packet', 'context'],
  'event-record-header': ['stream', 'event', 'header'],
  'event-record-common-context': ['stream', 'event', 'context'],
  'event-record-specific-context': ['event', 'context'],
  'event-record-payload': ['event', 'fields'],
};

/** The names under which the packet reader looks for what CTF 2 marks by a role. */
const ROLE_NAMES: Readonly<Record<Scope, Readonly<Record<string, string>>>> = {
  'packet-header': {
    'packet-magic-number': 'magic',
    'metadata-stream-uuid': 'uuid',
    'data-stream-class-id': 'stream_id',
  },
  'packet-context': {
    'packet-total-length': 'packet_size',
    'packet-content-length': 'content_size',
    'default-clock-timestamp': 'timestamp_begin',
    'packet-end-default-clock-timestamp': 'timestamp_end',
    'discarded-event-record-counter-snapshot': 'events_discarded',
    'packet-sequence-number': 'packet_seq_num',
  },
  'event-record-header': { 'event-record-class-id': 'id' },
  'event-record': {},
};

const MAX_ALIGNMENT = 1 << 20;
const MAX_LENGTH = 0xffff_ffff;
const MAX_DEPTH = 64;

const BYTE: IntegerType = {
  kind: 'integer',
  size: 8,
  align: 8,
  signed: false,
  byteOrder: 'le',
  base: 16,
  encoding: 'none',
};
const CHARACTER: IntegerType = { ...BYTE, encoding: 'utf8' };

/** Reads the field classes of one place of the metadata. */
export class FieldClasses {
  private depth = 0;

  constructor(
    private readonly aliases: ReadonlyMap<string, Fragment>,
    private readonly scope: Scope,
    /** Clock of the data stream class, which fields with the role of a timestamp update. */
    private readonly clock: string | undefined,
  ) {}

  /** `value` is a field class or the name of an alias. Throws `ctf-metadata-invalid` or `ctf-unknown-type`. */
  type(value: Json | undefined, owner: Fragment): CtfType {
    return this.named(value, owner).type;
  }

  private named(
    value: Json | undefined,
    owner: Fragment,
  ): { readonly type: CtfType; readonly roles: readonly string[] } {
    this.depth += 1;
    // An alias may name only an earlier one, but a damaged file may say anything.
    if (this.depth > MAX_DEPTH) owner.fail(`field classes nested more than ${MAX_DEPTH} deep`);
    try {
      if (typeof value === 'string') {
        const alias = this.aliases.get(value);
        if (alias === undefined)
          throw unknownType(owner.line, `the field class alias "${value}" is not defined`);
        return this.named(alias.raw('field-class'), alias);
      }
      if (value === undefined || !isObject(value)) return owner.fail('a field class is missing');
      const fragment = new FragmentOf(value, owner.line, 'field class');
      return { type: this.read(fragment), roles: fragment.strings('roles') };
    } finally {
      this.depth -= 1;
    }
  }

  private read(fc: Fragment): CtfType {
    const kind = fc.needString('type');
    switch (kind) {
      case 'fixed-length-bit-array':
      case 'fixed-length-bit-map':
      case 'fixed-length-boolean':
      case 'fixed-length-unsigned-integer':
        return this.integer(fc, false);
      case 'fixed-length-signed-integer':
        return this.integer(fc, true);
      case 'fixed-length-floating-point-number': {
        const { length, align, byteOrder } = bits(fc);
        if (length !== 32 && length !== 64)
          throw unknownType(fc.line, `a floating-point number of ${length} bits`);
        return { kind: 'float', size: length, align, byteOrder };
      }
      case 'null-terminated-string':
        checkEncoding(fc);
        return { kind: 'string' };
      case 'static-length-string':
        checkEncoding(fc);
        return { kind: 'array', element: CHARACTER, length: fc.needCount('length', MAX_LENGTH) };
      case 'static-length-blob':
        return { kind: 'array', element: BYTE, length: fc.needCount('length', MAX_LENGTH) };
      case 'dynamic-length-string':
        checkEncoding(fc);
        return { kind: 'sequence', element: CHARACTER, length: location(fc, 'length-field-location') };
      case 'dynamic-length-blob':
        return { kind: 'sequence', element: BYTE, length: location(fc, 'length-field-location') };
      case 'static-length-array': {
        const element = this.type(fc.raw('element-field-class'), fc);
        return {
          kind: 'array',
          element,
          length: fc.needCount('length', MAX_LENGTH),
          ...minimum(fc, element),
        };
      }
      case 'dynamic-length-array': {
        const element = this.type(fc.raw('element-field-class'), fc);
        return {
          kind: 'sequence',
          element,
          length: location(fc, 'length-field-location'),
          ...minimum(fc, element),
        };
      }
      case 'structure':
        return this.structure(fc);
      case 'variant':
        return this.variant(fc);
      default:
        throw unknownType(fc.line, `field class "${kind}"`);
    }
  }

  private integer(fc: Fragment, signed: boolean): CtfType {
    const { length, align, byteOrder } = bits(fc);
    if (length > 64) throw unknownType(fc.line, `an integer of ${length} bits`);
    const base = fc.count('preferred-display-base', 16) ?? 10;
    const stamped =
      fc.strings('roles').includes('default-clock-timestamp') && this.scope === 'event-record-header';
    const integer: IntegerType = {
      kind: 'integer',
      size: length,
      align,
      signed,
      byteOrder,
      base: base === 2 || base === 8 || base === 16 ? base : 10,
      encoding: 'none',
      ...(this.clock !== undefined && (stamped || this.isBoundary(fc)) ? { clock: this.clock } : {}),
    };
    const labels = fc.child('mappings');
    if (labels === undefined || fc.needString('type') === 'fixed-length-bit-map') return integer;
    const mappings = labels
      .keys()
      .flatMap((label) => labels.ranges(label).map(([from, to]) => ({ label, from, to })));
    return { kind: 'enum', container: integer, mappings };
  }

  /** The packet's own timestamps: they say which clock the stream has when its events carry none. */
  private isBoundary(fc: Fragment): boolean {
    return (
      this.scope === 'packet-context' &&
      fc.strings('roles').some((role) => role.endsWith('default-clock-timestamp'))
    );
  }

  private structure(fc: Fragment): CtfType {
    const top = this.depth === 1;
    const fields = fc.children('member-classes').map((member): CtfField => {
      const rawName = member.needString('name');
      const { type, roles } = this.named(member.raw('field-class'), member);
      return { name: this.nameOf(rawName, roles, top, member), rawName, type };
    });
    const align = Math.max(
      alignment(fc, 'minimum-alignment'),
      1,
      ...fields.map(({ type }) => alignmentOf(type)),
    );
    return { kind: 'struct', fields, align };
  }

  /** A field with a role gets the name that CTF 1.8 has for it, and a field without one must not be taken for it. */
  private nameOf(rawName: string, roles: readonly string[], top: boolean, member: Fragment): string {
    const names = ROLE_NAMES[this.scope];
    const role = roles.find((each) => Object.hasOwn(names, each));
    if (role !== undefined) {
      if (!top && this.scope !== 'event-record-header')
        throw unknownType(member.line, `the role "${role}" below the top of a ${this.scope}`);
      return names[role] as string;
    }
    return Object.values(names).includes(rawName) ? `_${rawName}` : rawName;
  }

  private variant(fc: Fragment): CtfType {
    const options = fc.children('options').map((option, index): VariantOption => {
      const name = option.string('name') ?? `option ${index}`;
      const type = this.type(option.raw('field-class'), option);
      return { name, rawName: name, type, ranges: option.ranges('selector-field-ranges') };
    });
    return { kind: 'variant', tag: location(fc, 'selector-field-location'), options };
  }
}

/** The common properties of everything made of a fixed number of bits. */
function bits(fc: Fragment): {
  readonly length: number;
  readonly align: number;
  readonly byteOrder: 'le' | 'be';
} {
  const length = fc.needCount('length', 1 << 20);
  if (length === 0) fc.fail('"length" is 0');
  const order = fc.needString('byte-order');
  if (order !== 'little-endian' && order !== 'big-endian') fc.fail(`"byte-order" is "${order}"`);
  const natural = order === 'little-endian' ? 'first-to-last' : 'last-to-first';
  const bitOrder = fc.string('bit-order') ?? natural;
  if (bitOrder !== natural) throw unknownType(fc.line, `bit order "${bitOrder}" with byte order "${order}"`);
  return { length, align: alignment(fc, 'alignment'), byteOrder: order === 'little-endian' ? 'le' : 'be' };
}

function alignment(fc: Fragment, key: string): number {
  const align = fc.count(key, MAX_ALIGNMENT) ?? 1;
  if (align === 0 || (align & (align - 1)) !== 0)
    fc.fail(`"${key}" is ${align}, which is not a power of two`);
  return align;
}

/** An array that begins at a greater alignment than its elements do. */
function minimum(fc: Fragment, element: CtfType): { readonly align?: number } {
  const align = alignment(fc, 'minimum-alignment');
  return align > alignmentOf(element) ? { align } : {};
}

function checkEncoding(fc: Fragment): void {
  const encoding = fc.string('encoding') ?? 'utf-8';
  if (encoding !== 'utf-8') throw unknownType(fc.line, `text in ${encoding}`);
}

function location(fc: Fragment, key: string): FieldPath {
  const where = fc.needChild(key);
  const path = where.array('path').map((element) => {
    // `null` means "one structure up"; names of outer structures are found without it unless an inner one has the same.
    if (typeof element !== 'string') throw unknownType(fc.line, 'a field location that goes up by null');
    return element;
  });
  if (path.length === 0) where.fail('"path" is empty');
  const origin = where.string('origin');
  if (origin === undefined) return path;
  const root = Object.hasOwn(ROOTS, origin) ? ROOTS[origin] : undefined;
  return [...(root ?? where.fail(`"origin" is "${origin}"`)), ...path];
}
