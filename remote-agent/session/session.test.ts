import { tmpdir } from 'node:os';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import type { Span, SpanId, TraceId } from '../../common/model/span';
import { encodeFrame, FrameReader } from '../../common/protocol/frame';
import { decodeSpans } from '../../common/protocol/spanCodec';
import { SkuaError } from '../../common/base/errors';
import { ClockCheck } from './clock';
import { Connection, type Handlers } from './connection';
import { diskNearlyFull } from './diskGuard';
import { parseInet, parseUnix } from './socketTable';
import { SpanSender } from './spanSender';
import { clientEnvironment, vdsoNote } from './environment';
import { troublesIn, udpDropsIn } from './kernelCounters';

const span = (n: number, size = 0): Span => ({
  traceId: '1'.padStart(32, '0') as TraceId,
  spanId: n.toString(16).padStart(16, '0') as SpanId,
  name: String(n).padEnd(size, 'x'),
  kind: 'internal',
  origin: 'kernel',
  service: 's',
  startNs: ns(1n),
  status: { code: 'unset' },
  attributes: {},
  events: [],
  links: [],
});

const spansOf = (message: unknown): readonly Span[] => decodeSpans((message as { spans: Uint8Array }).spans);

/** After it, what was pushed before has been sent. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('SpanSender', () => {
  it('sends what comes in one turn of the event loop in one frame', async () => {
    const frames: Uint8Array[] = [];
    const sender = new SpanSender((frame) => frames.push(frame));
    for (let i = 0; i < 300; i += 1) sender.push({ span: span(i), final: true });
    await turn();
    sender.push({ span: span(300), final: true });
    await turn();
    const messages = frames.flatMap((frame) => new FrameReader().push(frame)).map(([message]) => message);
    expect(messages.map((message) => spansOf(message).length)).toEqual([300, 1]);
  });

  it('sends within credit, queues, then drops and counts; nothing is lost or counted twice', async () => {
    const frames: Uint8Array[] = [];
    const sender = new SpanSender((frame) => frames.push(frame), 20_000, 3000);
    for (let i = 0; i < 100; i += 1) sender.push({ span: span(i, 1000), final: true });
    const reader = new FrameReader();
    const received: number[] = [];
    let bytes = 0;
    const receive = (): void => {
      for (const frame of frames.splice(0)) {
        bytes += frame.length;
        for (const [message] of reader.push(frame)) {
          for (const s of spansOf(message)) received.push(parseInt(s.spanId, 16));
        }
      }
    };
    await turn();
    receive();
    expect(received.length).toBeGreaterThan(0);
    expect(received.length).toBeLessThan(6); // About 3000 bytes of credit.
    expect(sender.dropped.syscalls).toBeGreaterThan(70);
    while (sender.queued > 0) {
      sender.credit(bytes);
      bytes = 0;
      receive();
    }
    expect(received.length + sender.dropped.syscalls).toBe(100);
    expect(sender.dropped.user).toBe(0);
    expect(sender.sent).toBe(received.length);
    expect(received).toEqual([...received].sort((a, b) => a - b));
  });

  it('does not count provisional spans, and lets them take only half of the queue', () => {
    const sender = new SpanSender(() => undefined, 20_000, 0);
    for (let i = 0; i < 200; i += 1) sender.push({ span: span(i), final: false });
    expect(sender.dropped).toEqual({ syscalls: 0, user: 0 });
    expect(sender.queued).toBeLessThan(25);
    sender.push({ span: span(1), final: true });
    expect(sender.close()).toBe(1);
    expect(sender.dropped).toEqual({ syscalls: 1, user: 0 });
    sender.push({ span: { ...span(2), origin: 'user' }, final: true });
    expect(sender.dropped).toEqual({ syscalls: 1, user: 1 });
  });

  it('replaces a provisional span that waits still, and sends a final one once', async () => {
    const frames: Uint8Array[] = [];
    const sender = new SpanSender((frame) => frames.push(frame));
    const provisional = { span: { ...span(1), name: 'without line' }, final: false };
    for (const delivery of [provisional, provisional, { span: span(2), final: true }]) sender.push(delivery);
    sender.push({ span: { ...span(1), name: 'with line' }, final: true });
    expect(sender.queued).toBe(2);
    await turn();
    sender.push({ span: { ...span(1), name: 'an event came later' }, final: false });
    await turn();
    const messages = frames.flatMap((frame) => new FrameReader().push(frame)).map(([message]) => message);
    expect(messages.map((message) => spansOf(message).map(({ name }) => name))).toEqual([
      ['with line', '2'],
      ['an event came later'],
    ]);
    expect(messages).toMatchObject([{ provisional: [] }, { provisional: [0] }]);
    expect(sender.sent).toBe(2);
  });

  it('counts a span that has outgrown the queue since it was provisional', () => {
    const sender = new SpanSender(() => undefined, 2000, 0);
    sender.push({ span: span(1), final: false });
    sender.push({ span: span(1, 5000), final: true });
    expect(sender.dropped).toEqual({ syscalls: 1, user: 0 });
    expect(sender.discard()).toBe(0);
  });

  it('resolves `drained` when the queue is empty, and when it is closed', async () => {
    const sender = new SpanSender(() => undefined, 1e6, 10);
    sender.push({ span: span(1), final: true }); // One span goes out on each credit.
    sender.push({ span: span(2), final: true });
    const drained = sender.drained(10_000);
    for (let spans = 0; spans < 2; spans += 1) sender.credit(1e6);
    expect(await drained).toBe(true);
    sender.push({ span: span(3), final: true });
    const closed = sender.drained(10_000);
    sender.close();
    expect(await closed).toBe(true); // There is nothing left: it was counted.
    expect(sender.dropped.syscalls + sender.sent).toBe(3);
  });

  it('has no more under way than may wait', async () => {
    const sender = new SpanSender(() => undefined, 1e6, 1e6);
    sender.queueBytes = 1000;
    for (let n = 0; n < 200; n += 1) {
      sender.push({ span: span(n), final: true });
      await turn();
    }
    expect(sender.sent).toBeGreaterThan(0);
    expect(sender.queued).toBeGreaterThan(0);
    expect(sender.dropped.syscalls + sender.sent + sender.queued).toBe(200);
    sender.queueBytes = 1e6; // Of the next session.
    sender.credit(0);
    expect(sender.queued).toBe(0);
  });

  it('marks provisional spans in the frame', async () => {
    const frames: Uint8Array[] = [];
    const sender = new SpanSender((frame) => frames.push(frame));
    for (const n of [1, 2, 3]) sender.push({ span: span(n), final: n === 2 });
    await turn();
    const messages = frames.flatMap((frame) => new FrameReader().push(frame)).map(([message]) => message);
    expect(messages).toMatchObject([{ provisional: [0, 2] }]);
    expect(sender.sent).toBe(1);
  });

  it('waits for a slow client as long as it takes anything, and gives up a stalled one', async () => {
    const sender = new SpanSender(() => undefined, 1e6, 1);
    for (let n = 0; n < 4 * 512; n += 1) sender.push({ span: span(n), final: true });
    let credits = 0;
    const slow = setInterval(() => {
      credits += 1;
      if (credits <= 3) sender.credit(1e6);
    }, 30);
    const before = sender.queued;
    expect(await sender.drained(50)).toBe(false);
    clearInterval(slow);
    expect(credits).toBeGreaterThanOrEqual(3);
    expect(sender.queued).toBeLessThan(before);
    const { queued } = sender;
    expect(sender.discard()).toBe(queued);
    expect(sender.dropped.syscalls + sender.sent).toBe(4 * 512);
    sender.push({ span: span(1), final: true }); // A client that comes back is served again.
    sender.credit(1e6);
    expect(sender.queued).toBe(0);
  });
});

describe('Connection', () => {
  const unused = (): Promise<never> => Promise.reject(new Error('not used'));
  const HANDLERS: Handlers = {
    hello: () =>
      Promise.resolve({
        protocol: 1,
        agentVersion: 'v',
        hostname: 'h',
        kernelRelease: 'k',
        nodeVersion: 'n',
      }),
    doctor: () => Promise.reject(new SkuaError({ code: 'no-sudo', message: 'm', remedy: 'r' })),
    prepare: (_params, context) =>
      new Promise((_resolve, reject) => {
        context.progress('working', 0.5);
        context.signal.addEventListener('abort', () => {
          reject(new SkuaError({ code: 'cancelled', message: 'c', remedy: '' }));
        });
      }),
    unprepare: unused,
    startSession: unused,
    shell: unused,
    launch: unused,
    signal: () => Promise.reject(new TypeError('a bug')),
    stopSession: unused,
  };

  async function talk(messages: readonly object[]): Promise<unknown[]> {
    const input = new PassThrough();
    const output = new PassThrough();
    const connection = new Connection(input, output);
    const credits: number[] = [];
    const served = connection.serve(HANDLERS, { input: () => undefined, credit: (n) => credits.push(n) });
    for (const message of messages) {
      // Byte by byte: frames arrive in pieces of any size.
      for (const byte of encodeFrame(message)) input.write(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    input.end();
    await served;
    await new Promise((resolve) => setTimeout(resolve, 5));
    const replies = new FrameReader().push(output.read() as Buffer).map(([message]) => message);
    return [...replies, ...credits.map((bytes) => ({ credit: bytes }))];
  }
  const request = (id: number, method: string) => ({ t: 'request', id, method, params: {} });

  it('answers with ids, typed errors and progress, and cancels', async () => {
    expect(
      await talk([
        request(1, 'hello'),
        request(2, 'doctor'),
        request(3, 'prepare'),
        { t: 'cancel', id: 3 },
        { t: 'credit', bytes: 7 },
      ]),
    ).toEqual([
      {
        t: 'result',
        id: 1,
        value: { protocol: 1, agentVersion: 'v', hostname: 'h', kernelRelease: 'k', nodeVersion: 'n' },
      },
      { t: 'error', id: 2, error: { code: 'no-sudo', message: 'm', remedy: 'r' } },
      { t: 'progress', id: 3, step: 'working', fraction: 0.5 },
      { t: 'error', id: 3, error: { code: 'cancelled', message: 'c', remedy: '' } },
      { credit: 7 },
    ]);
  });

  it('reports bugs, unknown methods and messages, and goes on', async () => {
    const replies = await talk([
      request(1, 'signal'),
      request(2, 'toString'),
      { t: 'nonsense' },
      request(3, 'hello'),
    ]);
    expect(replies).toMatchObject([
      { t: 'error', id: 1, error: { code: 'internal', message: 'a bug' } },
      { t: 'error', id: 2, error: { code: 'agent-protocol' } },
      { t: 'log', level: 'warn' },
      { t: 'result', id: 3 },
    ]);
  });

  it('aborts what runs when the client is gone, and refuses a stream that is no protocol', async () => {
    const input = new PassThrough();
    const connection = new Connection(input, new PassThrough());
    let aborted = false;
    const handlers: Handlers = {
      ...HANDLERS,
      prepare: (_params, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(new Error('gone'));
          });
        }),
    };
    const served = connection.serve(handlers, { input: () => undefined, credit: () => undefined });
    input.write(encodeFrame(request(1, 'prepare')));
    await new Promise((resolve) => setTimeout(resolve, 5));
    input.end();
    await served;
    expect(aborted).toBe(true);
    const noise = new PassThrough();
    const other = new Connection(noise, new PassThrough()).serve(HANDLERS, {
      input: () => undefined,
      credit: () => undefined,
    });
    noise.end('Welcome to this host!\n');
    await expect(other).rejects.toMatchObject({ code: 'agent-protocol' });
  });
});

describe('ClockCheck', () => {
  it('bounds the error by the residual and the measurement, and never lets it shrink', async () => {
    let offset = 1_000_000_500n;
    const clock = new ClockCheck('skua-launch', () =>
      Promise.resolve({
        code: 0,
        signal: null,
        stderr: '',
        stdout: JSON.stringify({ offsetNs: offset.toString(), boundNs: 40, monotonicNs: '5' }),
      }),
    );
    await clock.measure();
    expect(clock.errorNs).toBe(0); // Nothing is claimed before the trace's offset is known.
    expect(clock.setTraceOffset(1_000_000_000n)).toBe(true);
    await clock.measure();
    expect(clock.errorNs).toBe(540);
    offset = 1_000_000_000n;
    await clock.measure();
    expect(clock.errorNs).toBe(540);
  });
});

describe('diskNearlyFull', () => {
  it('tells how much is left when it is less than is to be kept', async () => {
    expect(await diskNearlyFull(tmpdir(), 0)).toBeUndefined();
    expect(await diskNearlyFull(tmpdir(), Number.MAX_SAFE_INTEGER)).toBeGreaterThan(0);
    expect(await diskNearlyFull('/no/such/folder')).toBeUndefined();
  });
});

describe('small readers', () => {
  it('reads socket tables', () => {
    const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12787 1 0000000000000000 100 0 0 10 0
   1: 0100007F:AFFB 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 12788 1 0000000000000000 20 4 30 10 -1
`;
    expect([...parseInet(tcp, 'tcp')]).toEqual([
      ['12787', 'tcp listen 127.0.0.1:8080'],
      ['12788', 'tcp 127.0.0.1:45051 → 127.0.0.1:8080'],
    ]);
    const tcp6 = `header\n   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 99 1\n`;
    expect([...parseInet(tcp6, 'tcp6')]).toEqual([['99', 'tcp listen [::1]:22']]);
    const unix = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 12787 /run/lttng/x
0000000000000000: 00000003 00000000 00000000 0001 03 15000
`;
    expect([...parseUnix(unix)]).toEqual([['12787', 'unix /run/lttng/x']]);
  });

  it('sums what the kernel could not read, refused and missed', () => {
    const text =
      'states_live 3\nrecords_unreadable 2\nstack_unreadable 5\nrecords_refused_ids 4\nstates_refused 1\nsubjects_missed 9\n';
    expect(troublesIn(text)).toEqual({ unreadable: 7, refused: 5, missed: 9 });
    expect(troublesIn('')).toEqual({ unreadable: 0, refused: 0, missed: 0 });
  });

  it('finds the datagrams that a socket had no room for', () => {
    const text = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  431: 0100007F:9C41 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 1234 2 0000000000000000 17
  432: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000   998        0 1235 2 0000000000000000 3
`;
    expect(udpDropsIn(text, 0x9c41)).toBe(17);
    expect(udpDropsIn(text, 1)).toBe(0);
  });

  it("points clients at the receivers and keeps the user's own sampling", () => {
    expect(clientEnvironment(1, 2, {})).toMatchObject({
      JAEGER_AGENT_PORT: '1',
      JAEGER_SAMPLER_TYPE: 'const',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:2',
    });
    expect(clientEnvironment(1, 2, { JAEGER_SAMPLER_TYPE: 'probabilistic' })).not.toHaveProperty(
      'JAEGER_SAMPLER_PARAM',
    );
  });

  it('says which calls the vDSO answers on this clock source', () => {
    expect(vdsoNote('tsc')).toContain('gettimeofday, clock_gettime, time and getcpu are answered');
    expect(vdsoNote('hpet')).toContain('(hpet) cannot be read from user space');
  });
});
