/** Made-up traces for development, tests and benchmarks: whole spans (small) and bare columns (millions). Always the same for a seed. */
import { ns } from '../../common/base/time';
import { statesText, WAKER_LINK, type WaitState } from '../../common/model/waiting';
import type { Attributes, Span, SpanEvent, SpanId, TraceId } from '../../common/model/span';
import { allocateColumns, packColumns, type SpanColumns } from '../../common/view/columns';
import { CATEGORY, SPAN_FLAG, categoryOf } from '../../common/view/flags';

/** mulberry32: small, seeded, good enough for pictures. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const EPOCH = 1_790_000_000_000_000_000n;
const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

interface Call {
  readonly name: string;
  readonly args: Readonly<Record<string, string | number>>;
  readonly ret: number;
  readonly errno?: string;
  readonly us: number;
  readonly line: number;
  readonly fd?: string;
}

const CALLS: readonly Call[] = [
  { name: 'getpid', args: {}, ret: 4211, us: 0.4, line: 41 },
  {
    name: 'openat',
    args: { dfd: 'AT_FDCWD', filename: '/etc/skua/config.json', flags: 'O_RDONLY|O_CLOEXEC', mode: 0 },
    ret: 7,
    us: 9,
    line: 44,
  },
  {
    name: 'fstat',
    args: { fd: 7, statbuf: '0x7ffd1c' },
    ret: 0,
    us: 1.2,
    line: 45,
    fd: '/etc/skua/config.json',
  },
  {
    name: 'read',
    args: { fd: 7, buf: '0x55d0a2', count: 4096 },
    ret: 812,
    us: 6,
    line: 46,
    fd: '/etc/skua/config.json',
  },
  { name: 'close', args: { fd: 7 }, ret: 0, us: 0.9, line: 47, fd: '/etc/skua/config.json' },
  {
    name: 'mmap',
    args: {
      addr: 'NULL',
      len: 262144,
      prot: 'PROT_READ|PROT_WRITE',
      flags: 'MAP_PRIVATE|MAP_ANONYMOUS',
      fd: -1,
      off: 0,
    },
    ret: 140_212,
    us: 4,
    line: 52,
  },
  {
    name: 'connect',
    args: { fd: 9, uservaddr: '10.0.0.7:5432', addrlen: 16 },
    ret: -1,
    errno: 'EINPROGRESS',
    us: 22,
    line: 60,
    fd: 'tcp:10.0.0.7:5432',
  },
  {
    name: 'sendto',
    args: { fd: 9, buff: '0x55d0b0', len: 219, flags: 'MSG_NOSIGNAL' },
    ret: 219,
    us: 14,
    line: 63,
    fd: 'tcp:10.0.0.7:5432',
  },
  {
    name: 'epoll_wait',
    args: { epfd: 5, events: '0x7f22', maxevents: 64, timeout: 200 },
    ret: 1,
    us: 180,
    line: 66,
  },
  {
    name: 'recvfrom',
    args: { fd: 9, ubuf: '0x55d0b0', size: 16384 },
    ret: 5120,
    us: 11,
    line: 68,
    fd: 'tcp:10.0.0.7:5432',
  },
  { name: 'futex', args: { uaddr: '0x7f2210', op: 'FUTEX_WAIT_PRIVATE', val: 2 }, ret: 0, us: 90, line: 74 },
  {
    name: 'clock_nanosleep',
    args: { which_clock: 'CLOCK_REALTIME', flags: 0, rqtp: '{0, 1000000}' },
    ret: 0,
    us: 130,
    line: 79,
  },
  {
    name: 'openat',
    args: { dfd: 'AT_FDCWD', filename: '/var/cache/skua/missing.idx', flags: 'O_RDONLY', mode: 0 },
    ret: -2,
    errno: 'ENOENT',
    us: 5,
    line: 83,
  },
  {
    name: 'write',
    args: { fd: 1, buf: '"GET /orders 200\\n"', count: 16 },
    ret: 16,
    us: 17,
    line: 88,
    fd: '/dev/pts/0',
  },
];

function syscallSpan(
  traceId: TraceId,
  spanId: SpanId,
  parent: SpanId,
  call: Call,
  start: bigint,
  us: number,
  tid: number,
  rand: () => number,
  waker?: WakerSpan,
): Span {
  const end = start + BigInt(Math.max(200, Math.round(us * 1000)));
  const attributes: Record<string, Attributes[string]> = {
    'skua.syscall.nr': 1,
    'skua.syscall.ret': BigInt(call.ret),
    'skua.syscall.args': Object.keys(call.args),
    'process.pid': 4211,
    'skua.os.tid': tid,
    'skua.cpu': tid % 4,
    'process.executable.name': 'orders',
  };
  for (const [name, value] of Object.entries(call.args)) attributes[`skua.syscall.arg.${name}`] = value;
  if (call.errno !== undefined) attributes['skua.syscall.errno'] = call.errno;
  if (call.fd !== undefined) attributes['skua.fd.path'] = call.fd;
  if (call.name === 'mmap') {
    attributes['skua.source.unknown'] = 'no-debug-info';
  } else {
    attributes['code.file.path'] = '/home/dev/orders/src/handler.cpp';
    attributes['code.line.number'] = call.line;
    attributes['code.function.name'] = 'orders::Handler::run(Request const&)';
    attributes['code.stacktrace'] = [
      `read_all(int, std::string&) (/home/dev/orders/src/io.hpp:${call.line + 2}) [inlined]`,
      `orders::Handler::run(Request const&) (/home/dev/orders/src/handler.cpp:${call.line})`,
      'orders::Pool::worker() (/home/dev/orders/src/pool.cpp:112)',
      '0x7f3c2a1 (/usr/lib/x86_64-linux-gnu/libstdc++.so.6)',
      'start_thread (./nptl/pthread_create.c:442)',
    ].join('\n');
  }
  const times =
    call.name === 'mmap'
      ? { attributes: { 'skua.time.unknown': 'events-lost' }, links: [] }
      : madeTimes(call, Number(end - start), waker);
  const events: SpanEvent[] = [];
  if (us > 50) {
    const middle = start + (end - start) / 8n;
    events.push({
      timeNs: ns(middle),
      name: 'sched_switch',
      attributes: { prev_comm: 'orders', next_comm: 'swapper/1', prev_state: 'S' },
    });
    events.push({
      timeNs: ns(end - (end - start) / 10n),
      name: 'sched_waking',
      attributes: { comm: 'orders', target_cpu: tid % 4 },
    });
  } else if (rand() < 0.15) {
    events.push({
      timeNs: ns(start + (end - start) / 2n),
      name: 'page_fault_user',
      attributes: { address: '0x7f22a000', ip: '0x55d0' },
    });
  }
  return {
    traceId,
    spanId,
    parentSpanId: parent,
    name: call.name,
    kind: 'internal',
    origin: 'kernel',
    service: 'orders',
    startNs: ns(start),
    endNs: ns(end),
    status:
      call.errno !== undefined && call.errno !== 'EINPROGRESS'
        ? { code: 'error', message: call.errno }
        : { code: 'unset' },
    attributes: { ...attributes, ...times.attributes },
    events,
    links: times.links,
  };
}

type WakerSpan = Required<Pick<Span, 'traceId' | 'spanId' | 'parentSpanId'>>;

interface MadeWaker {
  readonly attributes: Attributes;
  readonly links: Span['links'];
}

/** Who wakes the calls that wait, by turns: a traced thread, an interrupt, a kernel thread. */
function madeWaker(call: Call, waker: WakerSpan | undefined): MadeWaker {
  if (call.name === 'clock_nanosleep') return { attributes: { 'skua.waker.name': 'interrupt' }, links: [] };
  if (waker === undefined || call.name !== 'futex') {
    return {
      attributes: { 'skua.waker.name': 'ksoftirqd/1', 'skua.waker.pid': 24, 'skua.waker.tid': 24 },
      links: [],
    };
  }
  const { traceId, spanId, parentSpanId } = waker;
  return {
    attributes: {
      'skua.waker.name': 'orders',
      'skua.waker.pid': 4211,
      'skua.waker.tid': 4318,
      'skua.waker.trace_id': traceId,
      'skua.waker.span_id': spanId,
      'skua.waker.user_span_id': parentSpanId,
    },
    links: [{ traceId, spanId, attributes: { 'skua.link': WAKER_LINK } }],
  };
}

/** On a CPU but for long calls, which sleep most of the time and wait for a CPU at their end. */
function madeTimes(call: Call, lengthNs: number, waker: WakerSpan | undefined): MadeWaker {
  const waits = call.us > 50;
  const begin = waits ? Math.round(lengthNs / 8) : lengthNs;
  const runnable = waits ? Math.round(lengthNs / 20) : 0;
  const end = waits ? Math.round(lengthNs / 20) : 0;
  const blocked = lengthNs - begin - runnable - end;
  const states = (
    [
      ['on-cpu', begin],
      ['blocked', blocked],
      ['runnable', runnable],
      ['on-cpu', end],
    ] as [WaitState, number][]
  ).map(([state, length]) => [state, BigInt(length)] as const);
  const made = madeWaker(call, waker);
  return {
    attributes: {
      'skua.time.on_cpu_ns': begin + end,
      'skua.time.runnable_ns': runnable,
      'skua.time.blocked_ns': blocked,
      ...(waits ? { 'skua.time.states': statesText(states), ...made.attributes } : {}),
    },
    links: waits ? made.links : [],
  };
}

export interface DemoOptions {
  readonly traces: number;
  readonly worksPerTrace: number;
  readonly seed?: number;
}

/**
 * Web requests as the correctness program and a small service would make them: `request` → `work` … → system calls, with errors, concurrent
 * children, an unfinished span, a lost stretch and a parent that is never reported. In order of delivery: a user span after its calls.
 */
export function demoSpans(options: DemoOptions): Span[] {
  const rand = random(options.seed ?? 7);
  const spans: Span[] = [];
  let next = 1;
  const id = () => hex(next++, 16) as SpanId;
  let lastWrite: WakerSpan | undefined;
  for (let t = 0; t < options.traces; t++) {
    const traceId = `${hex(0x4bf92f35 + t, 8)}${hex(t + 1, 24)}` as TraceId;
    const tid = 4300 + t;
    const started = EPOCH + BigInt(Math.round(t * 1_350_000 + rand() * 400_000));
    let at = started;
    const request = id();
    const advance = (us: number) => {
      at += BigInt(Math.round(us * 1000));
    };
    advance(20);
    for (const call of CALLS.slice(0, 2)) {
      spans.push(syscallSpan(traceId, id(), request, call, at, call.us, tid, rand));
      advance(call.us + 3);
    }
    const work = (name: string, service: string, calls: readonly Call[], thread: number): bigint => {
      const span = id();
      const begin = at;
      advance(4 + rand() * 12);
      const events: SpanEvent[] = [
        { timeNs: ns(at), name: 'log', attributes: { message: `begin ${name}`, level: 'info' } },
      ];
      for (const call of calls) {
        const us = call.us * (0.5 + rand() * 1.6);
        const own = id();
        spans.push(syscallSpan(traceId, own, span, call, at, us, thread, rand, lastWrite));
        if (call.name === 'write') lastWrite = { traceId, spanId: own, parentSpanId: span };
        advance(us + 1 + rand() * 12);
      }
      advance(5);
      spans.push({
        traceId,
        spanId: span,
        parentSpanId: request,
        name,
        kind: 'internal',
        origin: 'user',
        service,
        startNs: ns(begin),
        endNs: ns(at),
        status: { code: 'unset' },
        attributes: { 'internal.span.format': 'jaeger', 'order.id': `A-${1000 + t}`, attempt: 1 },
        events,
        links: [],
      });
      return begin;
    };
    for (let w = 0; w < options.worksPerTrace; w++) {
      const before = at;
      const begin = work(w % 4 === 3 ? 'db.query' : 'work', w % 4 === 3 ? 'orders-db' : 'orders', CALLS, tid);
      if (w % 5 === 2) {
        // A concurrent sibling on another thread.
        const after = at;
        at = begin + 30_000n;
        work('prefetch', 'cache', CALLS.slice(3, 9), tid + 500);
        at = after > at ? after : at;
      }
      if (at < before) at = before;
      advance(8);
    }
    advance(15);
    if (t % 9 !== 7) {
      spans.push({
        traceId,
        spanId: request,
        name: 'request',
        kind: 'server',
        origin: 'user',
        service: 'orders',
        startNs: ns(started),
        endNs: ns(at),
        status: t % 6 === 4 ? { code: 'error', message: 'upstream timed out' } : { code: 'ok' },
        attributes: {
          'http.method': 'GET',
          'http.target': `/orders/${1000 + t}`,
          'http.status_code': t % 6 === 4 ? 504 : 200,
        },
        events: [],
        links: [],
      });
    }
    if (t % 9 === 3) {
      const lost = spans[spans.length - 4] as Span;
      spans[spans.length - 4] = { ...lost, attributes: { ...lost.attributes, 'skua.lost_events': 14 } };
    }
    if (t === options.traces - 1) {
      const last = syscallSpan(traceId, id(), request, CALLS[11] as Call, at - 30_000n, 50, tid, rand);
      const { endNs: _end, ...unfinished } = last;
      spans.push({ ...unfinished, attributes: { ...last.attributes, 'skua.unfinished': 'killed' } });
    }
  }
  return spans;
}

/**
 * `count` spans as columns, in deltas of at most `rows`: 8 threads, each running `request` spans with 10 `work` spans with 10 calls. Cheap:
 * nothing but numbers is made, so that millions can be shown without a model behind them.
 */
export function* millionColumns(count: number, rows = 65_536): Generator<SpanColumns> {
  const rand = random(42);
  const names = [
    '',
    'request',
    'work',
    'orders',
    ...new Set(CALLS.map((c) => c.name)),
    'handler.cpp:44',
    '/etc/skua/config.json',
    'sched_switch',
  ];
  const idOf = new Map(names.map((name, id) => [name, id]));
  const THREADS = 8;
  const perTrace = 111;
  const threads = Array.from({ length: THREADS }, (_, i) => ({
    pid: 4211,
    tid: 4300 + i,
    process: 'orders',
  }));
  const clocks = new Float64Array(THREADS);
  // State of the trace being made: spans are made parent first.
  let made = 0;
  let firstTrace = 0;
  let first = true;
  while (made < count) {
    const n = Math.min(rows, count - made);
    const out = allocateColumns(n, 0, 0);
    const traces: string[] = [];
    for (let row = 0; row < n; row++) {
      const index = made + row;
      const trace = Math.floor(index / perTrace);
      const at = index % perTrace;
      const thread = trace % THREADS;
      const clock = clocks[thread] as number;
      out.index[row] = index;
      out.trace[row] = trace;
      out.service[row] = 3;
      out.thread[row] = 0;
      if (at === 0) {
        traces.push(hex(trace + 1, 32));
        out.parent[row] = -1;
        out.start[row] = clock;
        out.duration[row] = 10 * (10 * 4000 + 2000) + 4000;
        out.name[row] = 1;
        clocks[thread] = clock + 1000;
      } else if ((at - 1) % 11 === 0) {
        out.parent[row] = index - at;
        out.start[row] = clock;
        out.duration[row] = 10 * 4000;
        out.name[row] = 2;
        clocks[thread] = clock + 500;
      } else {
        const inWork = (at - 1) % 11;
        const call = CALLS[inWork % CALLS.length] as Call;
        const length = 500 + rand() * 3000;
        out.parent[row] = index - inWork;
        out.start[row] = clock;
        out.duration[row] = length;
        out.name[row] = idOf.get(call.name) as number;
        out.thread[row] = thread + 1;
        out.source[row] = idOf.get('handler.cpp:44') as number;
        out.detail[row] = call.name === 'openat' ? (idOf.get('/etc/skua/config.json') as number) : 0;
        out.category[row] = categoryOf(call.name);
        const error = rand() < 0.002;
        out.flags[row] = SPAN_FLAG.kernel | SPAN_FLAG.hasSource | (error ? SPAN_FLAG.error : 0);
        clocks[thread] = clock + (inWork === 10 ? 3500 + 1500 : 3500);
        if (at === perTrace - 1) clocks[thread] = clock + 40_000;
      }
      if (out.category[row] === CATEGORY.user && at !== 0 && (at - 1) % 11 !== 0)
        out.category[row] = CATEGORY.other;
    }
    yield packColumns(n, out, {
      firstString: 1,
      strings: first ? names.slice(1) : [],
      firstTrace,
      traces,
      firstThread: 1,
      threads: first ? threads : [],
    });
    first = false;
    firstTrace += traces.length;
    made += n;
  }
}
