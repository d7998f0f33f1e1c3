/** Typed access to the properties of one metadata fragment of CTF 2, with errors that say where. */
import { metadataInvalid } from './errors';
import type { Json, JsonObject } from './json-integers';

export class Fragment {
  constructor(
    private readonly object: JsonObject,
    /** Line of the metadata on which the fragment begins. */
    readonly line: number,
    /** For messages: `data-stream-class`, `payload-field-class.member-classes`, … */
    private readonly what: string,
  ) {}

  fail(problem: string): never {
    throw metadataInvalid(this.line, `${this.what}: ${problem}`);
  }

  has(key: string): boolean {
    return this.object[key] !== undefined;
  }

  keys(): readonly string[] {
    return Object.keys(this.object);
  }

  raw(key: string): Json | undefined {
    return this.object[key];
  }

  string(key: string): string | undefined {
    const value = this.object[key];
    if (value === undefined || typeof value === 'string') return value;
    return this.fail(`"${key}" is not a string`);
  }

  needString(key: string): string {
    return this.string(key) ?? this.fail(`"${key}" is missing`);
  }

  integer(key: string): bigint | undefined {
    const value = this.object[key];
    if (value === undefined || typeof value === 'bigint') return value;
    return this.fail(`"${key}" is not an integer`);
  }

  /** An integer within 0 and `max`. */
  count(key: string, max: number): number | undefined {
    const value = this.integer(key);
    if (value === undefined) return undefined;
    if (value < 0n || value > BigInt(max)) this.fail(`"${key}" is ${value}`);
    return Number(value);
  }

  needCount(key: string, max: number): number {
    return this.count(key, max) ?? this.fail(`"${key}" is missing`);
  }

  child(key: string): Fragment | undefined {
    const value = this.object[key];
    if (value === undefined) return undefined;
    if (!isObject(value)) return this.fail(`"${key}" is not an object`);
    return new Fragment(value, this.line, `${this.what}.${key}`);
  }

  needChild(key: string): Fragment {
    return this.child(key) ?? this.fail(`"${key}" is missing`);
  }

  children(key: string): readonly Fragment[] {
    return this.array(key).map((value) => {
      if (!isObject(value)) return this.fail(`"${key}" has an element that is not an object`);
      return new Fragment(value, this.line, `${this.what}.${key}`);
    });
  }

  array(key: string): readonly Json[] {
    const value = this.object[key];
    if (value === undefined) return [];
    return Array.isArray(value) ? (value as readonly Json[]) : this.fail(`"${key}" is not an array`);
  }

  strings(key: string): readonly string[] {
    return this.array(key).map((value) =>
      typeof value === 'string' ? value : this.fail(`"${key}" has an element that is not a string`),
    );
  }

  /** `[[first, last], …]`, both included. */
  ranges(key: string): readonly (readonly [bigint, bigint])[] {
    return this.array(key).map((range) => {
      const [from, to, ...more] = Array.isArray(range) ? (range as readonly Json[]) : [];
      if (typeof from !== 'bigint' || typeof to !== 'bigint' || more.length > 0 || from > to)
        return this.fail(`"${key}" has an element that is not a range of integers`);
      return [from, to] as const;
    });
  }
}

export function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
