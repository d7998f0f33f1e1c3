/**
 * LTTng's live reading protocol ("viewer protocol" 2.x of lttng-relayd): commands and replies as bytes.
 * Source of the layout: lttng-tools, doc/live-reading-protocol.txt and src/bin/lttng-relayd/lttng-viewer-abi.h (MIT).
 *
 * Every command is u64 data_size · u32 cmd · u32 cmd_version, then its payload; all integers are big-endian, all structures
 * packed. Replies have no header of their own: how long one is follows from the command it answers, step by step.
 */
import { SkuaError } from '../base/errors';
import { decodeUtf8 } from '../base/utf8';

/** Old enough for every relayd since 2.4, and before 2.15's variable-length session lists. */
export const VIEWER_MAJOR = 2;
export const VIEWER_MINOR = 4;
export const DEFAULT_VIEWER_PORT = 5344;

const COMMAND = {
  connect: 1,
  listSessions: 2,
  attachSession: 3,
  getNextIndex: 4,
  getPacket: 5,
  getMetadata: 6,
  getNewStreams: 7,
  createSession: 8,
  detachSession: 9,
} as const;

const CLIENT_COMMAND = 1;
const SEEK_BEGINNING = 1;
const FLAG_NEW_METADATA = 1;
const FLAG_NEW_STREAM = 2;

const PATH_MAX = 4096;
const NAME_MAX = 255;
const HOST_MAX = 64;
const SESSION_BYTES = 8 + 4 + 4 + 4 + HOST_MAX + NAME_MAX;
const STREAM_BYTES = 8 + 8 + 4 + PATH_MAX + NAME_MAX;

/** More than any relayd has; a larger count means that the bytes are not what they should be. */
const MAX_LIST = 65_536;
const MAX_PACKET = 128 * 1024 * 1024;
const MAX_METADATA = 64 * 1024 * 1024;

/** One command and how its reply is read. */
export interface Exchange<T> {
  readonly name: string;
  readonly request: Uint8Array;
  /** Length of the whole reply as far as `bytes`, its beginning, tells; ask again when that much has arrived. */
  length(bytes: Uint8Array): number;
  /** Decodes a reply of exactly that length. */
  decode(bytes: Uint8Array): T;
}

export interface LiveSession {
  readonly id: bigint;
  readonly liveTimerUs: number;
  readonly streams: number;
  readonly host: string;
  readonly name: string;
}

export interface LiveStream {
  readonly id: bigint;
  /** Streams of one trace (kernel, or one UST domain) share it. */
  readonly traceId: bigint;
  readonly isMetadata: boolean;
  readonly path: string;
  readonly channel: string;
}

export type AttachStatus = 'ok' | 'already' | 'unknown-session' | 'not-live' | 'seek-error' | 'no-session';
export type NewStreamsStatus = 'ok' | 'none' | 'error' | 'hup';
export type IndexStatus = 'ok' | 'retry' | 'hup' | 'error' | 'inactive' | 'eof';
export type PacketStatus = 'ok' | 'retry' | 'error' | 'eof';
export type MetadataStatus = 'ok' | 'none' | 'error';

export interface LiveFlags {
  /** Metadata must be fetched before the next packet is decoded. */
  readonly newMetadata: boolean;
  readonly newStream: boolean;
}

export interface LiveIndex extends LiveFlags {
  readonly status: IndexStatus;
  /** Bytes. */
  readonly offset: bigint;
  /** Bits. */
  readonly packetSize: bigint;
  /** Clock cycles; of an inactive stream, the time up to which nothing happened. */
  readonly timestampEnd: bigint;
  /** The stream's id in the metadata (its stream class). */
  readonly streamClassId: bigint;
}

const ATTACH: readonly (AttachStatus | undefined)[] = [
  undefined,
  'ok',
  'already',
  'unknown-session',
  'not-live',
  'seek-error',
  'no-session',
];
const NEW_STREAMS: readonly (NewStreamsStatus | undefined)[] = [undefined, 'ok', 'none', 'error', 'hup'];
const INDEX: readonly (IndexStatus | undefined)[] = [
  undefined,
  'ok',
  'retry',
  'hup',
  'error',
  'inactive',
  'eof',
];
const PACKET: readonly (PacketStatus | undefined)[] = [undefined, 'ok', 'retry', 'error', 'eof'];
const METADATA: readonly (MetadataStatus | undefined)[] = [undefined, 'ok', 'none', 'error'];

function protocolError(what: string): SkuaError {
  return new SkuaError({
    code: 'relayd-failed',
    message: `The LTTng relay daemon sent something that is not its live protocol: ${what}.`,
    remedy:
      'Check that the port belongs to lttng-relayd 2.4 or later (its live port, 5344 by default), then run again.',
  });
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function status<T>(table: readonly (T | undefined)[], value: number, name: string): T {
  const found = table[value];
  if (found === undefined) throw protocolError(`status ${value} in answer to "${name}"`);
  return found;
}

function command(code: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(16 + payload.length);
  const header = view(bytes);
  header.setBigUint64(0, BigInt(payload.length));
  header.setUint32(8, code);
  bytes.set(payload, 16);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  view(bytes).setBigUint64(0, value);
  return bytes;
}

/** A NUL-padded text field. */
function field(bytes: Uint8Array, start: number, size: number): string {
  const end = bytes.subarray(start, start + size).indexOf(0);
  return decodeUtf8(bytes, start, end < 0 ? start + size : start + end);
}

function listCount(bytes: Uint8Array, offset: number, name: string): number {
  const count = view(bytes).getUint32(offset);
  if (count > MAX_LIST) throw protocolError(`a list of ${count} in answer to "${name}"`);
  return count;
}

function streams(bytes: Uint8Array, offset: number, name: string): LiveStream[] {
  const count = listCount(bytes, offset - 4, name);
  return Array.from({ length: count }, (_none, i) => {
    const at = offset + i * STREAM_BYTES;
    return {
      id: view(bytes).getBigUint64(at),
      traceId: view(bytes).getBigUint64(at + 8),
      isMetadata: view(bytes).getUint32(at + 16) !== 0,
      path: field(bytes, at + 20, PATH_MAX),
      channel: field(bytes, at + 20 + PATH_MAX, NAME_MAX),
    };
  });
}

/** Agrees on the protocol's version. */
export function connect(): Exchange<{ readonly major: number; readonly minor: number }> {
  const payload = new Uint8Array(20);
  view(payload).setUint32(8, VIEWER_MAJOR);
  view(payload).setUint32(12, VIEWER_MINOR);
  view(payload).setUint32(16, CLIENT_COMMAND);
  return {
    name: 'connect',
    request: command(COMMAND.connect, payload),
    length: () => 20,
    decode(bytes) {
      const major = view(bytes).getUint32(8);
      const minor = view(bytes).getUint32(12);
      if (major !== VIEWER_MAJOR) throw protocolError(`version ${major}.${minor}`);
      return { major, minor };
    },
  };
}

export function listSessions(): Exchange<readonly LiveSession[]> {
  const name = 'list sessions';
  return {
    name,
    request: command(COMMAND.listSessions),
    length: (bytes) => (bytes.length < 4 ? 4 : 4 + listCount(bytes, 0, name) * SESSION_BYTES),
    decode(bytes) {
      return Array.from({ length: listCount(bytes, 0, name) }, (_none, i) => {
        const at = 4 + i * SESSION_BYTES;
        return {
          id: view(bytes).getBigUint64(at),
          liveTimerUs: view(bytes).getUint32(at + 8),
          streams: view(bytes).getUint32(at + 16),
          host: field(bytes, at + 20, HOST_MAX),
          name: field(bytes, at + 20 + HOST_MAX, NAME_MAX),
        };
      });
    },
  };
}

export function createSession(): Exchange<boolean> {
  return {
    name: 'create session',
    request: command(COMMAND.createSession),
    length: () => 4,
    decode: (bytes) => view(bytes).getUint32(0) === 1,
  };
}

export interface StreamList<S> {
  readonly status: S;
  readonly streams: readonly LiveStream[];
}

/** Attaches to a session, to read it from its beginning. */
export function attachSession(sessionId: bigint): Exchange<StreamList<AttachStatus>> {
  const name = 'attach session';
  const payload = new Uint8Array(20);
  view(payload).setBigUint64(0, sessionId);
  view(payload).setUint32(16, SEEK_BEGINNING);
  return {
    name,
    request: command(COMMAND.attachSession, payload),
    length: (bytes) => (bytes.length < 8 ? 8 : 8 + listCount(bytes, 4, name) * STREAM_BYTES),
    decode: (bytes) => ({
      status: status(ATTACH, view(bytes).getUint32(0), name),
      streams: streams(bytes, 8, name),
    }),
  };
}

export function getNewStreams(sessionId: bigint): Exchange<StreamList<NewStreamsStatus>> {
  const name = 'get new streams';
  return {
    name,
    request: command(COMMAND.getNewStreams, u64(sessionId)),
    length: (bytes) => (bytes.length < 8 ? 8 : 8 + listCount(bytes, 4, name) * STREAM_BYTES),
    decode: (bytes) => ({
      status: status(NEW_STREAMS, view(bytes).getUint32(0), name),
      streams: streams(bytes, 8, name),
    }),
  };
}

export function getNextIndex(streamId: bigint): Exchange<LiveIndex> {
  const name = 'get next index';
  return {
    name,
    request: command(COMMAND.getNextIndex, u64(streamId)),
    length: () => 64,
    decode(bytes) {
      const v = view(bytes);
      return {
        status: status(INDEX, v.getUint32(56), name),
        offset: v.getBigUint64(0),
        packetSize: v.getBigUint64(8),
        timestampEnd: v.getBigUint64(32),
        streamClassId: v.getBigUint64(48),
        ...flags(v.getUint32(60)),
      };
    },
  };
}

function flags(value: number): LiveFlags {
  return { newMetadata: (value & FLAG_NEW_METADATA) !== 0, newStream: (value & FLAG_NEW_STREAM) !== 0 };
}

/** Asks for `length` bytes (a whole packet) at `offset` of a stream. */
export function getPacket(
  streamId: bigint,
  offset: bigint,
  length: number,
): Exchange<LiveFlags & { readonly status: PacketStatus; readonly data: Uint8Array }> {
  const name = 'get packet';
  const payload = new Uint8Array(20);
  view(payload).setBigUint64(0, streamId);
  view(payload).setBigUint64(8, offset);
  view(payload).setUint32(16, length);
  const dataLength = (bytes: Uint8Array): number => {
    if (view(bytes).getUint32(0) !== 1) return 0;
    const size = view(bytes).getUint32(4);
    if (size > MAX_PACKET) throw protocolError(`a packet of ${size} bytes`);
    return size;
  };
  return {
    name,
    request: command(COMMAND.getPacket, payload),
    length: (bytes) => (bytes.length < 12 ? 12 : 12 + dataLength(bytes)),
    decode: (bytes) => ({
      status: status(PACKET, view(bytes).getUint32(0), name),
      ...flags(view(bytes).getUint32(8)),
      data: bytes.subarray(12),
    }),
  };
}

export function getMetadata(
  streamId: bigint,
): Exchange<{ readonly status: MetadataStatus; readonly data: Uint8Array }> {
  const name = 'get metadata';
  const dataLength = (bytes: Uint8Array): number => {
    if (view(bytes).getUint32(8) !== 1) return 0;
    const size = view(bytes).getBigUint64(0);
    if (size > BigInt(MAX_METADATA)) throw protocolError(`metadata of ${size} bytes`);
    return Number(size);
  };
  return {
    name,
    request: command(COMMAND.getMetadata, u64(streamId)),
    length: (bytes) => (bytes.length < 12 ? 12 : 12 + dataLength(bytes)),
    decode: (bytes) => ({
      status: status(METADATA, view(bytes).getUint32(8), name),
      data: bytes.subarray(12),
    }),
  };
}

export function detachSession(sessionId: bigint): Exchange<boolean> {
  return {
    name: 'detach session',
    request: command(COMMAND.detachSession, u64(sessionId)),
    length: () => 4,
    decode: (bytes) => view(bytes).getUint32(0) === 1,
  };
}
