/**
 * Frames on a byte stream: u32 little-endian payload length, then a MessagePack map (https://msgpack.org). bigints travel as int64.
 */
import { Decoder, Encoder } from '@msgpack/msgpack';
import { SkuaError } from '../base/errors';

/** A longer frame is a protocol error: neither side ever sends one. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

const encoder = new Encoder({ useBigInt64: true, ignoreUndefined: true });
const decoder = new Decoder({ useBigInt64: true });

export function encodeFrame(message: object): Uint8Array {
  const payload = encoder.encode(message);
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length, true);
  frame.set(payload, 4);
  return frame;
}

/** Reassembles frames from chunks of any size. Throws SkuaError `agent-protocol` on a frame that cannot be right. */
export class FrameReader {
  private pending: Uint8Array = new Uint8Array(0);

  /** Bytes of an incomplete frame still waiting: non-zero at end of stream means truncation. */
  get pendingBytes(): number {
    return this.pending.length;
  }

  /** Returns `[message, frameBytes]` for every frame completed by `chunk`. */
  push(chunk: Uint8Array): (readonly [unknown, number])[] {
    const data = this.pending.length === 0 ? chunk : concat(this.pending, chunk);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const messages: (readonly [unknown, number])[] = [];
    let at = 0;
    while (data.length - at >= 4) {
      const length = view.getUint32(at, true);
      if (length > MAX_FRAME_BYTES) {
        throw new SkuaError({
          code: 'agent-protocol',
          message: `The agent's stream has a frame of ${length} bytes, which cannot be right.`,
          remedy:
            'Something else writes to the connection: check that the login shell on the target prints nothing for non-interactive logins.',
        });
      }
      if (data.length - at - 4 < length) break;
      messages.push([decode(data.subarray(at + 4, at + 4 + length)), 4 + length]);
      at += 4 + length;
    }
    this.pending = data.slice(at);
    return messages;
  }
}

function decode(payload: Uint8Array): unknown {
  try {
    return decoder.decode(payload);
  } catch (cause) {
    throw new SkuaError(
      {
        code: 'agent-protocol',
        message: 'A frame from the agent could not be decoded.',
        remedy: 'Redeploy the agent ("Skua: Remove Agent from Target"), then run again.',
      },
      { cause },
    );
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
