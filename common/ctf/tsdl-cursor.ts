import { metadataInvalid } from './errors';
import type { Token } from './tsdl-lexer';

/** Nested types deeper than this are refused, so that hostile metadata cannot exhaust the stack. */
const MAX_DEPTH = 64;

/** A position in the tokens, with the few ways in which the parser moves on. */
export class TokenCursor {
  private at = 0;
  private depth = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  get done(): boolean {
    return this.at >= this.tokens.length;
  }

  get line(): number {
    return (this.tokens[this.at] ?? this.tokens[this.tokens.length - 1])?.line ?? 0;
  }

  peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead];
  }

  next(): Token {
    const token = this.tokens[this.at];
    if (token === undefined) throw metadataInvalid(this.line, 'it ends in the middle of a statement');
    this.at += 1;
    return token;
  }

  is(text: string, ahead = 0): boolean {
    const token = this.tokens[this.at + ahead];
    return token !== undefined && token.kind !== 'string' && token.text === text;
  }

  accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.at += 1;
    return true;
  }

  expect(text: string): void {
    if (this.accept(text)) return;
    const found = this.tokens[this.at]?.text ?? 'the end';
    throw metadataInvalid(this.line, `expected "${text}", found "${found}"`);
  }

  name(): string {
    const token = this.next();
    if (token.kind !== 'name') throw metadataInvalid(token.line, `expected a name, found "${token.text}"`);
    return token.text;
  }

  /** An integer literal with an optional sign. */
  integer(): bigint {
    const negative = this.accept('-');
    if (!negative) this.accept('+');
    const token = this.next();
    if (token.kind !== 'integer')
      throw metadataInvalid(token.line, `expected a number, found "${token.text}"`);
    return negative ? -token.value : token.value;
  }

  /** `a.b.c` */
  path(): string[] {
    const path = [this.name()];
    while (this.accept('.') || this.accept('->')) path.push(this.name());
    return path;
  }

  nested<T>(parse: () => T): T {
    if (this.depth >= MAX_DEPTH)
      throw metadataInvalid(this.line, `types are nested deeper than ${MAX_DEPTH}`);
    this.depth += 1;
    const result = parse();
    this.depth -= 1;
    return result;
  }
}
