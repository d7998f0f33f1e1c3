/**
 * Reads what `babeltrace2 --clock-seconds --no-delta` prints, so that tests check the kernel's traces with a reader that is not ours:
 *   [1700000000.123456789] host name: { cpu_id = 0 }, { context… }, { payload… }
 */
export type Value = bigint | string | readonly Value[] | Fields;
export interface Fields {
  readonly [name: string]: Value;
}

export interface TraceEvent {
  readonly timeNs: bigint;
  readonly name: string;
  readonly context: Fields;
  readonly payload: Fields;
}

export function parseTrace(text: string): readonly TraceEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

function parseLine(line: string): TraceEvent {
  const head = /^\[(\d+)\.(\d{9})\] \S+ (\w+): /.exec(line);
  if (head === null) throw new Error(`not an event: ${line.slice(0, 200)}`);
  const parser = new ValueParser(line, head[0].length);
  const structures: Fields[] = [];
  while (!parser.atEnd()) {
    structures.push(parser.fields());
    parser.skip(', ');
  }
  // Packet context, event context when there is one, payload.
  const payload = structures.at(-1) ?? {};
  const context = structures.length > 2 ? (structures[1] ?? {}) : {};
  return { timeNs: BigInt(`${head[1] ?? ''}${head[2] ?? ''}`), name: head[3] ?? '', context, payload };
}

class ValueParser {
  constructor(
    private readonly text: string,
    private at: number,
  ) {}

  atEnd(): boolean {
    return this.at >= this.text.length;
  }

  skip(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  fields(): Fields {
    const fields: Record<string, Value> = {};
    this.expect('{ ');
    while (!this.skip('}')) {
      const name = this.match(/(\w+) = /y);
      fields[name] = this.value();
      if (!this.skip(', ')) this.expect(' ');
    }
    return fields;
  }

  private value(): Value {
    if (this.text[this.at] === '{') return this.fields();
    if (this.skip('[ ')) {
      const values: Value[] = [];
      while (!this.skip(']')) {
        this.match(/\[(\d+)\] = /y);
        values.push(this.value());
        if (!this.skip(', ')) this.expect(' ');
      }
      return values;
    }
    if (this.text[this.at] === '"') return JSON.parse(this.match(/("(?:[^"\\]|\\.)*")/y)) as string;
    // An enumeration's label and number; a label may hold anything, parentheses too.
    if (this.text[this.at] === '(') return this.match(/(\((?:[^"()]|"(?:[^"\\]|\\.)*")*\))/y);
    const number = this.match(/(-?(?:0x[0-9A-Fa-f]+|\d+))/y);
    return number.startsWith('-') ? -BigInt(number.slice(1)) : BigInt(number);
  }

  private expect(token: string): void {
    if (!this.skip(token))
      throw new Error(`expected "${token}" at: ${this.text.slice(this.at, this.at + 60)}`);
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) throw new Error(`unexpected text: ${this.text.slice(this.at, this.at + 60)}`);
    this.at = pattern.lastIndex;
    return found[1] ?? '';
  }
}

export function integer(fields: Fields, name: string): bigint {
  const value = fields[name];
  if (typeof value !== 'bigint') throw new Error(`${name} is not an integer`);
  return value;
}

export function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new Error(`${name} is not a string`);
  return value;
}

export function bytes(fields: Fields, name: string): Uint8Array {
  const value = fields[name];
  if (!Array.isArray(value)) throw new Error(`${name} is not a sequence`);
  return Uint8Array.from(value as readonly bigint[], Number);
}
