/** Splits TSDL (the metadata language of CTF 1.8, appendix C) into statements, and a statement into tokens. */
import { metadataInvalid } from './errors';

export type Token =
  | { readonly kind: 'name'; readonly text: string; readonly line: number }
  | { readonly kind: 'integer'; readonly text: string; readonly value: bigint; readonly line: number }
  | { readonly kind: 'string'; readonly text: string; readonly line: number }
  | { readonly kind: 'symbol'; readonly text: string; readonly line: number };

/** A top-level statement as it stands in the text, its `;` included, and the number of its first line. */
export interface Statement {
  readonly text: string;
  readonly line: number;
}

export interface SplitResult {
  /** Complete statements. */
  readonly statements: readonly Statement[];
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

/** Finds the complete top-level statements of `text`, whose first character is on line `firstLine`, by braces and semicolons alone. */
export function splitStatements(text: string, firstLine: number): SplitResult {
  const statements: Statement[] = [];
  let line = firstLine;
  let depth = 0;
  let start = -1;
  let startLine = firstLine;
  let consumed = 0;
  let consumedLine = firstLine;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === NEWLINE) {
      line += 1;
      continue;
    }
    if (code <= BLANK) continue;
    if (code === SLASH && COMMENT_START.includes(text.charAt(at + 1))) {
      const end = commentEnd(text, at);
      if (end < 0) break; // The comment goes on in text that has not arrived.
      for (let i = at; i < end; i++) if (text.charCodeAt(i) === NEWLINE) line += 1;
      at = end - 1;
      continue;
    }
    if (start < 0) {
      start = at;
      startLine = line;
    }
    if (code === QUOTE) {
      at = stringEnd(text, at, line);
      if (at < 0) break;
    } else if (code === OPENING) {
      depth += 1;
    } else if (code === CLOSING) {
      depth -= 1;
      if (depth < 0) throw metadataInvalid(line, 'a "}" without its "{"');
    } else if (code === SEMICOLON && depth === 0) {
      consumed = at + 1;
      consumedLine = line;
      statements.push({ text: text.slice(start, consumed), line: startLine });
      start = -1;
    }
  }
  return { statements, consumed, line: consumedLine, unfinished: start >= 0 };
}

const [NEWLINE, BLANK, QUOTE, SLASH, SEMICOLON, OPENING, CLOSING, BACKSLASH] = [
  10, 32, 34, 47, 59, 123, 125, 92,
];
/** What follows the slash; nothing, where the text ends. */
const COMMENT_START = ['*', '/', ''];

/** The position after the comment at `at`, or -1 when its end is not in the text. A line comment ends before its newline. */
function commentEnd(text: string, at: number): number {
  if (text[at + 1] !== '*') return text.indexOf('\n', at);
  const end = text.indexOf('*/', at + 2);
  return end < 0 ? -1 : end + 2;
}

/** The position of the quote that closes the string at `at`, or -1 when the text ends before. */
function stringEnd(text: string, at: number, line: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return i;
    if (code === NEWLINE) throw metadataInvalid(line, 'a string is not closed');
    if (code === BACKSLASH) i += 1;
  }
  return -1;
}

/** The tokens of a complete statement. */
export function lex({ text, line: firstLine }: Statement): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = firstLine;

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
      if (text[at + 1] !== '*' && text[at + 1] !== '/') throw metadataInvalid(line, 'unexpected "/"');
      const end = commentEnd(text, at);
      for (let i = at; i < end; i++) if (text[i] === '\n') line += 1;
      at = end;
      continue;
    }
    const string = match(STRING);
    if (string !== null) {
      tokens.push({ kind: 'string', text: unescape(string[1] ?? ''), line });
      at += string[0].length;
      continue;
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
    tokens.push({ kind: 'symbol', text: symbol[0], line });
    at += symbol[0].length;
  }
  return tokens;
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
