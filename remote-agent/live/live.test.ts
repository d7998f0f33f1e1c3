import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { readMetadata } from '../../common/ctf/metadata';
import { TraceDecoder } from '../../common/ctf/packet';
import type { CtfItem } from '../../common/ctf/types';
import { openCtfFolder } from './folder';
import { openLive, type LiveOptions } from './live';
import { fixture } from './testing/fixtures';

/**
 * A peer that speaks the relay daemon's side over the packets of a recorded trace, and can be told to misbehave. It exists for
 * failures that a real daemon does not produce on demand; the real one is in test/vm/live.test.ts.
 */
interface Script {
  /** Bytes of metadata given in one reply. */
  readonly metadataPiece?: number;
  readonly metadata?: Uint8Array;
  /** Called before the reply to a command goes out; may change it or end the connection. */
  readonly tamper?: (
    command: number,
    reply: Uint8Array,
    count: number,
    socket: Socket,
  ) => Uint8Array | undefined;
  /** The session appears only at this listing. */
  readonly listedAfter?: number;
  /** Packets announced before each RETRY. */
  readonly burst?: number;
}

const { metadata, streams, lines } = fixture('overwrite');

function packetsOf(bytes: Uint8Array): Uint8Array[] {
  const decoder = new TraceDecoder(readMetadata(metadata));
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = decoder.start(bytes.subarray(at)).packetBits / 8;
    packets.push(bytes.subarray(at, at + size));
    at += size;
  }
  return packets;
}

class Peer {
  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(script: Script = {}): Promise<Peer> {
    const server = createServer((socket) => {
      serve(socket, script);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Peer(server, (server.address() as AddressInfo).port);
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function serve(socket: Socket, script: Script): void {
  const packets = streams.map(packetsOf);
  const next = packets.map(() => 0);
  /** Streams whose end was said: the daemon knows them no longer. */
  const forgotten = new Set<number>();
  const toMetadata = script.metadata ?? metadata;
  let sent = 0;
  let listed = 0;
  let asked = 0;
  const counts = new Map<number, number>();
  let input = Buffer.alloc(0);

  const answer = (command: number, payload: Buffer): Uint8Array => {
    const u32 = (...values: number[]): Buffer => {
      const bytes = Buffer.alloc(4 * values.length);
      values.forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
      return bytes;
    };
    const u64 = (value: number): Buffer => u32(Math.floor(value / 2 ** 32), value >>> 0);
    const name = (text: string, size: number): Buffer => Buffer.concat([Buffer.from(text)], size);
    const stream = (id: number, isMetadata: boolean): Buffer =>
      Buffer.concat([
        u64(id),
        u64(9),
        u32(isMetadata ? 1 : 0),
        name('kernel', 4096),
        name(isMetadata ? 'metadata' : 'c0', 255),
      ]);
    const id = payload.length >= 8 ? payload.readUInt32BE(4) : 0;
    switch (command) {
      case 1:
        return Buffer.concat([u64(77), u32(2, 13, 1)]);
      case 2: {
        listed += 1;
        if (listed <= (script.listedAfter ?? 0)) return u32(0);
        return Buffer.concat([u32(1), u64(3), u32(20000, 0, 3), name('lab', 64), name('s', 255)]);
      }
      case 8:
      case 9:
        return u32(1);
      case 3:
        return Buffer.concat([
          u32(1, 1 + streams.length),
          stream(1, true),
          ...streams.map((_s, i) => stream(10 + i, false)),
        ]);
      case 7:
        return u32(4, 0);
      case 4: {
        asked += 1;
        const which = id - 10;
        const index = next[which] as number;
        const packet = packets[which]?.[index];
        const retry = script.burst !== undefined && asked % (script.burst + 1) === 0;
        const status = packet === undefined ? 3 : retry ? 2 : 1;
        if (status === 1) next[which] = index + 1;
        if (status === 3) forgotten.add(id);
        const flags = sent < toMetadata.length ? 1 : 0;
        const offset = packets[which]?.slice(0, index).reduce((sum, p) => sum + p.length, 0) ?? 0;
        const size = (packet?.length ?? 0) * 8;
        return Buffer.concat([
          u64(offset),
          u64(size),
          u64(size),
          u64(0),
          u64(0),
          u64(0),
          u64(0),
          u32(status, flags),
        ]);
      }
      case 5: {
        if (forgotten.has(id)) return u32(3, 0, 0);
        const offset = payload.readUInt32BE(12);
        const length = payload.readUInt32BE(16);
        return Buffer.concat([
          u32(1, length, 0),
          (streams[id - 10] as Uint8Array).subarray(offset, offset + length),
        ]);
      }
      case 6: {
        const piece = toMetadata.subarray(sent, sent + (script.metadataPiece ?? toMetadata.length));
        sent += piece.length;
        return piece.length === 0
          ? Buffer.concat([u64(0), u32(2)])
          : Buffer.concat([u64(piece.length), u32(1), piece]);
      }
      default:
        throw new Error(`command ${command}`);
    }
  };

  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    input = Buffer.concat([input, chunk]);
    while (input.length >= 16 && input.length >= 16 + input.readUInt32BE(4)) {
      const size = 16 + input.readUInt32BE(4);
      const command = input.readUInt32BE(8);
      const payload = input.subarray(16, size);
      input = input.subarray(size);
      const count = (counts.get(command) ?? 0) + 1;
      counts.set(command, count);
      const reply = answer(command, payload);
      const changed = script.tamper === undefined ? reply : script.tamper(command, reply, count, socket);
      if (changed === undefined) return;
      socket.write(changed);
    }
  });
}

const peers: Peer[] = [];
afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.stop()));
});

async function run(
  script: Script,
  options: Partial<LiveOptions> = {},
): Promise<{ readonly items: CtfItem[]; readonly error: SkuaError | undefined }> {
  const peer = await Peer.start(script);
  peers.push(peer);
  const items: CtfItem[] = [];
  try {
    for await (const batch of openLive({ port: peer.port, sessionName: 's', pollMs: 1, ...options })) {
      items.push(...batch.items);
    }
  } catch (error) {
    if (error instanceof SkuaError) return { items, error };
    throw error;
  }
  return { items, error: undefined };
}

const events = (items: readonly CtfItem[]): number => items.filter(({ kind }) => kind === 'event').length;

describe('live reader', () => {
  it('delivers everything in order and ends at the end of the session', async () => {
    const { items, error } = await run({ listedAfter: 2, burst: 1, metadataPiece: 1000 });
    expect(error).toBeUndefined();
    expect(events(items)).toBe(lines.length);
    const times = items.map((item) => (item.kind === 'event' ? item.timestampNs : item.beginNs));
    expect(times.findIndex((time, i) => i > 0 && time < (times[i - 1] as bigint))).toBe(-1);
  });

  it('ends with everything delivered when the session is over but a stream never hangs up', async () => {
    const finish = AbortSignal.abort();
    const { items, error } = await run(
      // "Inactive up to time 0" instead of the end.
      {
        tamper: (command, reply) =>
          command === 4 && reply[59] === 3 ? Buffer.from(reply).fill(5, 59, 60) : reply,
      },
      { finish, finishQuietMs: 50 },
    );
    expect(error).toBeUndefined();
    expect(events(items)).toBe(lines.length);
  });

  it('takes "no such session" for the end once every stream has ended, and for a failure before', async () => {
    const noSession = Buffer.from('0000000300000000', 'hex');
    const after = await run({ tamper: (command, reply) => (command === 7 ? noSession : reply) });
    expect(after.error).toBeUndefined();
    expect(events(after.items)).toBe(lines.length);
    const before = await run({
      tamper: (command, reply) => {
        if (command === 7) return noSession;
        // "New streams" with every index.
        return command === 4 ? Buffer.from(reply).fill((reply[63] ?? 0) | 2, 63, 64) : reply;
      },
    });
    expect(before.error?.message).toContain('cannot list the streams');
  });

  it('keeps a copy that reads as the same trace', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-copy-'));
    try {
      const { items } = await run({}, { copyTo: folder });
      expect(readdirSync(join(folder, 'kernel')).sort()).toEqual(['c0_10', 'c0_11', 'metadata']);
      expect(new Uint8Array(readFileSync(join(folder, 'kernel', 'c0_10')))).toEqual(streams[0]);
      const copy = openCtfFolder(join(folder, 'kernel'));
      expect([...copy.batches()].flat()).toHaveLength(items.length);
      copy.dispose();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('stops without error when aborted, also while it waits for the session', async () => {
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort();
    }, 50);
    expect(await run({ listedAfter: Infinity }, { signal: controller.signal })).toEqual({
      items: [],
      error: undefined,
    });
    expect(await run({}, { signal: AbortSignal.abort() })).toEqual({ items: [], error: undefined });
  });

  it('says so when no daemon answers, or none has the session', async () => {
    const iterate = async (): Promise<void> => {
      for await (const _batch of openLive({ port: 1, sessionName: 's' }));
    };
    await expect(iterate()).rejects.toMatchObject({ code: 'relayd-failed' });
    const missing = await run({ listedAfter: Infinity }, { sessionWaitMs: 50 });
    expect(missing.error?.message).toContain('no live session "s"');
  });

  it('keeps what came before when the stream is cut off within a packet', async () => {
    const { items, error } = await run({
      tamper: (command, reply, count, socket) => {
        if (command !== 5 || count < 6) return reply;
        socket.end(reply.subarray(0, reply.length - 100));
        return undefined;
      },
    });
    expect(error?.code).toBe('live-stream-truncated');
    expect(events(items)).toBeGreaterThan(50);
    expect(events(items)).toBeLessThan(lines.length);
  });

  it('keeps what came before when the daemon dies between answers', async () => {
    const { items, error } = await run({
      tamper: (command, reply, count, socket) => {
        if (command !== 4 || count < 20) return reply;
        socket.destroy();
        return undefined;
      },
    });
    expect(error?.code).toBe('relayd-failed');
    expect(events(items)).toBeGreaterThan(50);
  });

  it('does not wait for ever for a daemon that hangs', async () => {
    const { error } = await run(
      { tamper: (command, reply) => (command === 4 ? undefined : reply) },
      { replyTimeoutMs: 60 },
    );
    expect(error?.message).toContain('does not answer "get next index"');
  });

  it.each([
    ['a list of four billion sessions', 2, (reply: Buffer) => reply.fill(0xff, 0, 4), 'relayd-failed'],
    ['an unknown status', 4, (reply: Buffer) => reply.fill(0x33, 56, 60), 'relayd-failed'],
    ['a packet of 4 GB', 5, (reply: Buffer) => reply.fill(0xff, 4, 8), 'relayd-failed'],
    ['metadata of 2^63 bytes', 6, (reply: Buffer) => reply.fill(0x7f, 0, 8), 'relayd-failed'],
    ['a packet without size', 4, (reply: Buffer) => reply.fill(0, 8, 16), 'relayd-failed'],
    ['another version', 1, (reply: Buffer) => reply.fill(0xff, 8, 12), 'relayd-failed'],
    ['a refused packet', 5, () => Buffer.from('000000030000000000000000', 'hex'), 'relayd-failed'],
    ['an error for metadata', 6, () => Buffer.from('000000000000000000000003', 'hex'), 'relayd-failed'],
    [
      'an error for an index',
      4,
      (reply: Buffer) => Buffer.concat([reply.subarray(0, 59), Buffer.from([4, 0, 0, 0, 0])]),
      'relayd-failed',
    ],
    ['a damaged packet', 5, (reply: Buffer) => reply.fill(0, 12, 16), 'ctf-packet-invalid'],
    [
      'bytes that nobody asked for',
      1,
      (reply: Buffer) => Buffer.concat([reply, Buffer.from('more')]),
      'relayd-failed',
    ],
  ] as const)('refuses %s', async (_what, command, change, code) => {
    const { error } = await run({
      tamper: (asked, reply) => (asked === command ? change(Buffer.from(reply)) : reply),
    });
    expect(error?.code).toBe(code);
  });

  it('refuses metadata with an unknown type', async () => {
    const text = new TextDecoder().decode(metadata).replaceAll('integer {', 'entegir {');
    const { error } = await run({
      metadata: new TextEncoder().encode(text.slice(text.indexOf('typealias'))),
    });
    expect(error?.code).toMatch(/^ctf-(metadata-invalid|unknown-type)$/);
  });
});
