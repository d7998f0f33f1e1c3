/** Compares the system calls that a program is known to have made with the spans that Skua recorded. Pure. */
import { ATTR } from '../../common/model/span';
import {
  argumentOf,
  type CallRow,
  type CallTable,
  type CheckedSpan,
  type Expected,
  type ExpectedCall,
  type ExpectedWork,
  type ExtraRow,
} from './expected';

export type ProblemKind =
  | 'missing'
  | 'extra'
  | 'arguments'
  | 'result'
  | 'thread'
  | 'line-wrong'
  | 'line-unknown'
  | 'order'
  | 'unfinished'
  | 'user-span';

export interface Problem {
  readonly kind: ProblemKind;
  readonly where: string;
  readonly message: string;
}

/** Calls without a span, or spans without a call, that are as they must be. */
export interface Explanation {
  readonly what: string;
  readonly why: string;
  readonly count: number;
}

export interface Report {
  readonly callsMade: number;
  /** Calls whose span is right in everything: parent, thread, arguments, result, line. */
  readonly callsRight: number;
  readonly problems: readonly Problem[];
  readonly explained: readonly Explanation[];
}

export interface CompareOptions {
  /** The vDSO was hidden from the program: each call that it answers otherwise must have its span. */
  readonly vdsoHidden: boolean;
}

export function compare(
  expected: Expected,
  spans: readonly CheckedSpan[],
  table: CallTable,
  options: CompareOptions,
): Report {
  const checker = new Checker(expected, spans, table, options);
  return checker.run();
}

class Checker {
  private readonly problems: Problem[] = [];
  private readonly explained = new Map<string, Explanation>();
  private readonly children = new Map<string, CheckedSpan[]>();
  private readonly userSpans = new Map<string, CheckedSpan>();
  /** Whether calls that the vDSO could answer entered the kernel. */
  private readonly vdsoBypassed: boolean;
  private made = 0;
  private right = 0;

  constructor(
    private readonly expected: Expected,
    spans: readonly CheckedSpan[],
    private readonly table: CallTable,
    options: CompareOptions,
  ) {
    const traces = new Set(expected.works.map((work) => work.traceId));
    for (const span of spans) {
      if (!traces.has(span.traceId)) continue;
      if (span.origin === 'user') this.userSpans.set(`${span.traceId}/${span.spanId}`, span);
      else this.child(`${span.traceId}/${span.parentSpanId ?? ''}`).push(span);
    }
    // Not only where it was hidden: with a clock source that user space cannot read, the vDSO makes the system call itself.
    const names = new Set(table.calls.filter(({ vdso }) => vdso === true).map(({ syscall }) => syscall));
    this.vdsoBypassed =
      options.vdsoHidden ||
      [...this.children.values()].some((list) => list.some(({ name }) => names.has(name)));
    for (const list of this.children.values()) list.sort((a, b) => (a.startNs < b.startNs ? -1 : 1));
  }

  run(): Report {
    if (this.expected.userSpansDropped > 0) {
      this.problem(
        'user-span',
        'program',
        `The tracer dropped ${this.expected.userSpansDropped} user spans.`,
      );
    }
    const requests = new Set<string>();
    for (const work of this.expected.works) {
      this.checkWork(work);
      requests.add(`${work.traceId}/${work.requestId}`);
    }
    // What was recorded outside of the work spans: under a request, or under nothing that exists.
    for (const [parent, list] of this.children) {
      for (const row of this.table.extras)
        this.explainExtras(list, row, requests.has(parent) ? 'request' : 'other');
      for (const span of list) {
        this.problem(
          'extra',
          parent,
          `${describe(span)} is under ${requests.has(parent) ? 'a request' : 'no known span'}.`,
        );
      }
    }
    return {
      callsMade: this.made,
      callsRight: this.right,
      problems: this.problems,
      explained: [...this.explained.values()],
    };
  }

  private child(key: string): CheckedSpan[] {
    let list = this.children.get(key);
    if (list === undefined) this.children.set(key, (list = []));
    return list;
  }

  private checkWork(work: ExpectedWork): void {
    const where = `thread ${work.thread} work ${work.index}`;
    const key = `${work.traceId}/${work.spanId}`;
    const own = this.userSpans.get(key);
    if (own === undefined) this.problem('user-span', where, 'The work span itself did not arrive.');
    else if (own.name !== 'work' || own.parentSpanId !== work.requestId) {
      this.problem('user-span', where, `The span is ${own.name} under ${own.parentSpanId ?? 'nothing'}.`);
    }
    if (!this.userSpans.has(`${work.traceId}/${work.requestId}`)) {
      this.problem('user-span', where, 'The request span did not arrive.');
    }
    const list = this.child(key);
    this.children.delete(key);
    let previous: CheckedSpan | undefined;
    for (const call of work.calls) {
      this.made += 1;
      const row = this.row(call.call);
      const at = list.findIndex((span) => span.name === row.syscall && this.argumentsMatch(span, row, work));
      const index = at >= 0 ? at : list.findIndex((span) => span.name === row.syscall);
      const span = list[index];
      if (span === undefined) {
        this.missing(where, call, row);
        continue;
      }
      list.splice(index, 1);
      if (this.checkCall(where, span, call, row, work)) this.right += 1;
      if (previous !== undefined && previous.startNs > span.startNs) {
        this.problem('order', where, `${span.name} starts before ${previous.name}, which was called first.`);
      }
      previous = span;
    }
    for (const row of this.table.extras) this.explainExtras(list, row, 'work');
    for (const span of list) this.problem('extra', where, `${describe(span)} was not called by the program.`);
  }

  private missing(where: string, call: ExpectedCall, row: CallRow): void {
    if (row.vdso === true && !this.vdsoBypassed) this.explain(`${call.call} has no span`, row.why);
    else this.problem('missing', where, `${call.call} (line ${call.line}): no ${row.syscall} span.`);
  }

  private checkCall(
    where: string,
    span: CheckedSpan,
    call: ExpectedCall,
    row: CallRow,
    work: ExpectedWork,
  ): boolean {
    const before = this.problems.length;
    for (const [name, value] of Object.entries(row.args)) {
      const wanted = resolve(value, work);
      const got = argumentOf(span, name);
      if (text(got) !== wanted) {
        this.problem('arguments', where, `${span.name} ${name} is ${text(got)}, not ${wanted}.`);
      }
    }
    const ret = span.attributes[ATTR.syscallRet];
    if (text(ret) !== String(call.result)) {
      this.problem('result', where, `${span.name} returned ${text(ret)}, the program saw ${call.result}.`);
    }
    const tid = span.attributes[ATTR.osTid];
    const pid = span.attributes[ATTR.pid];
    if (text(tid) !== String(work.tid) || text(pid) !== String(this.expected.pid)) {
      this.problem(
        'thread',
        where,
        `${span.name} ran in ${text(pid)}/${text(tid)}, not ${this.expected.pid}/${work.tid}.`,
      );
    }
    const unfinished = span.attributes[ATTR.unfinished];
    if (unfinished !== undefined)
      this.problem('unfinished', where, `${span.name} is unfinished: ${text(unfinished)}.`);
    const line = span.attributes[ATTR.codeLine];
    const file = text(span.attributes[ATTR.codeFile]);
    if (line === undefined) {
      const why = text(span.attributes[ATTR.sourceUnknown]);
      this.problem('line-unknown', where, `${span.name} has no source line (${why}); it is ${call.line}.`);
    } else if (text(line) !== String(call.line) || !sameFile(file, this.expected.source)) {
      this.problem(
        'line-wrong',
        where,
        `${span.name} is at ${file}:${text(line)}, not at line ${call.line}.`,
      );
    }
    return this.problems.length === before;
  }

  /** Takes the spans that the row explains out of `list`. */
  private explainExtras(list: CheckedSpan[], row: ExtraRow, under: 'work' | 'request' | 'other'): void {
    if (under === 'other' || (row.under !== 'any' && row.under !== under)) return;
    if (row.onlyWithoutVdso === true && !this.vdsoBypassed) return;
    let left = row.perSpan ?? Number.POSITIVE_INFINITY;
    for (let i = 0; i < list.length && left > 0;) {
      const span = list[i] as CheckedSpan;
      const stack = text(span.attributes[ATTR.codeStacktrace]);
      if (span.name === row.syscall && (row.stack === undefined || new RegExp(row.stack).test(stack))) {
        list.splice(i, 1);
        left -= 1;
        this.explain(`${row.syscall} under ${under}`, row.why);
      } else {
        i += 1;
      }
    }
  }

  private argumentsMatch(span: CheckedSpan, row: CallRow, work: ExpectedWork): boolean {
    return Object.entries(row.args).every(
      ([name, value]) => text(argumentOf(span, name)) === resolve(value, work),
    );
  }

  private row(call: string): CallRow {
    const row = this.table.calls.find((candidate) => candidate.call === call);
    if (row === undefined) throw new Error(`calls.json has no row for ${call}.`);
    return row;
  }

  private explain(what: string, why: string): void {
    this.explained.set(what, { what, why, count: (this.explained.get(what)?.count ?? 0) + 1 });
  }

  private problem(kind: ProblemKind, where: string, message: string): void {
    this.problems.push({ kind, where, message });
  }
}

function resolve(value: string, work: ExpectedWork): string {
  if (!value.startsWith('$')) return value;
  const found = work.values[value.slice(1)];
  if (found === undefined) throw new Error(`The program printed no value ${value}.`);
  return found;
}

function text(value: unknown): string {
  if (value === undefined) return 'absent';
  return typeof value === 'string'
    ? value
    : typeof value === 'bigint'
      ? value.toString()
      : JSON.stringify(value);
}

/** The same file, whatever folder it was uploaded to. */
function sameFile(a: string, b: string): boolean {
  const tail = (path: string): string => path.split('/').slice(-2).join('/');
  return a === b || tail(a) === tail(b);
}

function describe(span: CheckedSpan): string {
  const file = span.attributes[ATTR.codeFile];
  const line = span.attributes[ATTR.codeLine];
  const place = file === undefined ? '' : ` at ${text(file)}:${text(line)}`;
  return `${span.name}${place} (thread ${text(span.attributes[ATTR.osTid])})`;
}
