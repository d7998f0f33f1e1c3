/** Splits TSDL (the metadata language of CTF 1.8, appendix C) into tokens, whole statements at a time. */
import { metadataInvalid } from './errors';

export type Token =
  | { readonly kind: 'name'; readonly text: string; readonly line: number }
  | { readonly kind: 'integer'; readonly text: string; readonly value: bigint; readonly line: number }
  | { readonly kind: 'string'; readonly text: string; readonly line: number }
  | { readonly kind: 'symbol'; readonly text: string; readonly line: number };

export interface LexResult {
  /** Tokens of complete top-level statements, each ended by its `;`. */
  readonly tokens: readonly Token[];
  /** Characters used up by them; the rest is an unfinished statement, or white space and comments. */
  readonly consumed: number;
  /** Line number at `consumed`. */
  readonly line: number;
  /** Whether the rest holds (part of) a statement. */
  readonly unfinished: boolean;
}

const SPACE = /[ \t\r\f\v]+/y;
const NAME = /[A-Za-z_]\w*/y;
const INTEGER = /(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)[uUlL]*/y;
const STRING = /L?"((?:[^"\\\n]|\\[^])*)"/y;
const SYMBOL = /\.\.\.|:=|->|[{}[\]()<>;:,=.*+-]/y;

/** Lexes the complete statements of `text`, whose first character is on line `firstLine`. */
export function lex(text: string, firstLine: number): LexResult {
  const tokens: Token[] = [];
  let at = 0;
  let line = firstLine;
  let depth = 0;
  let complete = 0;
  let consumed = 0;
  let consumedLine = firstLine;
  let unfinished = false;

  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };

  while (at < text.length) {
    const char = text[at];
    if (char === '\n') {
      line += 1;
      at += 1;
      continue;
    }
    const space = match(SPACE);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    if (char === '/') {
      const end = text[at + 1] === '*' ? text.indexOf('*/', at + 2) : text.indexOf('\n', at);
      if (text[at + 1] !== '*' && text[at + 1] !== '/' && at + 1 < text.length) {
        throw metadataInvalid(line, 'unexpected "/"');
      }
      if (end < 0) break; // The comment goes on in text that has not arrived.
      const stop = text[at + 1] === '*' ? end + 2 : end;
      for (let i = at; i < stop; i++) if (text[i] === '\n') line += 1;
      at = stop;
      continue;
    }

    unfinished = true;
    // A word at the very end may go on in the next piece of text; so may a string without its closing quote.
    const string = match(STRING);
    if (string !== null) {
      tokens.push({ kind: 'string', text: unescape(string[1] ?? ''), line });
      at += string[0].length;
      continue;
    }
    if (char === '"') {
      if (text.indexOf('\n', at) >= 0) throw metadataInvalid(line, 'a string is not closed');
      break;
    }
    const name = match(NAME);
    if (name !== null) {
      tokens.push({ kind: 'name', text: name[0], line });
      at += name[0].length;
      continue;
    }
    const integer = match(INTEGER);
    if (integer !== null) {
      tokens.push({ kind: 'integer', text: integer[0], value: integerValue(integer[1] ?? '0', line), line });
      at += integer[0].length;
      continue;
    }
    const symbol = match(SYMBOL);
    if (symbol === null) throw metadataInvalid(line, `unexpected character ${JSON.stringify(char)}`);
    const sign = symbol[0];
    tokens.push({ kind: 'symbol', text: sign, line });
    at += sign.length;
    if (sign === '{') depth += 1;
    else if (sign === '}') depth -= 1;
    if (depth < 0) throw metadataInvalid(line, 'a "}" without its "{"');
    if (sign === ';' && depth === 0) {
      complete = tokens.length;
      consumed = at;
      consumedLine = line;
      unfinished = false;
    }
  }
  tokens.length = complete;
  return { tokens, consumed, line: consumedLine, unfinished };
}

function integerValue(text: string, line: number): bigint {
  if (/^0\d/.test(text)) {
    if (!/^[0-7]+$/.test(text)) throw metadataInvalid(line, `"${text}" is not an octal number`);
    return BigInt(`0o${text.slice(1)}`);
  }
  if (text.length > 66) throw metadataInvalid(line, 'a number is too long');
  return BigInt(text);
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  v: '\v',
  f: '\f',
  a: '\x07',
  b: '\b',
};

function unescape(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[^])/g, (_all, code: string) => {
    if (/^x./.test(code)) return String.fromCharCode(parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(parseInt(code, 8) & 0xff);
    return ESCAPES[code] ?? code;
  });
}
