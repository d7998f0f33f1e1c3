import type { Readable, Writable } from 'node:stream';
import { SkuaError, toSkuaError } from '../../common/base/errors';
import { encodeFrame, FrameReader } from '../../common/protocol/frame';
import type { AgentMessage, AgentMethod, AgentRequests, ClientMessage } from '../../common/protocol/agent';
import type { Log } from '../base/log';

export interface RequestContext {
  /** Aborted by the client's `cancel` and when the connection closes. */
  readonly signal: AbortSignal;
  progress(step: string, fraction?: number): void;
}

export type Handlers = {
  readonly [M in AgentMethod]: (
    params: AgentRequests[M][0],
    context: RequestContext,
  ) => Promise<AgentRequests[M][1]>;
};

export interface ConnectionEvents {
  input(data: Uint8Array): void;
  credit(bytes: number): void;
}

/**
 * The agent's end of the protocol: requests run concurrently, each with an id, progress and cancellation; every failure
 * travels as a typed error. Knows nothing of tracing.
 */
export class Connection {
  private readonly running = new Map<number, AbortController>();
  private readonly reader = new FrameReader();
  private ended = false;
  readonly log: Log = (level, message) => {
    this.send({ t: 'log', level, message });
  };

  constructor(
    private readonly input: Readable,
    private readonly output: Writable,
  ) {
    output.on('error', () => {
      // The client is gone; the end of the input, which comes with it, is what ends the agent.
      this.ended = true;
    });
  }

  /** Bytes waiting to be taken by the client; beyond some megabytes, producers that can wait should. */
  get backlogBytes(): number {
    return this.output.writableLength;
  }

  /** Resolves when the client has taken everything written so far, or is gone. */
  async drained(): Promise<void> {
    if (this.output.writableLength === 0 || this.ended) return;
    await new Promise<void>((resolve) => {
      this.output.once('drain', resolve).once('close', resolve);
    });
  }

  send(message: AgentMessage): void {
    this.writeFrame(encodeFrame(message));
  }

  writeFrame(frame: Uint8Array): void {
    if (!this.ended) this.output.write(frame);
  }

  /** Serves until the input ends, which means that the client is gone. Every running request is aborted then. */
  async serve(handlers: Handlers, events: ConnectionEvents): Promise<void> {
    try {
      for await (const chunk of this.input) {
        for (const [message] of this.reader.push(chunk as Buffer)) this.dispatch(message, handlers, events);
      }
    } finally {
      this.ended = true;
      for (const controller of this.running.values()) controller.abort();
    }
  }

  private dispatch(raw: unknown, handlers: Handlers, events: ConnectionEvents): void {
    const message = parseClientMessage(raw);
    switch (message?.t) {
      case 'request':
        void this.handle(message.id, message.method, message.params, handlers);
        return;
      case 'cancel':
        this.running.get(message.id)?.abort();
        return;
      case 'input':
        events.input(message.data);
        return;
      case 'credit':
        events.credit(message.bytes);
        return;
      case undefined:
        this.log('warn', 'The client sent a message that this agent does not know; it was ignored.');
    }
  }

  private async handle(id: number, method: AgentMethod, params: unknown, handlers: Handlers): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      if (!Object.hasOwn(handlers, method)) {
        throw new SkuaError({
          code: 'agent-protocol',
          message: `The agent has no method "${method}".`,
          remedy: 'Redeploy the agent: client and agent must be of one version.',
        });
      }
      const handler = handlers[method] as (params: unknown, context: RequestContext) => Promise<unknown>;
      const value = await handler(params, {
        signal: controller.signal,
        progress: (step, fraction) => {
          this.send({ t: 'progress', id, step, ...(fraction === undefined ? {} : { fraction }) });
        },
      });
      this.send({ t: 'result', id, value });
    } catch (thrown) {
      this.send({ t: 'error', id, error: toSkuaError(thrown).toData() });
    } finally {
      this.running.delete(id);
    }
  }
}

/** Checks the shape of a message; parameters of a request are checked by its handler. */
export function parseClientMessage(raw: unknown): ClientMessage | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const m = raw as Record<string, unknown>;
  const number = (value: unknown): number | undefined =>
    typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? value : undefined;
  const id = number(m['id']);
  switch (m['t']) {
    case 'request':
      if (id === undefined || typeof m['method'] !== 'string') return undefined;
      return { t: 'request', id, method: m['method'] as AgentMethod, params: m['params'] ?? {} };
    case 'cancel':
      return id === undefined ? undefined : { t: 'cancel', id };
    case 'input':
      return m['data'] instanceof Uint8Array ? { t: 'input', data: m['data'] } : undefined;
    case 'credit': {
      const bytes = number(m['bytes']);
      return bytes === undefined || !(bytes >= 0) ? undefined : { t: 'credit', bytes };
    }
    default:
      return undefined;
  }
}
