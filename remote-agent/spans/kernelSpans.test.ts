import { describe, expect, it } from 'vitest';
import type { CtfEvent, CtfFields, CtfItem } from '../../common/ctf/types';
import { ns } from '../../common/base/time';
import { ATTR } from '../../common/model/span';
import { KernelSpans } from './kernelSpans';
import type { KernelOutput } from './output';

/** One line per event: `time tid name {field: value} id=… span=… flags=… cpu=…`, in the shape that the decoder delivers. */
function event(
  at: number,
  name: string,
  options: {
    tid?: number;
    id?: number;
    span?: number;
    flags?: number;
    cpu?: number;
    stack?: number[];
    fields?: CtfFields;
  } = {},
): CtfEvent {
  const {
    tid = 10,
    id = 0,
    span = 0x11,
    flags = id === 0 ? 1 : 3,
    cpu = 0,
    stack = [],
    fields = {},
  } = options;
  return {
    kind: 'event',
    timestampNs: ns(BigInt(at)),
    cpu,
    name,
    id: 0,
    eventClass: { id: 0, streamId: 0, name },
    context: {
      skua_trace_hi: 1n,
      skua_trace_lo: 2n,
      skua_span: BigInt(span),
      skua_syscall: BigInt(id),
      skua_flags: flags,
      skua_stack: Uint8Array.from(stack),
      pid: 10,
      tid,
      procname: 'prog',
    },
    fields,
  };
}

const entry = (at: number, name: string, id: number, more: Parameters<typeof event>[2] = {}): CtfEvent =>
  event(at, `syscall_entry_${name}`, { id, ...more });
const exit = (
  at: number,
  name: string,
  id: number,
  ret: number | bigint,
  more: Parameters<typeof event>[2] = {},
): CtfEvent => event(at, `syscall_exit_${name}`, { id, ...more, fields: { ret, ...more.fields } });

function build(items: readonly CtfItem[], finish = true): { outputs: KernelOutput[]; builder: KernelSpans } {
  const outputs: KernelOutput[] = [];
  const builder = new KernelSpans((output) => outputs.push(output), true);
  for (const item of items) builder.item(item);
  if (finish) builder.finish('session-stopped');
  return { outputs, builder };
}

/** Each delivered span as `name start-end status attribute… [events]`, attributes chosen by the test. */
function check(
  items: readonly CtfItem[],
  expected: readonly string[],
  show: readonly string[] = [],
): KernelSpans {
  const { outputs, builder } = build(items);
  const lines = outputs
    .filter((output) => output.kind === 'span')
    .map(({ span, final }) => {
      const attributes = show
        .filter((key) => span.attributes[key] !== undefined)
        .map((key) => `${key.split('.').pop() ?? key}=${String(span.attributes[key])}`);
      const events = span.events.map((e) => `${e.name}@${e.timeNs}`).join(' ');
      return [
        `${span.name} ${span.startNs}-${span.endNs ?? '?'}`,
        span.status.code === 'error' ? `ERROR ${span.status.message ?? ''}` : '',
        ...attributes,
        events === '' ? '' : `[${events}]`,
        final ? '' : 'provisional',
      ]
        .filter((part) => part !== '')
        .join(' ');
    });
  expect(lines).toEqual(expected);
  return builder;
}

describe('KernelSpans', () => {
  it('pairs entries and exits of several threads', () => {
    const builder = check(
      [
        entry(1, 'read', 7, { fields: { fd: 3, count: 100n } }),
        entry(2, 'write', 8, { tid: 11, fields: { fd: 4, buf: 0x1000n, count: 5n } }),
        exit(3, 'read', 7, 42n),
        exit(4, 'write', 8, 5n, { tid: 11 }),
      ],
      ['read 1-3 fd=3 count=100 ret=42', 'write 2-4 fd=4 count=5 ret=5'],
      ['skua.syscall.arg.fd', 'skua.syscall.arg.count', ATTR.syscallRet],
    );
    expect(builder.counts).toMatchObject({ spans: 2, entryLost: 0, control: 0, unfinished: 0, events: 4 });
  });

  it('makes ids, parent and process from the context', () => {
    const { outputs } = build([entry(1, 'getpid', 0xabc, { span: 0x77 }), exit(2, 'getpid', 0xabc, 10)]);
    const span = outputs.find((output) => output.kind === 'span')?.span;
    expect(span).toMatchObject({
      traceId: '00000000000000010000000000000002',
      spanId: '0000000000000abc',
      parentSpanId: '0000000000000077',
      origin: 'kernel',
      service: 'prog',
      attributes: { [ATTR.syscallNr]: 39, [ATTR.pid]: 10, [ATTR.osTid]: 10, [ATTR.processName]: 'prog' },
    });
  });

  it('calls a failure an error, but not interruption and retry', () => {
    check(
      [
        entry(1, 'openat', 1, { fields: { dfd: -100, filename: '/no', flags: 0, mode: 0 } }),
        exit(2, 'openat', 1, -2n),
        entry(3, 'read', 2),
        exit(4, 'read', 2, -11n),
        entry(5, 'nanosleep', 3),
        exit(6, 'nanosleep', 3, -516n),
      ],
      [
        'openat 1-2 ERROR ENOENT errno=ENOENT',
        'read 3-4 errno=EAGAIN',
        'nanosleep 5-6 errno=ERESTART_RESTARTBLOCK',
      ],
      [ATTR.syscallErrno],
    );
  });

  it('puts tracepoints into the syscall they fired in, others into the user span', () => {
    const items = [
      event(1, 'sched_switch', { fields: { prev_tid: 10 } }),
      entry(2, 'read', 5),
      event(3, 'sched_switch', { id: 5 }),
      event(4, 'irq_handler_entry', { id: 5, flags: 0x13, cpu: 1 }),
      exit(5, 'read', 5, 0),
    ];
    check(items, ['read 2-5 [sched_switch@3 irq_handler_entry@4]']);
    const { outputs } = build(items);
    const own = outputs.filter((o) => o.kind === 'user-event' && o.event.event !== undefined);
    expect(own).toHaveLength(1);
    expect(own[0]).toMatchObject({
      event: { spanId: '0000000000000011', event: { name: 'sched_switch', timeNs: 1n } },
    });
    const read = outputs.find((o) => o.kind === 'span')?.span;
    expect(read?.events[1]?.attributes).toMatchObject({ [ATTR.cpu]: 1, 'skua.interrupt': true });
  });

  it("drops Skua's own writes and counts them", () => {
    const builder = check(
      [
        exit(1, 'write', 0, 28, { flags: 5 }), // arms the thread
        entry(2, 'getpid', 9),
        exit(3, 'getpid', 9, 1),
        entry(4, 'write', 10, { stack: [1, 2] }), // disarms it
        event(5, 'skua_mapping', { id: 10, flags: 7 }),
        exit(6, 'write', 10, 28, { flags: 7 }),
      ],
      ['getpid 2-3'],
    );
    expect(builder.counts).toMatchObject({ control: 2, spans: 1, entryLost: 0, exitLost: 0 });
  });

  it('delivers a syscall that lost its exit as unfinished, and counts', () => {
    const builder = check(
      [
        entry(1, 'read', 1),
        { kind: 'lost', count: 4, exact: true, beginNs: ns(2n), endNs: ns(3n), cpu: 0 },
        entry(4, 'write', 2),
        exit(5, 'write', 2, 1),
        exit(6, 'close', 3, 0),
      ],
      ['read 1-? unfinished=lost lost_events=4', 'write 4-5'],
      [ATTR.unfinished, ATTR.lostEvents],
    );
    expect(builder.counts).toMatchObject({
      entryLost: 1,
      exitLost: 1,
      ringBuffer: 4,
      spans: 2,
      unfinished: 1,
    });
  });

  it('marks only spans that were open on the CPU that lost events', () => {
    check(
      [
        entry(1, 'read', 1, { cpu: 0 }),
        entry(1, 'read', 2, { tid: 11, cpu: 1 }),
        { kind: 'lost-packets', count: 2, beginNs: ns(2n), endNs: ns(3n), cpu: 1 },
        exit(5, 'read', 1, 0),
        exit(6, 'read', 2, 0, { tid: 11, cpu: 0 }),
      ],
      ['read 1-5', 'read 1-6 lost_events=2'],
      [ATTR.lostEvents],
    );
  });

  it('ends exit_group without an exit event, a killed syscall as killed, the rest at the stop', () => {
    check(
      [
        entry(1, 'futex', 1, { tid: 11, fields: { op: 128 } }),
        entry(2, 'pause', 2, { tid: 12 }),
        entry(3, 'exit_group', 3),
        event(4, 'sched_process_exit', { tid: 11, id: 1 }),
        event(5, 'sched_process_exit', { id: 3 }),
      ],
      [
        'futex 1-4 unfinished=killed [sched_process_exit@4]',
        'exit_group 3-5 unfinished=no-exit-event [sched_process_exit@5]',
        'pause 2-? unfinished=session-stopped',
      ],
      [ATTR.unfinished],
    );
  });

  it('ends rt_sigreturn at once: it has no exit', () => {
    const builder = check(
      [
        event(1, 'syscall_entry_unknown', { id: 1, fields: { id: 15, args: [0n, 0n, 0n, 0n, 0n, 0n] } }),
        entry(2, 'getpid', 2),
        exit(3, 'getpid', 2, 1),
      ],
      ['rt_sigreturn 1-1 unfinished=no-exit-event', 'getpid 2-3'],
      [ATTR.unfinished],
    );
    expect(builder.counts).toMatchObject({ entryLost: 0, exitLost: 0, unfinished: 1 });
  });

  it("never makes a span of Skua's own call, whichever of its events arrived", () => {
    const control = { flags: 7, fields: { fd: 3 } };
    const builder = check(
      [
        entry(1, 'write', 1, control),
        exit(2, 'write', 1, 28, { flags: 7 }),
        entry(3, 'write', 2, control), // Its exit is lost …
        entry(4, 'getpid', 3),
        exit(5, 'getpid', 3, 1),
        exit(6, 'write', 4, 28, { flags: 7 }), // … and here the entry.
      ],
      ['getpid 4-5'],
    );
    expect(builder.counts).toMatchObject({ entryLost: 0, exitLost: 0, spans: 1, control: 2 });
  });

  it("hands on the stack of Skua's own call, which others may refer to", () => {
    const { outputs } = build([
      entry(1, 'write', 1, { flags: 7, fields: { fd: 3 }, stack: [1, 2, 3] }),
      exit(2, 'write', 1, 28, { flags: 7 }),
    ]);
    expect(outputs).toEqual([
      { kind: 'sample', id: 1n, pid: 10, stack: Uint8Array.of(1, 2, 3) },
      { kind: 'forget', id: 1n },
    ]);
  });

  it('tells apart which half of a call was lost', () => {
    const builder = check(
      [
        entry(1, 'read', 1),
        entry(2, 'getpid', 2), // The exit of 1 is lost.
        exit(3, 'getpid', 2, 1),
        exit(4, 'close', 3, 0), // The entry of 3 is lost; of 4, both.
        entry(5, 'getppid', 5),
        exit(6, 'getppid', 5, 1),
      ],
      ['read 1-? unfinished=lost', 'getpid 2-3', 'getppid 5-6'],
      [ATTR.unfinished],
    );
    expect(builder.counts).toMatchObject({ spans: 3, unfinished: 1, exitLost: 1, entryLost: 1 });
  });

  it('counts the events that a span has no room for', () => {
    const builder = new KernelSpans(() => undefined, true);
    builder.item(entry(1, 'pause', 1));
    for (let at = 2; at < 1005; at += 1) builder.item(event(at, 'sched_switch', { id: 1 }));
    expect(builder.counts.spanEvents).toBe(3);
  });

  it("names calls that are newer than LTTng's tables by number, with their arguments", () => {
    check(
      [
        event(1, 'syscall_entry_unknown', {
          id: 1,
          fields: { id: 318, args: [0x7f00n, 16n, 1n, 0n, 0n, 0n] },
        }),
        event(2, 'syscall_exit_unknown', {
          id: 1,
          fields: { id: 318, ret: 16n, args: [0x7f00n, 16n, 1n, 0n, 0n, 0n] },
        }),
      ],
      ['getrandom 1-2 nr=318 args=buf,count,flags buf=0x7f00 flags=GRND_NONBLOCK'],
      [ATTR.syscallNr, ATTR.syscallArgs, 'skua.syscall.arg.buf', 'skua.syscall.arg.flags'],
    );
  });

  it('resolves descriptors by the last report of the same thread, and forgets them after a loss', () => {
    const use = (at: number, id: number, tid = 10): CtfEvent[] => [
      entry(at, 'close', id, { tid, fields: { fd: 3 } }),
      exit(at + 1, 'close', id, 0, { tid }),
    ];
    const fd = (at: number, path: string, tid = 10): CtfEvent =>
      event(at, 'skua_fd', { tid, id: 1, fields: { fd: 3, ino: 5n, path } });
    check(
      [
        fd(1, '/a'),
        ...use(2, 1),
        fd(4, '/b', 11),
        ...use(5, 2),
        ...use(7, 3, 11),
        { kind: 'lost', count: 1, exact: true, beginNs: ns(8n), endNs: ns(9n), cpu: 0 },
        ...use(10, 4),
      ],
      ['close 2-3 path=/a', 'close 5-6 path=/a', 'close 7-8 path=/b', 'close 10-11'],
      [ATTR.fdPath],
    );
  });

  it('names a socket by the peer that it was connected to, and has its own address looked up', () => {
    const connect = { fd: 3, family: 2, dport: 80, v4addr: Uint8Array.of(127, 0, 0, 1) };
    const outputs: KernelOutput[] = [];
    const builder = new KernelSpans((output) => outputs.push(output), true);
    const connecting = (at: number, ret: number): void => {
      builder.item(event(at, 'skua_fd', { fields: { fd: 3, ino: 5n, path: 'socket:[7]' } }));
      builder.item(entry(at, 'connect', at, { fields: connect }));
      builder.item(exit(at + 1, 'connect', at, ret));
    };
    connecting(10, -111);
    expect(builder.descriptors.takeUnresolved()).toEqual(['7']);
    connecting(20, -115);
    expect(builder.descriptors.takeUnresolved()).toEqual(['7']);
    builder.descriptors.socket('7', 'tcp 127.0.0.1:4000 → 127.0.0.1:80');
    builder.item(entry(30, 'close', 30, { fields: { fd: 3 } }));
    builder.item(exit(31, 'close', 30, 0));
    expect(
      outputs.flatMap((o) => (o.kind === 'span' && o.final ? [o.span.attributes[ATTR.fdPath]] : [])),
    ).toEqual(['socket:[7]', 'socket:[7] → 127.0.0.1:80', 'socket:[7] tcp 127.0.0.1:4000 → 127.0.0.1:80']);
  });

  it('shows a long syscall early, once, and finishes it under the same id', () => {
    const outputs: KernelOutput[] = [];
    const builder = new KernelSpans((output) => outputs.push(output), true);
    builder.item(entry(1, 'read', 1));
    builder.showOpen(50n, 100n);
    builder.showOpen(200n, 100n);
    builder.showOpen(300n, 100n);
    builder.item(exit(400, 'read', 1, 0));
    const spans = outputs.filter((o) => o.kind === 'span');
    expect(spans.map((o) => [o.final, o.span.spanId, o.span.endNs])).toEqual([
      [false, '0000000000000001', undefined],
      [true, '0000000000000001', 400n],
    ]);
  });

  it('hands stacks, mappings and execs on in the order of the events', () => {
    const { outputs } = build([
      event(1, 'skua_mapping', {
        flags: 5,
        fields: {
          start: 0x1000n,
          end: 0x2000n,
          pgoff: 0n,
          ino: 9n,
          dev_major: 254,
          dev_minor: 0,
          path: '/bin/x',
        },
      }),
      entry(2, 'execve', 1, { stack: [1, 2, 3], fields: { filename: '/bin/y', argv: 1n, envp: 2n } }),
      exit(3, 'execve', 1, 0),
    ]);
    expect(outputs.map((o) => o.kind)).toEqual(['mapping', 'user-event', 'sample', 'exec', 'span']);
    expect(outputs[0]).toMatchObject({ pid: 10, mapping: { start: 0x1000n, devMajor: 254, path: '/bin/x' } });
  });

  it('counts events without context and makes nothing of them', () => {
    const { outputs, builder } = build([{ ...entry(1, 'read', 1), context: { pid: 1, tid: 1 } }]);
    expect(outputs).toEqual([]);
    expect(builder.counts.foreign).toBe(1);
  });
});
