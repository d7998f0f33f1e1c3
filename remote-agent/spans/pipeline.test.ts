import { describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import type { CtfItem } from '../../common/ctf/types';
import { ATTR, type Attributes, type Span, type SpanId, type TraceId } from '../../common/model/span';
import { AttributeList, KernelSpan } from './kernelSpan';
import { SpanPipeline } from './pipeline';
import { Services, type Delivery } from './services';
import { SourceLines, type StackResolver } from './sourceLines';
import { UserSpans, type UserDelivery } from './userSpans';

const TRACE = '0000000000000000000000000000000a' as TraceId;
const id = (n: number): SpanId => n.toString(16).padStart(16, '0') as SpanId;
const span = (n: number, more: Partial<Span> = {}): Span => ({
  traceId: TRACE,
  spanId: id(n),
  name: `span ${n}`,
  kind: 'internal',
  origin: 'user',
  service: 'svc',
  startNs: ns(100n),
  endNs: ns(200n),
  status: { code: 'unset' },
  attributes: {},
  events: [],
  links: [],
  ...more,
});

const kernelSpan = (n: number, pid: number): KernelSpan =>
  new KernelSpan(
    {
      id: BigInt(n),
      pid,
      traceId: TRACE,
      parentSpanId: id(100),
      name: 'getpid',
      processName: 'a.out',
      startNs: ns(100n),
      endNs: ns(200n),
      status: { code: 'unset' },
      events: [],
      links: [],
    },
    new AttributeList(),
  );

/** What is delivered as not final may change afterwards. */
const now = ({ span, final }: Delivery): Delivery => ({
  span: { ...span, spanId: span.spanId, attributes: span.attributes },
  final,
});

describe('UserSpans', () => {
  const event = (timeNs: bigint) => ({ timeNs: ns(timeNs), name: 'sched_switch', attributes: {} });
  const sign = (n: number, timeNs?: bigint) => ({
    traceId: TRACE,
    spanId: id(n),
    pid: 7,
    timeNs: timeNs ?? 150n,
    processName: 'prog',
    ...(timeNs === undefined ? {} : { event: event(timeNs) }),
  });

  it('shows a reported span at once and makes it final with the kernel events that came late', () => {
    const out: UserDelivery[] = [];
    const spans = new UserSpans((d) => out.push(d));
    spans.kernel(sign(1, 150n), 0);
    spans.report(span(1, { events: [event(160n)] }), 10);
    spans.kernel(sign(1, 120n), 20);
    spans.tick(100);
    expect(out.map((d) => [d.final, d.span.events.map((e) => e.timeNs)])).toEqual([[false, [150n, 160n]]]);
    spans.tick(400);
    expect(out[1]).toMatchObject({ final: true, pid: 7, reported: true });
    expect(out[1]?.span.events.map((e) => e.timeNs)).toEqual([120n, 150n, 160n]);
    spans.tick(500);
    expect(out).toHaveLength(2);
    expect(spans.reported).toBe(1);
  });

  it('delivers again, not as final, when an event comes after that', () => {
    const out: UserDelivery[] = [];
    const spans = new UserSpans((d) => out.push(d));
    spans.report(span(1), 0);
    spans.tick(400);
    spans.kernel(sign(1, 150n), 500);
    spans.tick(900);
    spans.finish('not-reported');
    expect(out.map((d) => [d.final, d.span.events.length])).toEqual([
      [false, 0],
      [true, 0],
      [false, 1],
    ]);
  });

  it('puts an honest placeholder for a span in progress, and says at the end that it was not reported', () => {
    const out: UserDelivery[] = [];
    const spans = new UserSpans((d) => out.push(d));
    spans.kernel(sign(1, 150n), 0);
    spans.tick(100);
    expect(out).toEqual([]);
    spans.tick(300);
    spans.tick(600);
    spans.finish('not-reported');
    expect(
      out.map((d) => [d.final, d.reported, d.span.name, d.span.endNs, d.span.attributes[ATTR.unfinished]]),
    ).toEqual([
      [false, false, '(span in progress)', undefined, undefined],
      [true, false, '(span not reported)', undefined, 'not-reported'],
    ]);
    expect(out[1]?.span.events).toHaveLength(1);
    expect(spans.reported).toBe(0);
  });
});

describe('Services', () => {
  it('names kernel spans after the service their process reports, final exactly once', () => {
    const out: Delivery[] = [];
    const services = new Services((d) => out.push(now(d)), 3000);
    services.kernel(kernelSpan(1, 7), true, 0);
    services.learn(7, 'shop');
    services.kernel(kernelSpan(2, 7), true, 10);
    services.kernel(kernelSpan(3, 8), true, 0);
    services.tick(2999);
    services.tick(3000);
    services.kernel(kernelSpan(4, 9), true, 4000);
    services.finish();
    expect(out.map((d) => [d.span.spanId.slice(-1), d.span.service, d.final])).toEqual([
      ['1', 'a.out', false],
      ['1', 'shop', true],
      ['2', 'shop', true],
      ['3', 'a.out', false],
      ['3', 'a.out', true],
      ['4', 'a.out', false],
      ['4', 'a.out', true],
    ]);
  });
});

describe('Services of a process that reports nothing', () => {
  it('are waited for once, and learnt all the same', () => {
    const out: Delivery[] = [];
    const services = new Services((d) => out.push(now(d)), 3000);
    services.kernel(kernelSpan(1, 7), true, 0);
    services.tick(3000);
    services.kernel(kernelSpan(2, 7), true, 3001);
    services.learn(7, 'shop');
    services.kernel(kernelSpan(3, 7), true, 3002);
    services.finish();
    expect(out.map((d) => [d.span.spanId.slice(-1), d.span.service, d.final])).toEqual([
      ['1', 'a.out', false],
      ['1', 'a.out', true],
      ['2', 'a.out', true],
      ['3', 'shop', true],
    ]);
  });
});

describe('SourceLines', () => {
  function setUp(): {
    lines: SourceLines;
    out: Delivery[];
    calls: string[];
    answer: (attributes?: Attributes[]) => Promise<void>;
    /** What the resolver can tell at once. */
    remembered: Map<number, Attributes>;
  } {
    const remembered = new Map<number, Attributes>();
    const out: Delivery[] = [];
    const calls: string[] = [];
    const open: ((value: readonly Attributes[]) => void)[] = [];
    const resolver: StackResolver = {
      mapping: (pid) => calls.push(`mapping ${pid}`),
      exec: (pid) => calls.push(`exec ${pid}`),
      resolve: (samples) => {
        calls.push(`resolve ${samples.map((s) => s.bytes[0]).join(' ')}`);
        return new Promise((resolve) => open.push(resolve));
      },
      recall: (bytes) => remembered.get(bytes[0] ?? 0),
    };
    const lines = new SourceLines(resolver, (span, final) => out.push(now({ span, final })), 50);
    const answer = async (attributes: Attributes[] = [{ [ATTR.codeLine]: 12 }]): Promise<void> => {
      open.shift()?.(attributes);
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { lines, out, calls, answer, remembered };
  }
  const sample = (n: number) => ({ kind: 'sample', id: BigInt(n), pid: 7, stack: Uint8Array.of(n) }) as const;
  const kernel = (n: number, final = true) => ({ kind: 'span', span: kernelSpan(n, 7), final }) as const;
  const mapping = {
    kind: 'mapping',
    pid: 7,
    mapping: { start: 0n, end: 1n, pgoff: 0n, ino: 0n, devMajor: 0, devMinor: 0, path: '/x' },
  } as const;

  it('sends a span once when its line is there first, and keeps the order of stacks and mappings', async () => {
    const { lines, out, calls, answer } = setUp();
    lines.accept(sample(1), 0);
    lines.accept(mapping, 0);
    lines.accept(sample(2), 0);
    lines.accept({ kind: 'exec', pid: 7 }, 0);
    expect(calls).toEqual(['resolve 1', 'mapping 7', 'resolve 2', 'exec 7']);
    await answer();
    lines.accept(kernel(1), 1);
    expect(out.map((o) => [o.final, o.span.attributes[ATTR.codeLine]])).toEqual([[true, 12]]);
  });

  it('shows a span whose line is late, and sends it again with the line', async () => {
    const { lines, out, answer } = setUp();
    lines.accept(sample(1), 0);
    lines.accept(kernel(1), 0);
    lines.tick(10);
    expect(out).toEqual([]);
    lines.tick(60);
    lines.tick(100);
    await answer();
    expect(out.map((o) => [o.final, o.span.attributes[ATTR.codeLine]])).toEqual([
      [false, undefined],
      [true, 12],
    ]);
  });

  it('does not ask for what is known, but still has the files looked at; nor does it take it while something waits that may change it', async () => {
    const { lines, out, calls, answer, remembered } = setUp();
    remembered.set(1, { [ATTR.codeLine]: 10 });
    lines.accept(sample(1), 0);
    lines.accept(kernel(1), 0);
    expect(out.map((o) => [o.final, o.span.attributes[ATTR.codeLine]])).toEqual([[true, 10]]);
    lines.flush();
    lines.flush();
    expect(calls).toEqual(['resolve ']);
    await answer([]);
    lines.accept(sample(2), 0);
    lines.accept(sample(1), 0);
    lines.flush();
    expect(calls).toEqual(['resolve ', 'resolve 2 1']);
  });

  it('shows an open span with its line, and once more when it has ended', () => {
    const { lines, out, remembered } = setUp();
    remembered.set(1, { [ATTR.codeLine]: 10 });
    lines.accept(sample(1), 0);
    lines.accept(kernel(1, false), 0);
    lines.accept(kernel(1), 0);
    expect(out.map((o) => [o.final, o.span.attributes[ATTR.codeLine]])).toEqual([
      [false, 10],
      [true, 10],
    ]);
  });

  it('lets spans go without lines, saying why, when the helper cannot run', async () => {
    const out: Delivery[] = [];
    const lines = new SourceLines(
      {
        mapping: () => undefined,
        exec: () => undefined,
        resolve: () => Promise.reject(new Error('no helper')),
        recall: () => undefined,
      },
      (span, final) => out.push(now({ span, final })),
    );
    lines.accept(sample(1), 0);
    lines.accept(kernel(1), 0);
    await lines.drain();
    expect(out.map((o) => [o.final, o.span.attributes[ATTR.sourceUnknown]])).toEqual([
      [true, 'symbols-failed: no helper'],
    ]);
  });

  it('counts stacks whose definition was lost', async () => {
    const { lines, answer } = setUp();
    lines.accept(sample(1), 0);
    lines.accept(sample(2), 0);
    lines.tick(0);
    await answer([{ [ATTR.sourceUnknown]: 'stack-lost' }, { [ATTR.codeLine]: 1 }]);
    expect(lines.lost).toBe(1);
  });

  it('under overload leaves references out, and has definitions symbolized for those that refer to them', () => {
    const { lines, calls } = setUp();
    const stack = (n: number, bytes: number) =>
      ({ kind: 'sample', id: BigInt(n), pid: 7, stack: new Uint8Array(bytes).fill(n & 0xff) }) as const;
    for (let n = 0; n < 50_000; n += 1) lines.accept(stack(n, 8), 0);
    lines.tick(0);
    calls.length = 0;
    lines.accept(stack(50_001, 8), 0);
    lines.accept(stack(50_002, 80), 0);
    lines.tick(0);
    expect(calls).toEqual([`resolve ${50_002 & 0xff}`]);
    expect(lines.skipped).toBe(2);
  });

  it('drains: resolves only when every span has left', async () => {
    const { lines, out, answer } = setUp();
    lines.accept(sample(1), 0);
    lines.accept(kernel(1), 0);
    const drained = lines.drain();
    await answer();
    await drained;
    expect(out.map((o) => o.final)).toEqual([true]);
  });
});

describe('SpanPipeline', () => {
  it('asks for the lines of a batch of events as soon as it has it, not at the next tick', () => {
    const asked: number[] = [];
    const resolver: StackResolver = {
      mapping: () => undefined,
      exec: () => undefined,
      resolve: (samples) => {
        asked.push(samples.length);
        return Promise.resolve(samples.map(() => ({})));
      },
      recall: () => undefined,
    };
    const pipeline = new SpanPipeline(
      () => undefined,
      resolver,
      () => 0,
      false,
    );
    const entry = (n: number): CtfItem => ({
      kind: 'event',
      timestampNs: ns(100n),
      cpu: 0,
      name: 'syscall_entry_getpid',
      id: 0,
      eventClass: { id: 0, streamId: 0, name: 'syscall_entry_getpid' },
      context: {
        skua_trace_hi: 1n,
        skua_trace_lo: 2n,
        skua_span: 3n,
        skua_syscall: BigInt(n),
        skua_flags: 3,
        skua_stack: new Uint8Array(64),
        pid: 7,
        tid: 6 + n,
        procname: 'prog',
      },
      fields: {},
    });
    pipeline.items([entry(1), entry(2)], 0);
    expect(asked).toEqual([2]);
  });
});
