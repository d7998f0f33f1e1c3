/** Reads a live LTTng session from the relay daemon as it happens. The protocol's bytes: common/ctf/live-protocol.ts. */
import { setTimeout as delay } from 'node:timers/promises';
import { SkuaError } from '../../common/base/errors';
import { ns, type Nanoseconds } from '../../common/base/time';
import {
  attachSession,
  connect,
  createSession,
  DEFAULT_VIEWER_PORT,
  detachSession,
  getMetadata,
  getNewStreams,
  getNextIndex,
  getPacket,
  listSessions,
  type LiveIndex,
  type LiveStream,
} from '../../common/ctf/live-protocol';
import { LivePacketStream, LiveTrace } from '../../common/ctf/live-trace';
import { clockOffsetNs } from '../../common/ctf/state';
import { Muxer } from '../../common/ctf/muxer';
import type { CtfItem } from '../../common/ctf/types';
import { CtfCopy } from './ctf-copy';
import { ViewerConnection } from './viewer-connection';

export interface LiveOptions {
  /** The relay daemon's live port on this machine (127.0.0.1 only). */
  readonly port?: number;
  readonly sessionName: string;
  /** Ends the iteration at once, without error. To end with everything delivered, destroy the session instead. */
  readonly signal?: AbortSignal;
  /**
   * Aborted once the session has been destroyed: the iteration then ends, with everything delivered, also when the streams never
   * hang up but nothing new comes for `finishQuietMs`. LTTng 2.13's consumer daemon can deadlock while it closes a session.
   */
  readonly finish?: AbortSignal;
  /** Default 3 s. */
  readonly finishQuietMs?: number;
  /** Pause between rounds that brought nothing; five times that while nothing happens for a while. Default 10 ms. */
  readonly pollMs?: number;
  /** How long to wait for the session to appear. Default 10 s. */
  readonly sessionWaitMs?: number;
  readonly replyTimeoutMs?: number;
  /** Keep a CTF copy of everything received below this folder. */
  readonly copyTo?: string;
}

export interface CtfBatch {
  /** Nanoseconds from the Unix epoch to the zero of the tracer's clock, as its metadata has it; of the first trace with a clock. */
  readonly clockOffsetNs?: Nanoseconds;
  /** In order of time, over all streams and over batches. */
  readonly items: readonly CtfItem[];
}

const BATCH_ITEMS = 512;
/** A stream that is so far ahead of the slowest one is not asked for more. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** So many rounds without anything span two ticks of the usual live timer: whatever comes next, somebody has just begun to do something. */
const QUIET_ROUNDS = 20;
const QUIET_FACTOR = 5;
/** Of a stream that has more, so that what was read comes out before the rest. */
const PACKETS_A_ROUND = 16;

/**
 * Yields everything the session records, in batches, as soon as its place in time is certain, and ends when the session has
 * been destroyed and all of it has been delivered. Throws, after having yielded everything received until then, SkuaError
 * `relayd-failed`, `live-stream-truncated`, `ctf-metadata-invalid`, `ctf-unknown-type` or `ctf-packet-invalid`.
 */
export async function* openLive(options: LiveOptions): AsyncGenerator<CtfBatch, void, undefined> {
  const { signal, pollMs = 10, port = DEFAULT_VIEWER_PORT } = options;
  const aborted = (): boolean => signal?.aborted === true;
  if (aborted()) return;
  let connection: ViewerConnection | undefined;
  const abort = (): void => connection?.close();
  signal?.addEventListener('abort', abort);
  const muxer = new Muxer();
  let session: Session | undefined;
  let failure: unknown;
  try {
    connection = await ViewerConnection.open({
      port,
      ...(signal === undefined ? {} : { signal }),
      ...(options.replyTimeoutMs === undefined ? {} : { replyTimeoutMs: options.replyTimeoutMs }),
    });
    session = await attach(connection, muxer, options);
    let quiet = 0;
    let quietSince = Date.now();
    while (!session.closed) {
      const busy = await session.round();
      yield* drain(muxer, session);
      quiet = busy ? 0 : quiet + 1;
      if (busy || options.finish?.aborted !== true) quietSince = Date.now();
      else if (Date.now() - quietSince > (options.finishQuietMs ?? 3000)) break;
      if (!busy) await delay(quiet > QUIET_ROUNDS ? QUIET_FACTOR * pollMs : pollMs);
    }
  } catch (error) {
    failure = error;
  } finally {
    signal?.removeEventListener('abort', abort);
    // Reached also when the consumer leaves the loop early: the relay daemon is told, but not waited for.
    if (session !== undefined) connection?.request(detachSession(session.id)).catch(() => undefined);
    setImmediate(() => connection?.close());
    await session?.dispose();
  }
  if (aborted()) return;
  // Nothing more will come: what is left is in order as it stands.
  session?.end();
  try {
    yield* drain(muxer, session);
  } catch (error) {
    failure ??= error;
  }
  if (failure !== undefined) throw failure as Error;
}

/**
 * Everything that can be told by now, in batches. After each the event loop has a turn: a backlog of tens of thousands of events must not
 * keep timers, answers and spans that are ready waiting.
 */
async function* drain(muxer: Muxer, session: Session | undefined): AsyncGenerator<CtfBatch, void, undefined> {
  let failure: unknown;
  let more = true;
  while (more) {
    const items: CtfItem[] = [];
    try {
      more = muxer.read(items, BATCH_ITEMS);
    } catch (error) {
      // What was decoded before a damaged packet is delivered first.
      failure = error;
      more = false;
    }
    const offset = session?.clockOffsetNs;
    if (items.length === 0) continue;
    yield { items, ...(offset === undefined ? {} : { clockOffsetNs: offset }) };
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (failure !== undefined) throw failure as Error;
}

async function attach(connection: ViewerConnection, muxer: Muxer, options: LiveOptions): Promise<Session> {
  await connection.request(connect());
  const deadline = Date.now() + (options.sessionWaitMs ?? 10_000);
  for (;;) {
    const sessions = (await connection.request(listSessions())).filter(
      ({ name }) => name === options.sessionName,
    );
    // A name can occur again after a destroyed session: the newest is meant.
    const found = sessions.sort((a, b) => (a.id < b.id ? 1 : -1))[0];
    if (found !== undefined) {
      if (!(await connection.request(createSession()))) throw failed('refuses to create a viewer session');
      const attached = await connection.request(attachSession(found.id));
      if (attached.status === 'ok') {
        const session = new Session(connection, found.id, muxer, options.copyTo);
        session.add(attached.streams);
        return session;
      }
      if (attached.status !== 'unknown-session') {
        throw failed(`does not let Skua read the session "${options.sessionName}" (${attached.status})`);
      }
    }
    if (Date.now() > deadline) throw failed(`knows no live session "${options.sessionName}"`);
    await delay(20);
  }
}

function failed(what: string): SkuaError {
  return new SkuaError({
    code: 'relayd-failed',
    message: `The LTTng relay daemon ${what}.`,
    remedy:
      'End other readers of this session, then run again. The session must be a live one (`lttng create --live`).',
  });
}

interface Stream {
  readonly info: LiveStream;
  readonly trace: Trace;
  readonly source: LivePacketStream;
}

interface Trace {
  readonly live: LiveTrace;
  metadata: LiveStream | undefined;
  fetching: Promise<void> | undefined;
}

/** An attached session: what is asked of the relay daemon, round after round. */
class Session {
  /** The session has been destroyed and every stream has been read to its end. */
  closed = false;
  private streams: Stream[] = [];
  private readonly traces = new Map<bigint, Trace>();
  private readonly copy: CtfCopy | undefined;

  constructor(
    private readonly connection: ViewerConnection,
    readonly id: bigint,
    private readonly muxer: Muxer,
    copyTo: string | undefined,
  ) {
    this.copy = copyTo === undefined ? undefined : new CtfCopy(copyTo);
  }

  add(streams: readonly LiveStream[]): void {
    for (const info of streams) {
      let trace = this.traces.get(info.traceId);
      if (trace === undefined)
        this.traces.set(
          info.traceId,
          (trace = { live: new LiveTrace(), metadata: undefined, fetching: undefined }),
        );
      if (info.isMetadata) trace.metadata = info;
      else {
        const source = new LivePacketStream(trace.live);
        this.streams.push({ info, trace, source });
        this.muxer.add(source);
      }
    }
  }

  get clockOffsetNs(): Nanoseconds | undefined {
    for (const { live } of this.traces.values()) {
      const clock = live.ready ? [...live.decoder.trace.clocks.values()][0] : undefined;
      if (clock !== undefined) return ns(clockOffsetNs(clock));
    }
    return undefined;
  }

  /** No stream will get anything more. */
  end(): void {
    for (const { source } of this.streams) source.ended = true;
  }

  async dispose(): Promise<void> {
    await this.copy?.dispose();
  }

  /** Reads what every stream has, all streams at once. Returns whether anything came. */
  async round(): Promise<boolean> {
    if (this.streams.length === 0) return this.newStreams();
    const asked = this.streams.filter(({ source }) => source.queuedBytes < MAX_QUEUED_BYTES);
    const results = await Promise.all(asked.map((stream) => this.follow(stream)));
    this.streams = this.streams.filter(({ source }) => !source.ended);
    return results.includes(true);
  }

  /**
   * Reads packets of a stream until it has no more for now. Returns whether there was anything. Each packet is fetched before the
   * next index is asked for: with the index that says that the stream has ended, the daemon forgets it and what was not fetched.
   */
  private async follow(stream: Stream): Promise<boolean> {
    const { source } = stream;
    let packets = 0;
    while (packets < PACKETS_A_ROUND && source.queuedBytes < MAX_QUEUED_BYTES) {
      const index = await this.connection.request(getNextIndex(stream.info.id));
      if (index.newStream) await this.newStreams();
      if (index.newMetadata) await this.newMetadata(stream.trace);
      if (index.status !== 'ok') return this.pause(stream, index) || packets > 0;
      const bytes = await this.packet(stream, index);
      await this.copy?.write(stream.info, bytes);
      source.push(bytes);
      packets += 1;
    }
    return true;
  }

  /** What an index without a packet says. Returns whether it was the stream's end. */
  private pause({ info, source }: Stream, index: LiveIndex): boolean {
    if (index.status === 'error') throw failed(`reports an error on the stream "${info.channel}"`);
    if (index.status === 'inactive') source.inactiveUntil(index.timestampEnd, index.streamClassId);
    if (index.status === 'hup' || index.status === 'eof') source.ended = true;
    return source.ended;
  }

  private async packet(stream: Stream, index: LiveIndex): Promise<Uint8Array> {
    const length = Number(index.packetSize / 8n);
    if (length <= 0 || length > 0x7fff_ffff) throw failed(`announces a packet of ${index.packetSize} bits`);
    for (;;) {
      const reply = await this.connection.request(getPacket(stream.info.id, index.offset, length));
      if (reply.status === 'ok') {
        if (reply.data.length !== length) {
          throw new SkuaError({
            code: 'live-stream-truncated',
            message: `The relay daemon sent ${reply.data.length} of ${length} bytes of a packet.`,
            remedy:
              'Everything received before is kept. Check the disk of the machine that runs lttng-relayd, then run again.',
          });
        }
        return reply.data;
      }
      // The daemon refuses a packet while metadata or streams are unknown to the reader that it may need.
      if (reply.newMetadata) await this.newMetadata(stream.trace);
      if (reply.newStream) await this.newStreams();
      if (reply.status === 'eof' || (reply.status === 'error' && !reply.newMetadata && !reply.newStream)) {
        throw failed(`cannot read a packet of the stream "${stream.info.channel}"`);
      }
      if (reply.status === 'retry') await delay(5);
    }
  }

  /** One fetch at a time for each trace, so that its pieces stay in order. */
  private newMetadata(trace: Trace): Promise<void> {
    trace.fetching ??= this.fetchMetadata(trace).finally(() => {
      trace.fetching = undefined;
    });
    return trace.fetching;
  }

  private async fetchMetadata(trace: Trace): Promise<void> {
    if (trace.metadata === undefined) await this.newStreams();
    const { metadata } = trace;
    if (metadata === undefined) throw failed('has no metadata for the trace');
    for (;;) {
      const { status, data } = await this.connection.request(getMetadata(metadata.id));
      if (status === 'error') throw failed('cannot read the metadata of the trace');
      if (status === 'none' || data.length === 0) return;
      await this.copy?.write(metadata, data);
      trace.live.addMetadata(data);
    }
  }

  /** Returns whether there were any; notices the end of the session. */
  private async newStreams(): Promise<boolean> {
    const { status, streams } = await this.connection.request(getNewStreams(this.id));
    const allEnded = this.streams.every(({ source }) => source.ended);
    // A daemon that has already forgotten the destroyed session answers with an error instead of a hang-up.
    if (status === 'error' && !(allEnded && this.traces.size > 0))
      throw failed('cannot list the streams of the session');
    this.add(streams);
    if (allEnded && (status === 'hup' || status === 'error')) this.closed = true;
    return streams.length > 0;
  }
}
