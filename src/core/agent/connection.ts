import type { ClientChannel } from 'ssh2';
import type { Disposable } from '../../../common/base/disposable';
import { SkuaError, toSkuaError } from '../../../common/base/errors';
import {
  AGENT_PROTOCOL_VERSION,
  CREDIT_PORTION_BYTES,
  type AgentHello,
  type AgentMessage,
  type AgentMethod,
  type AgentRequests,
  type ClientMessage,
} from '../../../common/protocol/agent';
import { encodeFrame, FrameReader } from '../../../common/protocol/frame';
import { decodeSpans } from '../../../common/protocol/spanCodec';
import type { CoreContext, RunEvents } from '../api';
import { cancelled, Tail } from '../process';
import { MarkerStripper, newMarker, withMarker, type SshConnection } from '../ssh/connection';

/** The agent's messages that are no answers. */
export type AgentEvents = Pick<RunEvents, 'spans' | 'output' | 'loss' | 'exited' | 'failed'>;

export interface RequestOptions {
  /** Sends `cancel`; the request then rejects with what the agent answers, usually `cancelled`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: string, fraction?: number) => void;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SkuaError) => void;
  readonly onProgress: RequestOptions['onProgress'];
}

/** How long a cancelled request may still take to answer. */
const CANCEL_LIMIT_MS = 10_000;

/** The remote agent, spoken to over one exec channel. */
export class AgentConnection implements Disposable {
  /** Resolves when the agent is gone: with the reason, or with undefined when `dispose` ended it. */
  readonly closed: Promise<SkuaError | undefined>;
  private readonly reader = new FrameReader();
  private readonly stripper: MarkerStripper;
  private readonly pending = new Map<number, Pending>();
  private readonly stderr = new Tail(8000);
  private nextId = 1;
  private uncredited = 0;
  private ended = false;
  private disposing = false;
  private fault: SkuaError | undefined;
  private finish: (reason: SkuaError | undefined) => void = () => undefined;

  private constructor(
    private readonly ssh: SshConnection,
    private readonly channel: ClientChannel,
    marker: string,
    private readonly log: CoreContext['log'],
    private readonly events: AgentEvents,
  ) {
    this.stripper = new MarkerStripper(marker);
    this.closed = new Promise((resolve) => {
      this.finish = resolve;
    });
    channel.on('data', (chunk: Buffer) => {
      this.receive(chunk);
    });
    channel.stderr.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      this.stderr.push(text);
      for (const line of text.trimEnd().split('\n')) log('debug', `agent stderr: ${line}`);
    });
    channel.on('error', (error: Error) => {
      this.end(ssh.lostError(error));
    });
    let status = '';
    channel.on('exit', (code: number | null, signal?: string) => {
      status = code === null ? `was ended by ${signal ?? 'a signal'}` : `exited with code ${String(code)}`;
    });
    channel.on('close', () => {
      // Without an exit status the channel did not end, it was cut.
      this.end(status === '' ? ssh.lostError() : this.agentEnded(status));
    });
    void ssh.closed.then((reason) => {
      this.end(reason ?? ssh.lostError());
    });
  }

  /**
   * Starts the agent with a POSIX shell `script` that ends in `exec node …`, and checks that both sides speak the same protocol.
   * Throws `agent-start-failed`, `agent-version`, `agent-protocol`, `connection-lost` or `cancelled`.
   */
  static async start(
    ssh: SshConnection,
    script: string,
    clientVersion: string,
    context: Pick<CoreContext, 'log' | 'signal'>,
    events: AgentEvents,
  ): Promise<{ readonly agent: AgentConnection; readonly hello: AgentHello }> {
    const marker = newMarker();
    const channel = await ssh.exec(withMarker(script, marker));
    const agent = new AgentConnection(ssh, channel, marker, context.log, events);
    try {
      const params = { protocol: AGENT_PROTOCOL_VERSION, clientVersion };
      const hello = await agent.request('hello', params, { signal: context.signal });
      if (hello.protocol !== AGENT_PROTOCOL_VERSION) throw versionMismatch(hello, clientVersion);
      return { agent, hello };
    } catch (error) {
      await agent.dispose();
      throw error;
    }
  }

  /** Nothing can be asked any more. */
  get gone(): boolean {
    return this.ended;
  }

  /** One request. Rejects with the agent's own error, or with the reason why it is gone. */
  request<M extends AgentMethod>(
    method: M,
    params: AgentRequests[M][0],
    options: RequestOptions = {},
  ): Promise<AgentRequests[M][1]> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(this.fault ?? this.ssh.lostError());
        return;
      }
      let limit: NodeJS.Timeout | undefined;
      const abort = (): void => {
        this.send({ t: 'cancel', id });
        limit = setTimeout(() => {
          this.pending.get(id)?.reject(cancelled(`The agent's work on "${method}"`));
        }, CANCEL_LIMIT_MS);
      };
      const settle = (): void => {
        clearTimeout(limit);
        this.pending.delete(id);
        options.signal?.removeEventListener('abort', abort);
      };
      this.pending.set(id, {
        // The method's result type is the agent's promise; both sides compile against the same declaration.
        resolve: (value) => {
          settle();
          resolve(value as AgentRequests[M][1]);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
        onProgress: options.onProgress,
      });
      this.send({ t: 'request', id, method, params });
      if (options.signal?.aborted === true) abort();
      else options.signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Input for the program; an empty array closes its stdin. */
  input(data: Uint8Array): void {
    this.send({ t: 'input', data });
  }

  /** Closes the agent's stdin, upon which it cleans up and exits; cuts the channel if it does not. */
  async dispose(): Promise<void> {
    if (!this.ended) {
      this.disposing = true;
      this.channel.end();
      const timer = setTimeout(() => {
        this.channel.close();
        this.end(undefined);
      }, 15_000);
      await this.closed;
      clearTimeout(timer);
    }
  }

  private send(message: ClientMessage): void {
    if (!this.ended && this.channel.writable) this.channel.write(Buffer.from(encodeFrame(message)));
  }

  private receive(chunk: Buffer): void {
    if (this.ended) return;
    try {
      for (const [message, bytes] of this.reader.push(this.stripper.push(chunk))) {
        this.handle(message as AgentMessage, bytes);
      }
    } catch (error) {
      this.channel.close();
      this.end(toSkuaError(error));
    }
  }

  private handle(message: AgentMessage, bytes: number): void {
    switch (message.t) {
      case 'result':
        this.pending.get(message.id)?.resolve(message.value);
        break;
      case 'error':
        this.pending.get(message.id)?.reject(new SkuaError(message.error));
        break;
      case 'progress':
        this.pending.get(message.id)?.onProgress?.(message.step, message.fraction);
        break;
      case 'output':
        this.events.output(message.stream, message.data);
        break;
      case 'exited':
        this.events.exited(message.status);
        break;
      case 'spans':
        this.events.spans(decodeSpans(message.spans), message.provisional);
        this.credit(bytes);
        break;
      case 'loss':
        this.events.loss(message.loss, message.lost);
        break;
      case 'sessionFailed':
        this.events.failed(new SkuaError(message.error));
        break;
      case 'log':
        this.log(message.level, `agent: ${message.message}`);
        break;
      default:
        this.log('warn', `agent: message of unknown type ${JSON.stringify((message as { t: unknown }).t)}`);
    }
  }

  private credit(bytes: number): void {
    this.uncredited += bytes;
    if (this.uncredited < CREDIT_PORTION_BYTES) return;
    this.send({ t: 'credit', bytes: this.uncredited });
    this.uncredited = 0;
  }

  private end(reason: SkuaError | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.fault = this.disposing ? undefined : reason;
    for (const request of [...this.pending.values()]) request.reject(reason ?? this.ssh.lostError());
    this.finish(this.fault);
  }

  private agentEnded(status: string): SkuaError {
    const stderr = this.stderr.toString();
    const started = this.stripper.found;
    return new SkuaError({
      code: /No space left on device/.test(stderr) ? 'disk-full' : 'agent-start-failed',
      message: `The agent on ${this.ssh.alias} ${started ? status : 'could not be started'}.`,
      remedy: `Remove it and try again: skua agent remove. The log has what it printed.`,
      detail: `${started ? '' : this.stripper.chatter}${stderr}` || status,
    });
  }
}

function versionMismatch(hello: AgentHello, clientVersion: string): SkuaError {
  return new SkuaError({
    code: 'agent-version',
    message: `The agent on ${hello.hostname} speaks protocol ${String(hello.protocol)}, this Skua (${clientVersion}) speaks ${String(AGENT_PROTOCOL_VERSION)}.`,
    remedy: 'Remove the agent from the target ("skua agent remove"), then run again.',
  });
}
