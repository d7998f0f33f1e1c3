/** A session without LTTng: the daemon, the kernel's account and the live stream are the test's; everything between is real. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ns } from '../../common/base/time';
import type { CtfEvent, CtfFields, CtfItem } from '../../common/ctf/types';
import type { KernelAccount } from '../../common/model/kernelAccount';
import type { AgentMessage, SessionOptions } from '../../common/protocol/agent';
import type { LttngControl } from '../lttng/control';
import { SessionRecords } from '../lttng/stale';
import type * as preflight from '../lttng/preflight';
import type { PreflightId } from '../lttng/preflight';
import type * as kernelCounters from './kernelCounters';
import type { LiveBatch } from './liveSource';
import { SpanSender } from './spanSender';
import { TraceSession } from './traceSession';

const state = mkdtempSync(join(tmpdir(), 'skua-session-'));
process.env['XDG_STATE_HOME'] = state;

/** What the session meets outside of itself. */
const outside = vi.hoisted(() => ({
  account: undefined as KernelAccount | undefined,
  armed: (_id: PreflightId): void => undefined,
  relaydEnds: (_said: string): void => undefined,
}));

vi.mock('../lttng/relayd', () => ({
  startRelayd: () =>
    Promise.resolve({
      pid: process.pid,
      controlPort: 1,
      dataPort: 2,
      livePort: 3,
      ended: new Promise((resolve) => (outside.relaydEnds = resolve)),
      dispose: () => Promise.resolve(),
    }),
}));
vi.mock('../lttng/preflight', async (original) => ({
  ...(await original<typeof preflight>()),
  armHelper: (id: PreflightId) => {
    outside.armed(id);
    return Promise.resolve();
  },
}));
vi.mock('./kernelCounters', async (original) => ({
  ...(await original<typeof kernelCounters>()),
  readAccount: () => Promise.resolve(outside.account),
  readFinalAccount: () => Promise.resolve(outside.account),
  readTroubles: () => Promise.resolve({ unreadable: 0, refused: 0, missed: 0 }),
}));

afterAll(() => {
  rmSync(state, { recursive: true, force: true });
});

const OPTIONS: SessionOptions = {
  name: 'skua-test',
  tracepoints: [],
  syscalls: 'all',
  subbufferBytes: 4096,
  subbuffers: 2,
  liveTimerUs: 1000,
  queueBytes: 65_536,
};

let now = 1_700_000_000_000_000_000n;
function event(name: string, id: bigint, trace: PreflightId = { hi: 1n, lo: 2n }, flags = 3): CtfEvent {
  now += 1000n;
  const fields: CtfFields = name.startsWith('syscall_exit_') ? { ret: 0 } : {};
  return {
    kind: 'event',
    timestampNs: ns(now),
    cpu: 0,
    name,
    id: 0,
    eventClass: { id: 0, streamId: 0, name },
    context: {
      skua_trace_hi: trace.hi,
      skua_trace_lo: trace.lo,
      skua_span: 3n,
      skua_syscall: id,
      skua_flags: flags,
      pid: 10,
      tid: 11,
      procname: 'prog',
    },
    fields,
  };
}

/** A stream that the test feeds; it ends when told to, as the relay daemon's does when the session is destroyed. */
class Stream {
  private readonly items: CtfItem[] = [];
  private ended = false;
  private wake: () => void = () => undefined;

  push(...items: readonly CtfItem[]): void {
    this.items.push(...items);
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *open(signal: AbortSignal): AsyncGenerator<LiveBatch> {
    signal.addEventListener('abort', () => {
      this.end();
    });
    for (;;) {
      if (this.items.length > 0) yield { items: this.items.splice(0) };
      else if (this.ended) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

interface Running {
  readonly session: TraceSession;
  readonly stream: Stream;
  readonly sender: SpanSender;
  readonly messages: AgentMessage[];
}

/** A session that has begun. Its own test was one call, all four events of it seen: arming, entry, exit, exit_group. */
async function begin(credit: number): Promise<Running> {
  const stream = new Stream();
  const messages: AgentMessage[] = [];
  outside.armed = (id) => {
    stream.push(
      event('syscall_exit_write', 0n, id, 5),
      event('syscall_entry_chdir', 1n, id),
      event('syscall_exit_chdir', 1n, id),
      event('syscall_entry_exit_group', 2n, id),
    );
  };
  const sender = new SpanSender(() => undefined, 1e9, credit);
  const session = await TraceSession.start(OPTIONS, {
    control: {
      configure: () => Promise.resolve({ notes: [] }),
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
      destroy: () => {
        stream.end();
        return Promise.resolve();
      },
    } as unknown as LttngControl,
    records: new SessionRecords(state),
    sender,
    openLive: ({ signal }) => stream.open(signal),
    resolver: undefined,
    native: state,
    send: (message) => messages.push(message),
    log: () => undefined,
    context: { signal: new AbortController().signal, progress: () => undefined },
  });
  return { session, stream, sender, messages };
}

/** Of `calls` calls with ids from 100 on, both events. */
function calls(count: number): CtfItem[] {
  return Array.from({ length: count }, (_, i) => BigInt(100 + i)).flatMap((id) => [
    event('syscall_entry_getpid', id),
    event('syscall_exit_getpid', id),
  ]);
}

beforeEach(() => {
  outside.account = undefined;
});

describe('TraceSession', () => {
  it("balances what it delivered with the kernel's account, and leaves its own test out", async () => {
    const { session, stream, messages } = await begin(1e9);
    stream.push(
      ...calls(5),
      event('syscall_exit_getpid', 300n),
      event('syscall_entry_write', 301n, undefined, 7),
    );
    // Ten calls of the program, of which five came whole and one by its exit; a control call; two calls of the session's own.
    outside.account = { running: false, events: 30, entries: 13, exits: 11, control: 1, lost: 9 };
    const summary = await session.stop();
    expect(summary.loss).toMatchObject({
      eventsOffered: 30,
      eventsDecoded: 16,
      ringBuffer: 9,
      stream: 5,
      issued: 10,
      ownSyscalls: 2,
      entryLost: 1,
      bothLost: 4,
      exitLost: 0,
      ssh: 0,
    });
    expect(summary.syscallSpans).toBe(5);
    expect(summary.notes.join()).not.toContain('account');
    expect(messages.at(-1)).toMatchObject({ t: 'loss', loss: summary.loss });
  });

  it('counts the spans that a stalled client never took', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    try {
      const beginning = begin(1);
      await vi.advanceTimersByTimeAsync(100);
      const { session, stream, sender } = await beginning;
      stream.push(...calls(2000));
      outside.account = { running: false, events: 4004, entries: 2002, exits: 2001, control: 0, lost: 0 };
      const stopping = session.stop();
      for (let s = 0; s < 60; s += 1) await vi.advanceTimersByTimeAsync(1000);
      const { loss, notes } = await stopping;
      expect(loss.ssh).toBeGreaterThan(0);
      expect(loss).toMatchObject({ issued: 2000, bothLost: 0, ssh: sender.dropped.syscalls });
      expect(sender.queued).toBe(0);
      expect(notes.join()).toContain('took nothing');
    } finally {
      vi.useRealTimers();
    }
  });

  it('still accounts for everything when the relay daemon dies, and says so when the kernel cannot', async () => {
    for (const account of [
      { running: false, events: 20, entries: 9, exits: 8, control: 0, lost: 0 },
      undefined,
    ]) {
      const { session, stream, messages } = await begin(1e9);
      stream.push(...calls(3));
      outside.account = account;
      outside.relaydEnds('killed');
      await vi.waitFor(() => {
        expect(messages).toContainEqual(expect.objectContaining({ t: 'sessionFailed' }));
      });
      const { loss, notes } = await session.stop();
      if (account === undefined) {
        expect(loss).toMatchObject({ issued: 0, stream: 0, bothLost: 0 });
        expect(notes.join()).toContain('keeps no account');
      } else {
        expect(loss).toMatchObject({ issued: 7, stream: 10, bothLost: 4 });
      }
    }
  });
});
