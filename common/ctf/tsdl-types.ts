/** Parses the type declarations of TSDL: CTF 1.8.3 §4 and §7.3. */
import { metadataInvalid, unknownType } from './errors';
import type { TokenCursor } from './tsdl-cursor';
import {
  alignmentOf,
  type CtfField,
  type CtfType,
  type EnumMapping,
  type EnumType,
  type FloatType,
  type IntegerType,
  type StructType,
  type VariantType,
} from './types';

/** Named types: aliases under their plain name, tagged ones under `struct x`, `enum x`, `variant x`. */
export class TypeScope {
  private readonly types = new Map<string, CtfType>();

  constructor(private readonly parent?: TypeScope) {}

  find(name: string): CtfType | undefined {
    return this.types.get(name) ?? this.parent?.find(name);
  }

  define(name: string, type: CtfType, line: number): void {
    if (this.types.has(name)) throw metadataInvalid(line, `"${name}" is defined twice`);
    this.types.set(name, type);
  }
}

/** An attribute's value in a block: a number, a string, or a dotted name. */
export type AttributeValue =
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'path'; readonly value: readonly string[] };

export interface Attribute {
  readonly line: number;
  readonly value: AttributeValue;
}

/** Parses `typealias …;` or `typedef …;`. Returns false when the cursor is at something else. */
export function parseTypeStatement(cursor: TokenCursor, scope: TypeScope): boolean {
  const line = cursor.line;
  if (cursor.accept('typealias')) {
    const type = parseDeclarator(cursor, parseSpecifier(cursor, scope), ':=').type;
    cursor.expect(':=');
    scope.define(typeName(cursor), type, line);
    cursor.expect(';');
    return true;
  }
  if (cursor.accept('typedef')) {
    const base = parseSpecifier(cursor, scope);
    do {
      const { name, type } = parseDeclarator(cursor, base, ';');
      if (name === undefined) throw metadataInvalid(line, 'a typedef without a name');
      scope.define(name, type, line);
    } while (cursor.accept(','));
    cursor.expect(';');
    return true;
  }
  return false;
}

/** Words up to the `;`, as in `typealias … := unsigned long;`. */
function typeName(cursor: TokenCursor): string {
  const words: string[] = [];
  while (!cursor.is(';')) {
    const token = cursor.next();
    if (token.kind !== 'name' && token.text !== '*') {
      throw metadataInvalid(token.line, `"${token.text}" in the name of a type`);
    }
    words.push(token.text);
  }
  if (words.length === 0) throw metadataInvalid(cursor.line, 'a type without a name');
  return words.join(' ');
}

/** Parses a type up to, not including, the declarator. */
export function parseSpecifier(cursor: TokenCursor, scope: TypeScope): CtfType {
  return cursor.nested(() => {
    const line = cursor.line;
    if (cursor.accept('const')) return parseSpecifier(cursor, scope);
    if (cursor.is('integer') && cursor.is('{', 1)) return parseInteger(cursor);
    if (cursor.is('floating_point') && cursor.is('{', 1)) return parseFloat(cursor);
    if (cursor.accept('string')) return parseString(cursor);
    if (cursor.accept('struct')) return parseStruct(cursor, scope);
    if (cursor.accept('enum')) return parseEnum(cursor, scope);
    if (cursor.accept('variant')) return parseVariant(cursor, scope);
    // A named type is one or more words; in a field the last word before the punctuation is the field's name.
    const words = [cursor.name()];
    while (cursor.peek()?.kind === 'name' && (cursor.peek(1)?.kind === 'name' || endsTypeName(cursor))) {
      words.push(cursor.name());
    }
    const name = words.join(' ');
    const type = scope.find(name);
    if (type === undefined) throw unknownType(line, `"${name}" is not defined`);
    return type;
  });
}

/** After `unsigned long` comes `:=` or `{`, not a declarator: then the word at hand still belongs to the type. */
function endsTypeName(cursor: TokenCursor): boolean {
  return cursor.is(':=', 1) || cursor.is('{', 1) || cursor.is('*', 1);
}

/** Parses `name[3][len]`; the name is absent in a `typealias`. Brackets bind as in C: `a[2][3]` is two arrays of three. */
export function parseDeclarator(
  cursor: TokenCursor,
  base: CtfType,
  end: string,
): { readonly name: string | undefined; readonly type: CtfType } {
  if (cursor.is('*')) throw unknownType(cursor.line, 'pointers have no meaning in a trace');
  const name = cursor.is(end) ? undefined : cursor.name();
  const lengths: (number | readonly string[])[] = [];
  while (cursor.accept('[')) {
    if (cursor.peek()?.kind === 'integer') {
      const length = cursor.integer();
      if (length > 0xffff_ffffn) throw metadataInvalid(cursor.line, `an array of ${length} elements`);
      lengths.push(Number(length));
    } else {
      lengths.push(cursor.path());
    }
    cursor.expect(']');
  }
  let type = base;
  for (const length of lengths.reverse()) {
    type =
      typeof length === 'number'
        ? { kind: 'array', element: type, length }
        : { kind: 'sequence', element: type, length };
  }
  return { name, type };
}

/** Parses `{ key = value; … }` of integers, floats and strings. */
function parseAttributes(cursor: TokenCursor): Map<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  cursor.expect('{');
  while (!cursor.accept('}')) {
    const line = cursor.line;
    const key = cursor.name();
    cursor.expect('=');
    attributes.set(key, { line, value: parseAttributeValue(cursor) });
    cursor.expect(';');
  }
  return attributes;
}

export function parseAttributeValue(cursor: TokenCursor): AttributeValue {
  const token = cursor.peek();
  if (token?.kind === 'string') {
    let value = '';
    while (cursor.peek()?.kind === 'string') value += cursor.next().text;
    return { kind: 'string', value };
  }
  if (token?.kind === 'name') return { kind: 'path', value: cursor.path() };
  return { kind: 'integer', value: cursor.integer() };
}

function word(attribute: Attribute): string {
  return attribute.value.kind === 'path' ? attribute.value.value.join('.') : attribute.value.value.toString();
}

function count(attribute: Attribute, what: string, max: number): number {
  if (
    attribute.value.kind !== 'integer' ||
    attribute.value.value < 0n ||
    attribute.value.value > BigInt(max)
  ) {
    throw metadataInvalid(attribute.line, `${what} is ${word(attribute)}`);
  }
  return Number(attribute.value.value);
}

function alignment(attribute: Attribute | undefined, otherwise: number): number {
  if (attribute === undefined) return otherwise;
  const align = count(attribute, 'align', 1 << 20);
  checkAlignment(align, attribute.line);
  return align;
}

function checkAlignment(align: number, line: number): void {
  if (align === 0 || (align & (align - 1)) !== 0) {
    throw metadataInvalid(line, `an alignment of ${align}, which is not a power of two`);
  }
}

const BYTE_ORDERS: Readonly<Record<string, 'le' | 'be' | 'native'>> = {
  le: 'le',
  be: 'be',
  network: 'be',
  native: 'native',
};

const BASES: Readonly<Record<string, IntegerType['base']>> = Object.fromEntries(
  (
    [
      [2, 'binary bin b 2'],
      [8, 'octal oct o 8'],
      [10, 'decimal dec d i u 10'],
      [16, 'hexadecimal hex x X p 16'],
    ] as const
  ).flatMap(([base, names]) => names.split(' ').map((name) => [name, base] as const)),
);

const ENCODINGS: Readonly<Record<string, IntegerType['encoding']>> = {
  none: 'none',
  UTF8: 'utf8',
  utf8: 'utf8',
  'utf-8': 'utf8',
  'UTF-8': 'utf8',
  ASCII: 'utf8',
  ascii: 'utf8',
};

function choice<T>(
  table: Readonly<Record<string, T>>,
  attribute: Attribute | undefined,
  what: string,
  otherwise: T,
): T {
  if (attribute === undefined) return otherwise;
  const found = Object.hasOwn(table, word(attribute)) ? table[word(attribute)] : undefined;
  if (found === undefined) throw metadataInvalid(attribute.line, `${what} is "${word(attribute)}"`);
  return found;
}

function parseInteger(cursor: TokenCursor): IntegerType {
  const line = cursor.line;
  cursor.expect('integer');
  const attributes = parseAttributes(cursor);
  const sizeAttribute = attributes.get('size');
  if (sizeAttribute === undefined) throw metadataInvalid(line, 'an integer without size');
  const size = count(sizeAttribute, 'the size of an integer', 1 << 20);
  if (size === 0 || size > 64) throw unknownType(line, `an integer of ${size} bits`);
  const map = attributes.get('map');
  let clock: string | undefined;
  if (map !== undefined) {
    const path = map.value.kind === 'path' ? map.value.value : [];
    if (path.length !== 3 || path[0] !== 'clock' || path[2] !== 'value') {
      throw metadataInvalid(map.line, `an integer is mapped to "${word(map)}"`);
    }
    clock = path[1];
  }
  return {
    kind: 'integer',
    size,
    align: alignment(attributes.get('align'), size % 8 === 0 ? 8 : 1),
    signed: choice(
      { true: true, TRUE: true, '1': true, false: false, FALSE: false, '0': false },
      attributes.get('signed'),
      'signed',
      false,
    ),
    byteOrder: choice(BYTE_ORDERS, attributes.get('byte_order'), 'byte_order', 'native'),
    base: choice(BASES, attributes.get('base'), 'base', 10),
    encoding: choice(ENCODINGS, attributes.get('encoding'), 'encoding', 'none'),
    ...(clock === undefined ? {} : { clock }),
  };
}

function parseFloat(cursor: TokenCursor): FloatType {
  const line = cursor.line;
  cursor.expect('floating_point');
  const attributes = parseAttributes(cursor);
  const exponent = attributes.get('exp_dig');
  const mantissa = attributes.get('mant_dig');
  if (exponent === undefined || mantissa === undefined) {
    throw metadataInvalid(line, 'a floating_point without exp_dig or mant_dig');
  }
  const digits = `${count(exponent, 'exp_dig', 1024)}+${count(mantissa, 'mant_dig', 1024)}`;
  const size = digits === '8+24' ? 32 : digits === '11+53' ? 64 : undefined;
  if (size === undefined) throw unknownType(line, `a floating_point of ${digits} bits`);
  return {
    kind: 'float',
    size,
    align: alignment(attributes.get('align'), 8),
    byteOrder: choice(BYTE_ORDERS, attributes.get('byte_order'), 'byte_order', 'native'),
  };
}

function parseString(cursor: TokenCursor): CtfType {
  if (cursor.is('{')) {
    choice(ENCODINGS, parseAttributes(cursor).get('encoding'), 'encoding', 'utf8');
  }
  return { kind: 'string' };
}

/** Defines or looks up `struct x`, `enum x`, `variant x`; `body` parses what stands in braces. */
function tagged<T extends CtfType>(
  cursor: TokenCursor,
  scope: TypeScope,
  keyword: T['kind'],
  opens: boolean,
  name: string | undefined,
  body: () => T,
): T {
  const line = cursor.line;
  if (opens) {
    const type = body();
    if (name !== undefined) scope.define(`${keyword} ${name}`, type, line);
    return type;
  }
  if (name === undefined) throw metadataInvalid(line, `a ${keyword} with neither name nor body`);
  const found = scope.find(`${keyword} ${name}`);
  if (found?.kind !== keyword) throw unknownType(line, `"${keyword} ${name}" is not defined`);
  return found as T;
}

function optionalName(cursor: TokenCursor): string | undefined {
  return cursor.peek()?.kind === 'name' ? cursor.name() : undefined;
}

function parseStruct(cursor: TokenCursor, scope: TypeScope): StructType {
  const name = optionalName(cursor);
  return tagged(cursor, scope, 'struct', cursor.is('{'), name, () => {
    const fields = parseFields(cursor, new TypeScope(scope));
    let align = fields.reduce((most, field) => Math.max(most, alignmentOf(field.type)), 1);
    if (cursor.accept('align')) {
      cursor.expect('(');
      const least = cursor.integer();
      if (least < 1n || least > 1n << 20n) throw metadataInvalid(cursor.line, `an alignment of ${least}`);
      checkAlignment(Number(least), cursor.line);
      align = Math.max(align, Number(least));
      cursor.expect(')');
    }
    return { kind: 'struct', fields, align };
  });
}

function parseVariant(cursor: TokenCursor, scope: TypeScope): VariantType {
  const line = cursor.line;
  const name = optionalName(cursor);
  let tag: readonly string[] = [];
  if (cursor.accept('<')) {
    tag = cursor.path();
    cursor.expect('>');
  }
  const type = tagged(cursor, scope, 'variant', cursor.is('{'), name, (): VariantType => {
    const options = parseFields(cursor, new TypeScope(scope));
    if (options.length === 0) throw metadataInvalid(line, 'a variant without options');
    return { kind: 'variant', tag, options };
  });
  return tag.length === 0 ? type : { ...type, tag };
}

/** Parses `{ field; … }`, with type declarations in between. */
function parseFields(cursor: TokenCursor, scope: TypeScope): CtfField[] {
  const fields: CtfField[] = [];
  const rawNames = new Set<string>();
  cursor.expect('{');
  while (!cursor.accept('}')) {
    if (parseTypeStatement(cursor, scope)) continue;
    const line = cursor.line;
    const base = parseSpecifier(cursor, scope);
    if (cursor.accept(';')) continue; // `struct x {…};` only defines a type.
    do {
      const { name, type } = parseDeclarator(cursor, base, ';');
      if (name === undefined) throw metadataInvalid(line, 'a field without a name');
      if (rawNames.has(name)) throw metadataInvalid(line, `two fields are called "${name}"`);
      rawNames.add(name);
      fields.push({ name: name.replace(/^_(?=.)/, ''), rawName: name, type });
    } while (cursor.accept(','));
    cursor.expect(';');
  }
  // `_a` and `a` side by side: the shortened name would hide one of them.
  return fields.map((field) =>
    field.name !== field.rawName && rawNames.has(field.name) ? { ...field, name: field.rawName } : field,
  );
}

function parseEnum(cursor: TokenCursor, scope: TypeScope): EnumType {
  const line = cursor.line;
  const name = optionalName(cursor);
  let container: CtfType | undefined;
  const opens = cursor.is('{') || cursor.is(':');
  if (cursor.accept(':')) container = parseSpecifier(cursor, scope);
  return tagged(cursor, scope, 'enum', opens, name, () => {
    container ??= scope.find('int');
    if (container === undefined)
      throw unknownType(line, 'an enumeration without integer type, and "int" is not defined');
    if (container.kind !== 'integer')
      throw metadataInvalid(line, 'an enumeration whose type is not an integer');
    return { kind: 'enum', container, mappings: parseEnumerators(cursor) };
  });
}

function parseEnumerators(cursor: TokenCursor): EnumMapping[] {
  const mappings: EnumMapping[] = [];
  let following = 0n;
  cursor.expect('{');
  while (!cursor.accept('}')) {
    const token = cursor.next();
    if (token.kind !== 'name' && token.kind !== 'string') {
      throw metadataInvalid(token.line, `"${token.text}" in an enumeration`);
    }
    let from = following;
    let to = following;
    if (cursor.accept('=')) {
      from = to = cursor.integer();
      if (cursor.accept('...')) to = cursor.integer();
      if (to < from) throw metadataInvalid(token.line, `the range of "${token.text}" ends before it begins`);
    }
    following = to + 1n;
    mappings.push({ label: token.text, from, to });
    if (!cursor.is('}')) cursor.expect(',');
  }
  return mappings;
}
