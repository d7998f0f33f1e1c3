/** A TCP connection to a relay daemon's live port: commands go out at once, replies come back in the same order. */
import { connect as connectTcp, type Socket } from 'node:net';
import { SkuaError } from '../../common/base/errors';
import type { Exchange } from '../../common/ctf/live-protocol';

interface Waiting {
  readonly exchange: Exchange<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface ConnectionOptions {
  readonly port: number;
  readonly signal?: AbortSignal;
  /** A relay daemon that leaves a command unanswered for so long counts as failed. */
  readonly replyTimeoutMs?: number;
}

const LOOPBACK = '127.0.0.1';

function relaydFailed(message: string, cause?: unknown): SkuaError {
  return new SkuaError(
    {
      code: 'relayd-failed',
      message,
      remedy:
        'Run again. If it repeats, start `lttng-relayd -v` by hand on the target and look for what it reports; a full disk or a killed daemon are the usual causes.',
    },
    { cause },
  );
}

export class ViewerConnection {
  private readonly waiting: Waiting[] = [];
  private chunks: Uint8Array[] = [];
  private received = 0;
  private failure: SkuaError | undefined;
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly socket: Socket,
    private readonly options: ConnectionOptions,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.take(chunk);
    });
    socket.on('error', (error) => {
      this.fail(relaydFailed(`The connection to the LTTng relay daemon failed: ${error.message}.`, error));
    });
    socket.on('close', () => {
      this.fail(this.closedError());
    });
  }

  /** Connects to the relay daemon on this machine. Throws SkuaError `relayd-failed`; `cancelled` when aborted. */
  static async open(options: ConnectionOptions): Promise<ViewerConnection> {
    const { port, signal } = options;
    const socket = connectTcp({ host: LOOPBACK, port, ...(signal === undefined ? {} : { signal }) });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (error) => {
        reject(
          signal?.aborted === true
            ? new SkuaError({
                code: 'cancelled',
                message: 'Reading the live trace was cancelled.',
                remedy: '',
              })
            : relaydFailed(`No LTTng relay daemon answers on ${LOOPBACK}:${port} (${error.message}).`, error),
        );
      });
    });
    socket.removeAllListeners('error');
    return new ViewerConnection(socket, options);
  }

  /** Sends a command. Several may be under way; each is answered in its turn. */
  request<T>(exchange: Exchange<T>): Promise<T> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ exchange, resolve: resolve as (value: unknown) => void, reject });
      this.socket.write(exchange.request);
      if (this.timer === undefined) this.restartTimer();
    });
  }

  /** Ends the connection; commands under way fail. Idempotent. */
  close(): void {
    this.fail(relaydFailed('The connection to the LTTng relay daemon was closed.'));
  }

  private restartTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const [next] = this.waiting;
    if (next === undefined) return;
    const { replyTimeoutMs = 30_000 } = this.options;
    this.timer = setTimeout(() => {
      this.fail(relaydFailed(`The LTTng relay daemon does not answer "${next.exchange.name}".`));
    }, replyTimeoutMs);
  }

  private take(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.received += chunk.length;
    try {
      for (;;) {
        const [next] = this.waiting;
        if (next === undefined) {
          if (this.received > 0)
            throw relaydFailed('The LTTng relay daemon sent bytes that nobody asked for.');
          return;
        }
        const reply = this.reply(next.exchange);
        if (reply === undefined) break;
        const value = next.exchange.decode(reply);
        this.waiting.shift();
        next.resolve(value);
      }
    } catch (error) {
      this.fail(
        error instanceof SkuaError
          ? error
          : relaydFailed('The reply of the relay daemon is not valid.', error),
      );
      return;
    } finally {
      if (this.failure === undefined) this.restartTimer();
    }
  }

  /** The bytes of a reply once it is complete. Its length may become known in steps. */
  private reply(exchange: Exchange<unknown>): Uint8Array | undefined {
    let length = exchange.length(new Uint8Array(0));
    for (;;) {
      if (this.received < length) return undefined;
      const known = exchange.length(this.peek(length));
      if (known === length) break;
      length = known;
    }
    const bytes = this.peek(length);
    const [first] = this.chunks;
    const rest = first === undefined ? new Uint8Array(0) : first.subarray(length);
    this.chunks = rest.length > 0 ? [rest] : [];
    this.received -= length;
    return bytes;
  }

  /** The first `length` bytes in one piece; the chunks are joined as far as that needs. */
  private peek(length: number): Uint8Array {
    const [first] = this.chunks;
    if (first !== undefined && first.length >= length) return first.subarray(0, length);
    const joined = Buffer.concat(this.chunks, this.received);
    this.chunks = [joined];
    return joined.subarray(0, length);
  }

  private closedError(): SkuaError {
    const [next] = this.waiting;
    if (next !== undefined && this.received > 0) {
      return new SkuaError({
        code: 'live-stream-truncated',
        message: `The live stream was cut off in the middle of the relay daemon's answer to "${next.exchange.name}".`,
        remedy:
          'Everything received before is kept. Check that lttng-relayd still runs and that its disk is not full, then run again.',
        detail: `${this.received} bytes of the answer had arrived`,
      });
    }
    return relaydFailed('The LTTng relay daemon closed the connection while the session was still live.');
  }

  private fail(error: SkuaError): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    clearTimeout(this.timer);
    this.socket.destroy();
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}
