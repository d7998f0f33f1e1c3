/**
 * Attributes as columns that other tools can read and that lose nothing: a map of texts, and beside it one letter for the type
 * of each value, in the map's order:
 *
 *   { 'http.method': 'GET', 'skua.syscall.ret': '3', 'skua.syscall.args': '["fd","buf"]' }      "sia"
 *
 *   s text · n number (also NaN and Infinity) · i 64-bit integer (bigint) · b boolean
 *   a list, as JSON; in it a bigint is {"i":"…"} and a number that JSON lacks {"n":"…"}
 */
import type { Attributes, AttributeValue } from '../model/span';

export interface StoredAttributes {
  readonly pairs: readonly (readonly [string, string])[];
  readonly types: string;
}

type Scalar = string | number | bigint | boolean;

export function storeAttributes(attributes: Attributes): StoredAttributes {
  const pairs: [string, string][] = [];
  let types = '';
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'object') {
      types += 'a';
      pairs.push([key, JSON.stringify(value.map(storeItem))]);
    } else {
      types += LETTERS[typeof value as keyof typeof LETTERS];
      pairs.push([key, Object.is(value, -0) ? '-0' : String(value)]);
    }
  }
  return { pairs, types };
}

const LETTERS = { string: 's', number: 'n', bigint: 'i', boolean: 'b' } as const;

function storeItem(item: Scalar): unknown {
  if (typeof item === 'bigint') return { i: item.toString() };
  if (typeof item === 'number' && (!Number.isFinite(item) || Object.is(item, -0))) {
    return { n: Object.is(item, -0) ? '-0' : String(item) };
  }
  return item;
}

/** Throws an Error when the texts are not of their types. */
export function loadAttributes({ pairs, types }: StoredAttributes): Attributes {
  if (types.length !== pairs.length) throw new Error('attributes and their types differ in number');
  const attributes: Record<string, AttributeValue> = {};
  pairs.forEach(([key, text], i) => {
    const value = load(types[i], text);
    // A key like "__proto__" must become an ordinary property.
    if (key === '__proto__')
      Object.defineProperty(attributes, key, { value, enumerable: true, writable: true });
    else attributes[key] = value;
  });
  return attributes;
}

function load(type: string | undefined, text: string): AttributeValue {
  switch (type) {
    case 's':
      return text;
    case 'n':
      return Number(text);
    case 'i':
      return BigInt(text);
    case 'b':
      return text === 'true';
    case 'a': {
      const items: unknown = JSON.parse(text);
      if (!Array.isArray(items)) throw new Error('a list that is none');
      return items.map(loadItem);
    }
    default:
      throw new Error('an attribute of an unknown type');
  }
}

function loadItem(item: unknown): Scalar {
  if (typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean') return item;
  if (typeof item === 'object' && item !== null) {
    if ('i' in item && typeof item.i === 'string') return BigInt(item.i);
    if ('n' in item && typeof item.n === 'string') return Number(item.n);
  }
  throw new Error('an item of a list of an unknown type');
}
