/** What examples/correctness prints of itself, and its table of calls. */
import { ATTR } from '../../common/model/span';

export interface ExpectedCall {
  readonly call: string;
  readonly line: number;
  readonly result: number;
}

export interface ExpectedWork {
  readonly thread: number;
  readonly index: number;
  readonly tid: number;
  readonly traceId: string;
  readonly requestId: string;
  readonly spanId: string;
  /** Values of arguments, by the names that the table uses with a `$`. */
  readonly values: Readonly<Record<string, string>>;
  readonly calls: readonly ExpectedCall[];
}

export interface Expected {
  readonly pid: number;
  /** Path of the program's source, as it was compiled. */
  readonly source: string;
  readonly threads: number;
  readonly worksPerThread: number;
  readonly works: readonly ExpectedWork[];
  readonly userSpansDropped: number;
}

/** One row of calls.json: which system call a library call becomes, and why. */
export interface CallRow {
  readonly call: string;
  readonly syscall: string;
  /** Decoded arguments as text, `$name` for a value that the program printed. */
  readonly args: Readonly<Record<string, string>>;
  readonly vdso?: boolean;
  readonly why: string;
}

/** A system call that may appear beside those of the program's text, with its explanation. */
export interface ExtraRow {
  readonly syscall: string;
  readonly under: 'any' | 'work' | 'request';
  readonly perSpan?: number;
  readonly onlyWithoutVdso?: boolean;
  /** Regular expression that the user stack must match. */
  readonly stack?: string;
  readonly why: string;
}

export interface CallTable {
  readonly calls: readonly CallRow[];
  readonly extras: readonly ExtraRow[];
}

interface ProgramLine {
  readonly program: {
    readonly pid: number;
    readonly source: string;
    readonly threads: number;
    readonly works: number;
  };
}
interface WorkLine {
  readonly work: ExpectedWork;
}
interface TracerLine {
  readonly tracer: { readonly dropped: number };
}

/** Reads the program's standard output. Throws when it is not that of a finished run. */
export function parseExpected(stdout: string): Expected {
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Partial<ProgramLine & WorkLine & TracerLine>);
  const program = lines.find((line) => line.program !== undefined)?.program;
  const tracer = lines.find((line) => line.tracer !== undefined)?.tracer;
  if (program === undefined || tracer === undefined) {
    throw new Error('This is not the whole output of examples/correctness.');
  }
  const works = lines.flatMap((line) => (line.work === undefined ? [] : [line.work]));
  if (works.length !== program.threads * program.works) {
    throw new Error(
      `The program announces ${program.threads} × ${program.works} works and lists ${works.length}.`,
    );
  }
  return {
    pid: program.pid,
    source: program.source,
    threads: program.threads,
    worksPerThread: program.works,
    works,
    userSpansDropped: tracer.dropped,
  };
}

/** A span as far as the comparison needs it: of the agent's model, or of its JSON. */
export interface CheckedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly origin: string;
  readonly startNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** All spans in parsed JSON of any shape; of several deliveries of one span the last counts. */
export function collectSpans(json: unknown): CheckedSpan[] {
  const found = new Map<string, CheckedSpan>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item);
    } else if (typeof value === 'object' && value !== null) {
      const object = value as Record<string, unknown>;
      if (
        typeof object['traceId'] === 'string' &&
        typeof object['spanId'] === 'string' &&
        'origin' in object
      ) {
        const span = object as unknown as CheckedSpan;
        found.set(`${span.traceId}/${span.spanId}`, {
          ...span,
          startNs: BigInt(object['startNs'] as string),
        });
      }
      for (const item of Object.values(object)) if (typeof item === 'object') visit(item);
    }
  };
  visit(json);
  return [...found.values()];
}

/** JSON text: one value, or one a line. */
export function parseJsonOrLines(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line) as unknown);
  }
}

export const argumentOf = (span: CheckedSpan, name: string): unknown =>
  span.attributes[ATTR.syscallArgPrefix + name];
