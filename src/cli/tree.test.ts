import { describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import { NO_LOSS } from '../../common/model/loss';
import type { Span, SpanId, TraceId } from '../../common/model/span';
import { localPath } from './source-path';
import { renderLoss, renderTraces } from './render';
import { PLAIN } from './style';
import { buildTrees, foldSiblings, type TraceTree } from './tree';

const T0 = 1_700_000_000_000_000_000n;
const TRACE = '0'.repeat(31) + '1';

/** A span in few words; times in µs after T0. */
function span(
  id: number,
  name: string,
  parent: number | undefined,
  start: number,
  end: number | undefined,
  more: Partial<Span> = {},
): Span {
  return {
    traceId: TRACE as TraceId,
    spanId: id.toString(16).padStart(16, '0') as SpanId,
    ...(parent === undefined ? {} : { parentSpanId: parent.toString(16).padStart(16, '0') as SpanId }),
    name,
    kind: 'internal',
    origin: 'user',
    service: 'shop',
    startNs: ns(T0 + BigInt(start) * 1000n),
    ...(end === undefined ? {} : { endNs: ns(T0 + BigInt(end) * 1000n) }),
    status: { code: 'unset' },
    attributes: {},
    events: [],
    links: [],
    ...more,
  };
}

function syscall(
  id: number,
  name: string,
  parent: number,
  start: number,
  end: number | undefined,
  attributes: Span['attributes'],
  more: Partial<Span> = {},
): Span {
  return span(id, name, parent, start, end, { origin: 'kernel', attributes, ...more });
}

const write = (id: number, parent: number, at: number, count: bigint): Span =>
  syscall(id, 'write', parent, at, at + 5, {
    'skua.syscall.args': ['fd', 'count'],
    'skua.syscall.arg.fd': 3,
    'skua.syscall.arg.count': count,
    'skua.syscall.ret': count,
    'skua.fd.path': '/tmp/x',
    'code.file.path': '/r/work/p/main.cpp',
    'code.line.number': 42,
  });

const sample: readonly Span[] = [
  // Out of order on purpose: parents are reported after their children.
  write(11, 3, 30, 100n),
  span(3, 'work', 1, 25, 60),
  write(10, 2, 10, 7n),
  syscall(
    12,
    'openat',
    2,
    16,
    20,
    {
      'skua.syscall.args': ['filename'],
      'skua.syscall.arg.filename': '/nowhere',
      'skua.syscall.errno': 'ENOENT',
      'skua.syscall.ret': -2,
      'code.file.path': '/r/work/p/main.cpp',
      'code.line.number': 50,
    },
    { status: { code: 'error', message: 'ENOENT' } },
  ),
  span(2, 'work', 1, 5, 22),
  syscall(13, 'futex', 3, 40, undefined, { 'skua.unfinished': 'killed', 'skua.lost_events': 2 }),
  write(14, 3, 36, 1n),
  span(1, 'request', undefined, 0, 100, {
    status: { code: 'error', message: 'no such item' },
    events: [
      { timeNs: ns(T0 + 1000n), name: 'sched_switch', attributes: {} },
      { timeNs: ns(T0 + 2000n), name: 'page_fault_user', attributes: {} },
      { timeNs: ns(T0 + 3000n), name: 'page_fault_user', attributes: {} },
    ],
  }),
  syscall(15, 'getpid', 99, 70, 71, { 'skua.syscall.args': [], 'skua.syscall.ret': 4711 }),
];

const options = {
  style: PLAIN,
  fold: true,
  events: true,
  maxTraces: 20,
  path: localPath([['/r/work/p', '/home/me/p']], '/home/me/p'),
};

describe('renderTraces', () => {
  it('prints the merged tree: nesting, order, arguments, results, lines, events, folding, loss', () => {
    expect(renderTraces(buildTrees(sample), options)).toEqual([
      'trace 00000000000000000000000000000001  shop  100 µs  9 spans, 6 system calls',
      '├─ request  100 µs  error: no such item',
      '│  │ · sched_switch +1 µs, page_fault_user ×2 from +2 µs',
      '│  ├─ work  17 µs',
      '│  │  ├─ write(fd=3, count=7) = 7 </tmp/x>  5 µs  main.cpp:42',
      '│  │  └─ openat(filename="/nowhere") = -1 ENOENT  4 µs  main.cpp:50',
      '│  └─ work  35 µs',
      '│     ├─ write(fd=3, count=100) = 100 </tmp/x> ×2  total 10 µs  main.cpp:42',
      '│     └─ futex()  unfinished  (killed)  (2 events lost meanwhile)',
      '└─ (span 0000000000000063 was not reported)',
      '   └─ getpid() = 4711  1 µs',
      '',
    ]);
  });

  it('says what a call waited for, who ended it and in which span that one was', () => {
    const times = (onCpu: number, runnable: number, blocked: number) => ({
      'skua.syscall.args': [],
      'skua.time.on_cpu_ns': onCpu,
      'skua.time.runnable_ns': runnable,
      'skua.time.blocked_ns': blocked,
    });
    const waker = (id: number) => ({
      'skua.waker.name': 'bank',
      'skua.waker.pid': 1230,
      'skua.waker.tid': 1234,
      'skua.waker.trace_id': TRACE,
      'skua.waker.span_id': '00000000000000ff',
      'skua.waker.user_span_id': id.toString(16).padStart(16, '0'),
    });
    const untraced = { 'skua.waker.name': 'kworker/1:2', 'skua.waker.pid': 61, 'skua.waker.tid': 61 };
    const lines = renderTraces(
      buildTrees([
        span(1, 'pay', undefined, 0, 100),
        span(2, 'authorize', 1, 0, 50),
        syscall(10, 'read', 1, 0, 20, { ...times(3000, 2000, 15_000), ...waker(2) }),
        syscall(11, 'read', 1, 20, 40, { ...times(19_900, 100, 0) }),
        syscall(12, 'futex', 1, 40, 50, { ...times(1000, 0, 9000), ...waker(3) }),
        syscall(13, 'fsync', 1, 50, 60, { ...times(1000, 0, 9000), ...untraced }),
        syscall(14, 'nanosleep', 1, 60, 70, { ...times(1000, 0, 9000), 'skua.waker.name': 'interrupt' }),
        syscall(15, 'poll', 1, 70, 80, { ...times(4000, 1000, 5000), ...waker(2) }),
        syscall(16, 'poll', 1, 80, 90, { ...times(4000, 1000, 5000), ...untraced }),
        syscall(17, 'getpid', 1, 90, 91, { 'skua.syscall.args': [], 'skua.time.unknown': 'events-lost' }),
      ]),
      options,
    );
    expect(lines.slice(2, -1)).toEqual([
      '   ├─ authorize  50 µs',
      '   ├─ read() ×2  total 40 µs  blocked 15 µs, runnable 2.1 µs',
      '   ├─ futex()  10 µs  blocked 9 µs, woken by bank/1234',
      '   ├─ fsync()  10 µs  blocked 9 µs, woken by kworker/1:2/61',
      '   ├─ nanosleep()  10 µs  blocked 9 µs, woken by an interrupt',
      '   ├─ poll() ×2  total 20 µs  blocked 10 µs, runnable 2 µs',
      '   └─ getpid()  1 µs',
    ]);
    const single = renderTraces(
      buildTrees([
        span(1, 'pay', undefined, 0, 100),
        span(2, 'authorize', 1, 0, 50),
        syscall(10, 'read', 1, 0, 20, { ...times(3000, 2000, 15_000), ...waker(2) }),
        syscall(11, 'write', 1, 20, 40, { ...times(19_900, 100, 0) }),
      ]),
      options,
    );
    expect(single.slice(3, -1)).toEqual([
      '   ├─ read()  20 µs  blocked 15 µs, woken by bank/1234 (authorize), runnable 2 µs',
      '   └─ write()  20 µs',
    ]);
  });

  it('prints siblings one by one without folding, and no events when told so', () => {
    const lines = renderTraces(buildTrees(sample), { ...options, fold: false, events: false });
    expect(lines.filter((line) => line.includes('write('))).toHaveLength(3);
    expect(lines.join('\n')).not.toContain('sched_switch');
  });

  it('prints no more traces than asked for and counts the rest', () => {
    const many = Array.from({ length: 5 }, (_unused, i) =>
      span(1, 'r', undefined, i, i + 1, { traceId: String(i).padStart(32, '0') as TraceId }),
    );
    const lines = renderTraces(buildTrees(many), { ...options, maxTraces: 2 });
    expect(lines.filter((line) => line.startsWith('trace '))).toHaveLength(2);
    expect(lines).toContain('… and 3 more traces with 3 spans (--traces N shows more)');
  });
});

describe('buildTrees', () => {
  it('survives spans that are their own ancestors', () => {
    const trees = buildTrees([
      span(1, 'a', 2, 0, 1),
      span(2, 'b', 1, 0, 1),
      span(3, 'c', 3, 0, 1),
      span(4, 'd', undefined, 0, 1),
      span(5, 'e', 1, 0, 1),
    ]);
    expect(trees).toHaveLength(1);
    const ids = (nodes: TraceTree['roots']): readonly string[] =>
      nodes.flatMap((node) =>
        'span' in node ? [node.span.name, ...ids(node.children)] : ids(node.children),
      );
    expect([...ids(trees[0]?.roots ?? [])].sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('folds subtrees only when they are the same inside', () => {
    const loop = (id: number, at: number, calls: number): Span[] => [
      span(id, 'work', 1, at, at + 10),
      ...Array.from({ length: calls }, (_unused, i) => write(id * 10 + i, id, at + i, 1n)),
    ];
    const [tree] = buildTrees([
      span(1, 'request', undefined, 0, 100),
      ...loop(2, 1, 2),
      ...loop(3, 20, 2),
      ...loop(4, 40, 3),
    ]);
    const root = tree?.roots[0];
    const folded = foldSiblings(root !== undefined && 'span' in root ? root.children : []);
    expect(
      folded.map(({ count, totalNs, children }) => [count, totalNs, children.map((child) => child.count)]),
    ).toEqual([
      [2, 20_000n, [2]],
      [1, 10_000n, [3]],
    ]);
  });
});

describe('renderLoss', () => {
  it('says that nothing was lost, or what was and where', () => {
    expect(renderLoss({ ...NO_LOSS, eventsDecoded: 5 }, PLAIN)).toEqual(['lost: nothing']);
    const loss = { ...NO_LOSS, issued: 700, bothLost: 600, exitLost: 2, ringBuffer: 1200, ssh: 3 };
    expect(renderLoss(loss, PLAIN).map((line) => line.replace(/\. .*/, ''))).toEqual([
      'lost: 1,200 events, 600 system calls, 3 spans',
      '  1,200 events lost in full kernel buffers',
      '  600 system calls without a span: entry and exit lost',
      '  2 system calls without an end: exit lost',
      '  3 spans of system calls dropped: the connection was too slow',
      '700 system calls made inside spans, 97 delivered',
    ]);
    expect(renderLoss({ ...NO_LOSS, exitLost: 1 }, PLAIN)[0]).toBe('lost: nothing, but not all is complete');
  });
});
