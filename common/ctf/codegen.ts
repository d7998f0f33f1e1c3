/**
 * Writes the decoder of one structure or event class as JavaScript source, specialised for its fields.
 *
 * The position in the packet is known in one of two ways while code is generated:
 *   bytes  variable `p` (bytes) plus a constant number of bits; nearly everything LTTng writes stays here, so that a field
 *          costs one DataView read at a constant distance from `p`
 *   bits   variable `b` (bits), after something whose end is known only at run time and need not be a whole byte
 *
 * Variables of the generated code: v DataView and u Uint8Array of the packet's content, n its length in bytes, s the
 * StreamState (state.ts). DataView throws RangeError beyond the content; everything else checks for itself.
 */
import { metadataInvalid, unknownType } from './errors';
import {
  alignmentOf,
  type ByteOrder,
  type CtfType,
  type EventClass,
  type FieldPath,
  type IntegerType,
  type StreamClass,
  type StructType,
  type VariantType,
} from './types';

type Position =
  { readonly mode: 'bytes'; readonly bits: number; readonly aligned: number } | { readonly mode: 'bits' };

/** What a name in the metadata refers to in the generated code. */
interface Ref {
  readonly js: string;
  readonly type: CtfType;
  readonly members?: Names;
}

class Names {
  private readonly refs = new Map<string, Ref>();
  constructor(private readonly parent?: Names) {}

  set(name: string, ref: Ref): void {
    this.refs.set(name, ref);
  }

  find(path: FieldPath): Ref | undefined {
    const [first, ...rest] = path;
    const ref = first === undefined ? undefined : this.refs.get(first);
    if (ref === undefined) return this.parent?.find(path);
    return rest.length === 0 ? ref : ref.members?.find(rest);
  }
}

/** Bounds the size of generated code: structures that double at each level of nesting must not exhaust memory. */
const MAX_NODES = 20_000;

class Generator {
  private lines: string[] = [];
  private position: Position = { mode: 'bits' };
  private variables = 0;
  private nodes = 0;
  private readonly roots = new Map<string, Names>();

  constructor(
    private readonly byteOrder: ByteOrder,
    private readonly line: number,
    /** Event headers are decoded for their effect only: `s.id` and the clock. */
    private readonly effects: boolean,
  ) {}

  /** Emits the code for a structure and returns the object literal. `root` makes its fields reachable by absolute paths. */
  structure(type: StructType, root?: string): string {
    const members = new Names();
    // Before its fields are written: they may refer to each other by absolute paths too.
    if (root !== undefined) this.roots.set(root, members);
    return this.emitStruct(type, members).js;
  }

  source(result: string): string {
    const end = this.position.mode === 'bits' ? 'b' : `p * 8 + ${this.position.bits}`;
    return ['let p = 0;', ...this.lines, `s.pos = ${end};`, `return ${result};`].join('\n');
  }

  private emit(line: string): void {
    this.lines.push(line);
  }

  private variable(): string {
    this.variables += 1;
    return `x${this.variables}`;
  }

  private keep(expression: string): string {
    const name = this.variable();
    this.emit(`const ${name} = ${expression};`);
    return name;
  }

  /** `p` plus whole bytes, as an expression. */
  private at(bits: number): string {
    return bits === 0 ? 'p' : `p + ${bits / 8}`;
  }

  private align(to: number): void {
    if (to <= 1) return;
    if (this.position.mode === 'bits') {
      if (to < 8) this.emit(`b = (b + ${to - 1}) & ${-to};`);
      else {
        this.emit(to === 8 ? 'p = (b + 7) >>> 3;' : `p = ((b + ${to - 1}) & ${-to}) >>> 3;`);
        this.position = { mode: 'bytes', bits: 0, aligned: to };
      }
      return;
    }
    const { bits, aligned } = this.position;
    if (to <= aligned) {
      this.position = { mode: 'bytes', bits: Math.ceil(bits / to) * to, aligned };
      return;
    }
    this.emit(`p = (p + ${Math.ceil(bits / 8) + to / 8 - 1}) & ${-(to / 8)};`);
    this.position = { mode: 'bytes', bits: 0, aligned: to };
  }

  /** Moves `p` to the position, which is a whole byte. */
  private settle(): void {
    if (this.position.mode !== 'bytes' || this.position.bits === 0) return;
    this.emit(`p += ${this.position.bits / 8};`);
    this.position = { mode: 'bytes', bits: 0, aligned: 8 };
  }

  private toBits(): void {
    if (this.position.mode === 'bits') return;
    this.emit(`b = p * 8 + ${this.position.bits};`);
    this.position = { mode: 'bits' };
  }

  private advance(bits: number): void {
    if (this.position.mode === 'bits') this.emit(`b += ${bits};`);
    else this.position = { ...this.position, bits: this.position.bits + bits };
  }

  private emitType(type: CtfType, names: Names): Ref {
    this.nodes += 1;
    if (this.nodes > MAX_NODES)
      throw metadataInvalid(this.line, `a structure of more than ${MAX_NODES} fields`);
    switch (type.kind) {
      case 'integer':
        return { js: this.emitInteger(type), type };
      case 'enum':
        return { js: this.emitInteger(type.container), type };
      case 'float': {
        this.align(type.align);
        if (this.position.mode === 'bits' || this.position.bits % 8 !== 0) {
          throw unknownType(this.line, 'a floating_point number that does not begin at a whole byte');
        }
        const little = this.isLittle(type.byteOrder);
        const js = this.keep(`v.getFloat${type.size}(${this.at(this.position.bits)}, ${little})`);
        this.advance(type.size);
        return { js, type };
      }
      case 'string': {
        this.align(8);
        this.settle();
        const js = this.keep('s.strings.terminated(u, p, n)');
        this.emit('p = s.strings.end;');
        this.position = { mode: 'bytes', bits: 0, aligned: 8 };
        return { js, type };
      }
      case 'struct':
        return this.emitStruct(type, new Names(names));
      case 'variant':
        return { js: this.emitVariant(type, names), type };
      case 'array':
        this.align(alignmentOf(type));
        return { js: this.emitElements(type.element, type.length, names), type };
      case 'sequence': {
        const length = this.length(type.length, names);
        this.align(alignmentOf(type));
        return { js: this.emitElements(type.element, length, names), type };
      }
    }
  }

  private isLittle(order: ByteOrder | 'native'): boolean {
    return (order === 'native' ? this.byteOrder : order) === 'le';
  }

  private emitInteger(type: IntegerType): string {
    this.align(type.align);
    if (this.effects && type.clock !== undefined && type.size === 64 && this.wholeBytes()) {
      const bits = this.position.mode === 'bytes' ? this.position.bits : 0;
      const little = this.isLittle(type.byteOrder);
      const [high, low] = little ? [bits + 32, bits] : [bits, bits + 32];
      this.emit(
        `s.setClock(v.getUint32(${this.at(high)}, ${little}), v.getUint32(${this.at(low)}, ${little}));`,
      );
      this.advance(64);
      return '0';
    }
    const js = this.keep(this.integerAt(type));
    this.advance(type.size);
    if (this.effects && type.clock !== undefined) {
      if (type.size <= 32) this.emit(`s.advanceClock(${js}, ${2 ** type.size});`);
      else this.emit(`s.advanceClockWide(${js}, ${type.size});`);
    }
    return js;
  }

  private wholeBytes(): boolean {
    return this.position.mode === 'bytes' && this.position.bits % 8 === 0;
  }

  /** The expression that reads an integer at the current position. */
  private integerAt(type: IntegerType): string {
    const { size, signed } = type;
    const little = this.isLittle(type.byteOrder);
    if (this.position.mode === 'bits') return `readBits(v, b, ${size}, ${signed}, ${little})`;
    const { bits } = this.position;
    const shift = bits % 8;
    const whole = bits - shift;
    if (shift === 0) {
      const read = wholeRead(size, signed);
      if (read !== undefined) return `v.${read}(${this.at(whole)}${size > 8 ? `, ${little}` : ''})`;
    }
    const bytes = Math.ceil((shift + size) / 8);
    if (size > 32 || bytes > 4) return `readBits(v, (p * 8 + ${bits}), ${size}, ${signed}, ${little})`;
    let raw: string;
    if (bytes === 1) raw = `v.getUint8(${this.at(whole)})`;
    else if (bytes === 2) raw = `v.getUint16(${this.at(whole)}, ${little})`;
    else if (bytes === 4) raw = `v.getUint32(${this.at(whole)}, ${little})`;
    else if (little)
      raw = `(v.getUint16(${this.at(whole)}, true) | (v.getUint8(${this.at(whole + 16)}) << 16))`;
    else raw = `((v.getUint8(${this.at(whole)}) << 16) | v.getUint16(${this.at(whole + 8)}, false))`;
    const right = little ? shift : bytes * 8 - shift - size;
    let value = right === 0 ? raw : `(${raw} >>> ${right})`;
    if (signed) return `(${value} << ${32 - size}) >> ${32 - size}`;
    if (right + size < bytes * 8) value = `${value} & ${2 ** size - 1}`;
    return size === 32 ? `(${value}) >>> 0` : value;
  }

  private emitStruct(type: StructType, members: Names): Ref & { readonly members: Names } {
    this.align(type.align);
    const properties: string[] = [];
    for (const field of type.fields) {
      const ref = this.emitType(field.type, members);
      members.set(field.rawName, ref);
      if (this.effects && field.name === 'id' && isInteger(field.type))
        this.emit(`s.id = Number(${ref.js});`);
      // A plain key `__proto__` would set the prototype.
      const key = field.name === '__proto__' ? '["__proto__"]' : JSON.stringify(field.name);
      properties.push(`${key}: ${ref.js}`);
    }
    return { js: `{ ${properties.join(', ')} }`, type, members };
  }

  private resolve(path: FieldPath, names: Names): Ref {
    const relative = names.find(path);
    if (relative !== undefined) return relative;
    for (const [root, rootNames] of this.roots) {
      const prefix = root.split('.');
      if (prefix.every((part, i) => path[i] === part)) {
        const found = rootNames.find(path.slice(prefix.length));
        if (found !== undefined) return found;
      }
    }
    throw unknownType(this.line, `"${path.join('.')}" is not an earlier field that can be referred to`);
  }

  /** A variable with the number of elements of a sequence, checked not to be negative. */
  private length(path: FieldPath, names: Names): string {
    const ref = this.resolve(path, names);
    const type = ref.type.kind === 'enum' ? ref.type.container : ref.type;
    if (type.kind !== 'integer')
      throw unknownType(this.line, `the length "${path.join('.')}" is not an integer`);
    const js = type.size > 32 ? this.keep(`Number(${ref.js})`) : ref.js;
    if (type.signed) this.emit(`if (${js} < 0) fail(${this.byte()});`);
    return js;
  }

  /** The position in bytes, as an expression, for error messages. */
  private byte(): string {
    return this.position.mode === 'bits' ? 'b >>> 3' : `p + ${this.position.bits >>> 3}`;
  }

  private emitElements(element: CtfType, length: number | string, names: Names): string {
    if (element.kind === 'integer' && element.size % 8 === 0 && element.align <= 8 && this.wholeBytes()) {
      const js = this.emitIntegers(element, length);
      if (js !== undefined) return js;
    }
    const result = this.keep('[]');
    const index = this.variable();
    const least = minBits(element);
    const here = this.position.mode === 'bits' ? 'b' : `(p * 8 + ${this.position.bits})`;
    if (least > 0) this.emit(`if (${length} * ${least} > n * 8 - ${here}) fail(${this.byte()});`);
    // Elements that may be empty take nothing from the packet, so they are charged against a budget of their own.
    else this.emit(`if ((s.budget -= ${length}) < 0) fail(${this.byte()});`);
    const open = `for (let ${index} = 0; ${index} < ${length}; ${index} += 1) {`;

    // Try with whole bytes: right when each element begins and ends at one.
    if (this.wholeBytes()) {
      const before = this.snapshot();
      this.settle();
      this.position = { mode: 'bytes', bits: 0, aligned: 8 };
      this.emit(open);
      const { js } = this.emitType(element, new Names(names));
      if (this.wholeBytes()) {
        this.settle();
        this.emit(`${result}.push(${js});`);
        this.emit('}');
        this.position = { mode: 'bytes', bits: 0, aligned: 8 };
        return result;
      }
      this.restore(before);
    }
    this.toBits();
    this.emit(open);
    const { js } = this.emitType(element, new Names(names));
    this.toBits();
    this.emit(`${result}.push(${js});`);
    this.emit('}');
    return result;
  }

  private snapshot(): { readonly length: number; readonly position: Position } {
    return { length: this.lines.length, position: this.position };
  }

  private restore(state: { readonly length: number; readonly position: Position }): void {
    this.lines.length = state.length;
    this.position = state.position;
  }

  /** Texts, byte arrays, and arrays of whole integers; undefined when the size is none of 8, 16, 32 and 64. */
  private emitIntegers(element: IntegerType, length: number | string): string | undefined {
    const read = wholeRead(element.size, element.signed);
    if (read === undefined) return undefined;
    const bytes = element.size / 8;
    const start = this.position.mode === 'bytes' ? this.at(this.position.bits) : 'p';
    const size =
      typeof length === 'number' ? String(length * bytes) : bytes === 1 ? length : `${length} * ${bytes}`;
    this.emit(`if (${size} > n - (${start})) fail(${start});`);
    let js: string;
    if (bytes === 1 && element.encoding === 'utf8') js = this.keep(`s.strings.fixed(u, ${start}, ${length})`);
    else if (bytes === 1 && !element.signed)
      js = this.keep(`${length} === 0 ? s.noBytes : u.slice(${start}, ${start} + ${length})`);
    else {
      js = this.keep('[]');
      const index = this.variable();
      const order = bytes === 1 ? '' : `, ${this.isLittle(element.byteOrder)}`;
      this.emit(`for (let ${index} = 0; ${index} < ${length}; ${index} += 1)`);
      this.emit(`  ${js}.push(v.${read}(${start} + ${index} * ${bytes}${order}));`);
    }
    if (typeof length === 'number') this.advance(length * element.size);
    else {
      this.settle();
      this.emit(`p += ${size};`);
      this.position = { mode: 'bytes', bits: 0, aligned: 8 };
    }
    return js;
  }

  private emitVariant(type: VariantType, names: Names): string {
    const tag = this.resolve(type.tag, names);
    const container = tag.type.kind === 'enum' ? tag.type.container : tag.type;
    const byRange = type.options.every(({ ranges }) => ranges !== undefined);
    if (container.kind !== 'integer' || (tag.type.kind !== 'enum' && !byRange))
      throw unknownType(
        this.line,
        `the tag "${type.tag.join('.')}" is not an ${byRange ? 'integer' : 'enumeration'}`,
      );
    const mappings = tag.type.kind === 'enum' ? tag.type.mappings : [];
    const suffix = container.size > 32 ? 'n' : '';
    const result = this.variable();
    this.emit(`let ${result};`);
    const start = this.position;
    const outer = this.lines;
    const branches: { readonly condition: string; readonly lines: string[]; readonly end: Position }[] = [];
    for (const option of type.options) {
      const labelled = mappings
        .filter(({ label }) => label === option.rawName || `_${label}` === option.rawName)
        .map(({ from, to }) => [from, to] as const);
      const condition = (option.ranges ?? labelled)
        .map(([from, to]) =>
          from === to
            ? `${tag.js} === ${from}${suffix}`
            : `(${tag.js} >= ${from}${suffix} && ${tag.js} <= ${to}${suffix})`,
        )
        .join(' || ');
      this.lines = [];
      this.position = start;
      const { js } = this.emitType(option.type, new Names(names));
      if (!this.effects) this.emit(`${result} = ${js};`);
      if (condition !== '') branches.push({ condition, lines: this.lines, end: this.position });
    }
    this.lines = outer;
    const whole = branches.every(({ end }) => end.mode === 'bytes' && end.bits % 8 === 0);
    branches.forEach(({ condition, lines, end }, i) => {
      this.emit(`${i === 0 ? '' : '} else '}if (${condition}) {`);
      for (const line of lines) this.emit(line);
      this.position = end;
      if (whole) this.settle();
      else this.toBits();
    });
    this.emit(branches.length === 0 ? 'noOption(p);' : '} else noOption(p);');
    this.position = whole ? { mode: 'bytes', bits: 0, aligned: 8 } : { mode: 'bits' };
    return result;
  }
}

/** The DataView method that reads an integer of whole bytes. */
function wholeRead(size: number, signed: boolean): string | undefined {
  if (size === 64) return signed ? 'getBigInt64' : 'getBigUint64';
  if (size === 8 || size === 16 || size === 32) return `get${signed ? 'Int' : 'Uint'}${size}`;
  return undefined;
}

function isInteger(type: CtfType): boolean {
  return type.kind === 'integer' || type.kind === 'enum';
}

const minBitsKnown = new WeakMap<CtfType, number>();

/** The least number of bits that a value of the type takes, padding left out. */
function minBits(type: CtfType): number {
  const known = minBitsKnown.get(type);
  if (known !== undefined) return known;
  let bits: number;
  switch (type.kind) {
    case 'integer':
    case 'float':
      bits = type.size;
      break;
    case 'enum':
      bits = type.container.size;
      break;
    case 'string':
      bits = 8;
      break;
    case 'array':
      bits = type.length * minBits(type.element);
      break;
    case 'sequence':
      bits = 0;
      break;
    case 'struct':
      bits = type.fields.reduce((sum, field) => sum + minBits(field.type), 0);
      break;
    case 'variant':
      bits = type.options.reduce((least, option) => Math.min(least, minBits(option.type)), Infinity);
      break;
  }
  minBitsKnown.set(type, Math.min(bits, Number.MAX_SAFE_INTEGER));
  return Math.min(bits, Number.MAX_SAFE_INTEGER);
}

/**
 * Source of a function body `(v, u, n, b, s) => object` that decodes one structure. `line` is for error messages; `root` is its own
 * absolute path.
 */
export function structSource(type: StructType, byteOrder: ByteOrder, line: number, root?: string): string {
  const generator = new Generator(byteOrder, line, false);
  return generator.source(generator.structure(type, root));
}

/** Source of a function body that decodes an event header into `s.id` and the clock of `s`. */
export function headerSource(type: StructType, byteOrder: ByteOrder, line: number): string {
  const generator = new Generator(byteOrder, line, true);
  generator.structure(type, 'stream.event.header');
  return generator.source('undefined');
}

/** Source of a function body that decodes what follows the header of an event into a `CtfEvent`; `C` is the event class. */
export function eventSource(
  stream: StreamClass,
  event: EventClass,
  byteOrder: ByteOrder,
  line: number,
): string {
  const generator = new Generator(byteOrder, line, false);
  const contexts: string[] = [];
  if (stream.eventContext !== undefined)
    contexts.push(generator.structure(stream.eventContext, 'stream.event.context'));
  if (event.context !== undefined) contexts.push(generator.structure(event.context, 'event.context'));
  const fields = event.fields === undefined ? '{}' : generator.structure(event.fields, 'event.fields');
  const context =
    contexts.length === 1 ? (contexts[0] as string) : `{ ${contexts.map((c) => `...${c}`).join(', ')} }`;
  return generator.source(
    `{ kind: 'event', timestampNs: s.nowNs(), cpu: s.cpu, name: C.name, id: C.id, eventClass: C, context: ${context}, fields: ${fields} }`,
  );
}
