/** JSON whose integers keep all their digits. JSON.parse makes doubles of them, and a trace's metadata has 64-bit values. */
export type Json = bigint | number | string | boolean | null | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

const MAX_DEPTH = 128;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
/** Up to the closing quote; JSON.parse unescapes it, and refuses control characters. */
const STRING = /"(?:[^"\\]|\\.)*"/y;

/** Integers become bigints, other numbers numbers. Throws SyntaxError, with the offset in the text. */
export function parseJson(text: string): Json {
  let at = 0;
  const fail = (what: string): never => {
    throw new SyntaxError(`${what} at character ${at}`);
  };
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  const accept = (char: string): boolean => {
    match(SPACE);
    if (text[at] !== char) return false;
    at += 1;
    return true;
  };
  const string = (): string => {
    match(SPACE);
    const found = match(STRING)?.[0];
    return found === undefined ? fail('a string is missing') : (JSON.parse(found) as string);
  };
  const value = (depth: number): Json => {
    if (depth > MAX_DEPTH) fail(`nested more than ${MAX_DEPTH} deep`);
    if (accept('{')) {
      // Without a prototype, so that a key "__proto__" is only a key.
      const object = Object.create(null) as Record<string, Json>;
      if (accept('}')) return object;
      do {
        const key = string();
        if (!accept(':')) fail('":" is missing');
        object[key] = value(depth + 1);
      } while (accept(','));
      return accept('}') ? object : fail('"}" is missing');
    }
    if (accept('[')) {
      const array: Json[] = [];
      if (accept(']')) return array;
      do array.push(value(depth + 1));
      while (accept(','));
      return accept(']') ? array : fail('"]" is missing');
    }
    if (text[at] === '"') return string();
    for (const [word, meaning] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const number = match(NUMBER);
    if (number === null) return fail('a value is missing');
    return number[1] === undefined && number[2] === undefined ? BigInt(number[0]) : Number(number[0]);
  };
  const result = value(0);
  match(SPACE);
  if (at < text.length) fail('something follows the value');
  return result;
}
