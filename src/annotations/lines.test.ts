import { describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import { ATTR, type Span, type SpanId, type TraceId } from '../../common/model/span';
import { byFunction, heat, lineText, linesByFile } from './lines';

let counter = 0;
function call(
  name: string,
  line: number,
  micros: number,
  options: { error?: true; file?: string; fn?: string; open?: true } = {},
): Span {
  counter += 1;
  return {
    traceId: 't'.repeat(32) as TraceId,
    spanId: String(counter).padStart(16, '0') as SpanId,
    name,
    kind: 'internal',
    origin: 'kernel',
    service: 's',
    startNs: ns(1000n),
    ...(options.open === true ? {} : { endNs: ns(1000n + BigInt(micros * 1000)) }),
    status: { code: options.error === true ? 'error' : 'unset' },
    attributes: {
      [ATTR.codeFile]: options.file ?? '/a.c',
      [ATTR.codeLine]: BigInt(line),
      [ATTR.codeFunction]: options.fn ?? 'f',
    },
    events: [],
    links: [],
  };
}

describe('linesByFile', () => {
  it('adds up calls by file, line and name and keeps the slowest', () => {
    const slow = call('write', 7, 30);
    const lines = linesByFile([
      call('write', 7, 10),
      slow,
      call('close', 7, 1, { error: true }),
      call('read', 3, 5),
      call('x', 1, 1, { file: '/b.c' }),
    ]);
    expect([...lines.keys()]).toEqual(['/a.c', '/b.c']);
    const a = lines.get('/a.c') ?? [];
    expect(a.map(({ line, totalNs }) => [line, totalNs])).toEqual([
      [3, 5000],
      [7, 41000],
    ]);
    expect(a[1]?.calls).toEqual([
      {
        name: 'write',
        count: 2,
        errors: 0,
        totalNs: 40000,
        maxNs: 30000,
        slowest: { traceId: slow.traceId, spanId: slow.spanId },
      },
      expect.objectContaining({ name: 'close', count: 1, errors: 1 }),
    ]);
  });

  it('leaves out user spans and calls without a line, and counts unfinished ones without a duration', () => {
    const user: Span = { ...call('u', 1, 1), origin: 'user' };
    const nowhere: Span = { ...call('brk', 1, 1), attributes: {} };
    const lines = linesByFile([user, nowhere, call('read', 2, 9, { open: true })]);
    expect(lines.get('/a.c')).toEqual([expect.objectContaining({ line: 2, totalNs: 0 })]);
  });
});

describe('lineText', () => {
  it.each([
    [[call('write', 1, 3400)], 'write · 3.4 ms'],
    [[call('write', 1, 1), call('write', 1, 1)], 'write ×2 · 2 µs'],
    [[call('open', 1, 5, { error: true })], 'open failed · 5 µs'],
    [[call('open', 1, 5, { error: true }), call('open', 1, 5)], 'open ×2 (1 failed) · 10 µs'],
    [[call('a', 1, 4), call('b', 1, 3), call('c', 1, 2), call('d', 1, 1)], 'a, b, 2 more · 10 µs'],
  ])('%#', (spans, text) => {
    const [line] = linesByFile(spans).get('/a.c') ?? [];
    expect(line && lineText(line)).toBe(text);
  });
});

describe('heat', () => {
  it('spans the levels and keeps small shares visible', () => {
    const [line] = linesByFile([call('a', 1, 100)]).get('/a.c') ?? [];
    if (line === undefined) throw new Error('no line');
    expect([100_000, 400_000, 10_000_000].map((heaviest) => heat(line, heaviest, 5))).toEqual([4, 2, 0]);
    expect(heat(line, 0, 5)).toBe(0);
  });
});

describe('byFunction', () => {
  it('sums the lines of a function', () => {
    const lines =
      linesByFile([call('a', 4, 1), call('b', 9, 2), call('c', 20, 3, { fn: 'g' })]).get('/a.c') ?? [];
    expect(byFunction(lines)).toEqual([
      { name: 'f', firstLine: 4, calls: 2, totalNs: 3000 },
      { name: 'g', firstLine: 20, calls: 1, totalNs: 3000 },
    ]);
  });
});
