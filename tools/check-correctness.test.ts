import { describe, expect, it } from 'vitest';
import { LIBRARY_CALLS } from '../common/model/libraryCalls';
import { ATTR } from '../common/model/span';
import { readCallTable, summarize } from './check-correctness';
import { compare, type ProblemKind } from './correctness/compare';
import { collectSpans, parseExpected, type CheckedSpan } from './correctness/expected';

const table = readCallTable();
const TRACE = '0'.repeat(16) + 'aaaaaaaaaaaaaaaa';
const REQUEST = 'bbbbbbbbbbbbbbbb';
const WORK = 'cccccccccccccccc';
const RESULTS: Readonly<Record<string, number>> = {
  getpid: 100,
  getppid: 7,
  gettid: 101,
  open: 4,
  write: 12,
};

const values = { path: '/tmp/x', fd: '4', bytes: '12', buffer: '0x1000', sleep: '0x2000', futex: '0x3000' };
const calls = table.calls.map(({ call }, index) => ({ call, line: 50 + index, result: RESULTS[call] ?? 0 }));
const stdout = [
  {
    program: {
      name: 'correctness',
      pid: 100,
      source: '/home/a/correctness/correctness.cpp',
      threads: 1,
      works: 1,
    },
  },
  {
    work: { thread: 0, index: 0, tid: 101, traceId: TRACE, requestId: REQUEST, spanId: WORK, values, calls },
  },
  { tracer: { finished: 2, reported: 2, dropped: 0 } },
]
  .map((line) => JSON.stringify(line))
  .join('\n');

function userSpan(name: string, spanId: string, parentSpanId?: string): CheckedSpan {
  return {
    traceId: TRACE,
    spanId,
    name,
    origin: 'user',
    startNs: 1n,
    attributes: {},
    ...(parentSpanId ? { parentSpanId } : {}),
  };
}

/** The spans of a perfect recording, without those of the vDSO unless asked for. */
function recorded(vdsoHidden: boolean): CheckedSpan[] {
  const kernel = table.calls.flatMap((row, index): CheckedSpan[] => {
    if (row.vdso === true && !vdsoHidden) return [];
    const args = Object.entries(row.args).map(([name, value]) => {
      const found = value.startsWith('$') ? values[value.slice(1) as keyof typeof values] : value;
      // As the agent types them: plain numbers are numbers.
      return [
        ATTR.syscallArgPrefix + name,
        /^\d+$/.test(found) && name !== 'mode' ? Number(found) : found,
      ] as const;
    });
    return [
      {
        traceId: TRACE,
        spanId: `d${index}`.padStart(16, '0'),
        parentSpanId: WORK,
        name: row.syscall,
        origin: 'kernel',
        startNs: BigInt(10 + index),
        attributes: {
          ...Object.fromEntries(args),
          [ATTR.syscallRet]: calls[index]?.result ?? 0,
          [ATTR.osTid]: 101,
          [ATTR.pid]: 100,
          [ATTR.codeFile]: '/build/correctness/correctness.cpp',
          [ATTR.codeLine]: 50 + index,
        },
      },
    ];
  });
  return [userSpan('request', REQUEST), userSpan('work', WORK, REQUEST), ...kernel];
}

const run = (spans: readonly CheckedSpan[], vdsoHidden = false): ReturnType<typeof compare> =>
  compare(parseExpected(stdout), spans, table, { vdsoHidden });

const kinds = (spans: readonly CheckedSpan[], vdsoHidden = false): ProblemKind[] =>
  run(spans, vdsoHidden).problems.map(({ kind }) => kind);

/** A perfect recording with one system call's span changed. */
const altered = (name: string, change: (span: CheckedSpan) => CheckedSpan | undefined): CheckedSpan[] =>
  recorded(false).flatMap((span) =>
    span.name === name && span.origin === 'kernel' ? (change(span) ?? []) : [span],
  );

const withAttribute = (key: string, value: unknown) => (span: CheckedSpan) => ({
  ...span,
  attributes: { ...span.attributes, [key]: value },
});

describe('the table of calls', () => {
  it('explains each call of another name as the product does', () => {
    const renamed = table.calls.filter(({ call, syscall }) => call !== syscall);
    expect(renamed.map(({ call }) => call)).toEqual(['nanosleep', 'open', 'fstat']);
    for (const { call, syscall, why } of renamed) {
      const explained = LIBRARY_CALLS.find((one) => one.functions.includes(call) && one.syscall === syscall);
      expect(explained?.why).toBe(why);
    }
  });
});

describe('check-correctness', () => {
  it('accepts a perfect recording and explains the call that the vDSO answers', () => {
    const report = run(recorded(false));
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ callsMade: 10, callsRight: 9 });
    expect(summarize(report)).toMatch(/explained: gettimeofday has no span \(1 times\). The vDSO/);
  });

  it('wants all ten when the vDSO is hidden', () => {
    expect(run(recorded(true), true)).toMatchObject({
      callsMade: 10,
      callsRight: 10,
      problems: [],
      explained: [],
    });
    expect(kinds(recorded(false), true)).toEqual(['missing']);
  });

  it('takes them too when the vDSO itself made the system calls', () => {
    expect(run(recorded(true))).toMatchObject({ callsMade: 10, callsRight: 10, problems: [], explained: [] });
  });

  it.each<[string, CheckedSpan[], ProblemKind[]]>([
    ['a missing call', altered('write', () => undefined), ['missing']],
    ['a wrong argument', altered('write', withAttribute(`${ATTR.syscallArgPrefix}count`, 13)), ['arguments']],
    ['a wrong result', altered('openat', withAttribute(ATTR.syscallRet, -2)), ['result']],
    ['a wrong thread', altered('close', withAttribute(ATTR.osTid, 102)), ['thread']],
    ['a wrong line', altered('futex', withAttribute(ATTR.codeLine, 58)), ['line-wrong']],
    ['a wrong file', altered('futex', withAttribute(ATTR.codeFile, '/usr/include/x.h')), ['line-wrong']],
    ['no line', altered('futex', withAttribute(ATTR.codeLine, undefined)), ['line-unknown']],
    ['a wrong order', altered('getpid', (span) => ({ ...span, startNs: 99n })), ['order']],
    ['an unfinished call', altered('close', withAttribute(ATTR.unfinished, 'lost')), ['unfinished']],
    [
      'a call under the request',
      altered('close', (span) => ({ ...span, parentSpanId: REQUEST })),
      ['missing', 'extra'],
    ],
    [
      'a call under nothing',
      altered('close', (span) => ({ ...span, parentSpanId: 'e'.repeat(16) })),
      ['missing', 'extra'],
    ],
    ['no work span', recorded(false).filter(({ name }) => name !== 'work'), ['user-span']],
    ['no request span', recorded(false).filter(({ name }) => name !== 'request'), ['user-span']],
  ])('reports %s', (_name, spans, expected) => {
    expect(kinds(spans)).toEqual(expected);
  });

  it('reports a call made twice', () => {
    const twice = recorded(false).flatMap((span) =>
      span.name === 'close' ? [span, { ...span, spanId: 'f'.repeat(16) }] : [span],
    );
    expect(kinds(twice)).toEqual(['extra']);
  });

  it('explains the clock read of an inline Finish without vDSO, once a span', () => {
    const clock = (id: string): CheckedSpan => ({
      ...(recorded(true)[2] as CheckedSpan),
      spanId: id,
      name: 'clock_gettime',
      startNs: 90n,
    });
    expect(run([...recorded(true), clock('1')], true)).toMatchObject({
      problems: [],
      explained: [{ count: 1 }],
    });
    expect(kinds([...recorded(true), clock('1'), clock('2')], true)).toEqual(['extra']);
    expect(kinds([...recorded(false), clock('1')])).toEqual(['extra']);
  });

  it('ignores other traces and takes the last delivery of a span', () => {
    const json = JSON.parse(
      JSON.stringify(
        {
          spans: [
            ...altered('close', withAttribute(ATTR.codeLine, 1)),
            ...recorded(false),
            { ...userSpan('x', 'y'), traceId: 'other' },
          ],
        },
        (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
      ),
    ) as unknown;
    expect(kinds(collectSpans([json]))).toEqual([]);
  });

  it('refuses the output of a run that did not finish', () => {
    expect(() => parseExpected(stdout.split('\n').slice(0, 2).join('\n'))).toThrow('not the whole output');
    expect(() => parseExpected(stdout.replace('"threads":1', '"threads":2'))).toThrow('lists 1');
  });
});
