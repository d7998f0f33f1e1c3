import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import { ATTR, type Span, type SpanId, type TraceId } from '../../common/model/span';
import { Exporter, otlpHttpTarget } from '../../remote-agent/export/otlpExporter';
import { Jaeger, obtainJaeger, type JaegerSpan, type JaegerTrace } from './jaeger';

const TRACE = '0123456789abcdef0123456789abcdef' as TraceId;
const USER = '1111111111111111' as SpanId;
const SYSCALL = '2222222222222222' as SpanId;
const WAKER = '3333333333333333' as SpanId;
const START = ns(BigInt(Date.now()) * 1_000_000n);

const common = { traceId: TRACE, service: 'checkout', links: [] } as const;

const user: Span = {
  ...common,
  spanId: USER,
  name: 'POST /order',
  kind: 'server',
  origin: 'user',
  startNs: START,
  endNs: ns(START + 5_000_000n),
  status: { code: 'unset' },
  attributes: { 'http.status_code': 200 },
  events: [],
};

const syscall: Span = {
  ...common,
  spanId: SYSCALL,
  parentSpanId: USER,
  name: 'openat',
  kind: 'internal',
  origin: 'kernel',
  startNs: ns(START + 1_000_000n),
  endNs: ns(START + 1_250_000n),
  status: { code: 'error', message: 'ENOENT' },
  attributes: {
    [ATTR.syscallRet]: -2,
    [ATTR.syscallErrno]: 'ENOENT',
    [`${ATTR.syscallArgPrefix}filename`]: '/etc/missing',
    [ATTR.codeFile]: '/src/main.cpp',
    [ATTR.codeLine]: 42,
    [ATTR.onCpuNs]: 50_000,
    [ATTR.runnableNs]: 0,
    [ATTR.blockedNs]: 200_000,
    [ATTR.wakerName]: 'disk',
  },
  links: [{ traceId: TRACE, spanId: WAKER, attributes: { [ATTR.link]: 'waker', [ATTR.blockedNs]: 200_000 } }],
  events: [
    {
      timeNs: ns(START + 1_100_000n),
      name: 'sched_switch',
      attributes: { next_comm: 'swapper/0', prev_prio: 20n },
    },
  ],
};

const jaegerPath = obtainJaeger();

describe.skipIf(jaegerPath === undefined)('export to a real Jaeger (skipped without Go)', () => {
  let jaeger: Jaeger;
  let trace: JaegerTrace;

  beforeAll(async () => {
    jaeger = await Jaeger.start();
    const exporter = new Exporter(otlpHttpTarget(jaeger.otlpHttp), () => undefined);
    exporter.push(user);
    exporter.push(syscall);
    await exporter.close();
    expect(exporter.lost).toBe(0);
    trace = await jaeger.trace(TRACE, 2);
  });

  afterAll(async () => {
    await jaeger.dispose();
  });

  const span = (name: string): JaegerSpan => {
    const found = trace.spans.find(({ operationName }) => operationName === name);
    if (found === undefined) throw new Error(`Jaeger has no span ${name}.`);
    return found;
  };
  const tag = (from: JaegerSpan, key: string): unknown =>
    from.tags.find((candidate) => candidate.key === key)?.value;

  it('keeps ids, parents and the service', async () => {
    expect(trace.spans).toHaveLength(2);
    expect(span('openat')).toMatchObject({ traceID: TRACE, spanID: SYSCALL });
    // The link to the span that woke it becomes a second reference.
    expect(span('openat').references).toEqual([
      { refType: 'CHILD_OF', traceID: TRACE, spanID: USER },
      { refType: 'FOLLOWS_FROM', traceID: TRACE, spanID: WAKER },
    ]);
    expect(trace.processes[span('POST /order').processID]?.serviceName).toBe('checkout');
    expect(await jaeger.services()).toContain('checkout');
  });

  it('keeps times to the microsecond', () => {
    expect(span('openat').startTime).toBe(Number((START + 1_000_000n) / 1000n));
    expect(span('openat').duration).toBe(250);
    expect(span('POST /order').duration).toBe(5000);
  });

  it('keeps attributes, the error and kernel events', () => {
    const openat = span('openat');
    expect(tag(openat, `${ATTR.syscallArgPrefix}filename`)).toBe('/etc/missing');
    expect(tag(openat, ATTR.syscallRet)).toBe(-2);
    expect(tag(openat, ATTR.codeLine)).toBe(42);
    expect(tag(openat, ATTR.blockedNs)).toBe(200_000);
    expect(tag(openat, ATTR.wakerName)).toBe('disk');
    expect(tag(openat, 'error')).toBe(true);
    expect(tag(openat, 'otel.status_description')).toBe('ENOENT');
    expect(tag(span('POST /order'), 'span.kind')).toBe('server');
    expect(openat.logs).toHaveLength(1);
    expect(openat.logs[0]?.timestamp).toBe(Number((START + 1_100_000n) / 1000n));
    expect(openat.logs[0]?.fields).toContainEqual({ key: 'event', type: 'string', value: 'sched_switch' });
    expect(openat.logs[0]?.fields).toContainEqual({ key: 'prev_prio', type: 'int64', value: 20 });
  });

  it('counts spans as lost when Jaeger is not there', async () => {
    const exporter = new Exporter(otlpHttpTarget('http://127.0.0.1:1'), () => undefined, 1);
    exporter.push(user);
    await exporter.close();
    expect(exporter.lost).toBe(1);
  });
});
