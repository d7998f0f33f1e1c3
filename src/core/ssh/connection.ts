import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Client, type ClientChannel, type ServerHostKeyAlgorithm } from 'ssh2';
import type { Disposable } from '../../../common/base/disposable';
import { SkuaError, toSkuaError } from '../../../common/base/errors';
import { cancelled, throwIfAborted } from '../process';
import { authFailed, type Identity } from './auth';
import type { HostKeyPolicy } from './host-keys';

export interface ConnectOptions {
  /** For messages: the host as the user knows it. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly identity: Identity;
  readonly hostKeys: HostKeyPolicy;
  /** A byte stream through the previous hop; absent: TCP. */
  readonly through?: Duplex;
  /** Longest silence of the server during the handshake. Time in which the user is asked does not count. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** The connection is given up after this long without an answer; two questions are asked meanwhile. Default 45 s. */
  readonly keepAliveMs?: number;
}

/** Result of a remote command that ran to its end. */
export interface RemoteResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Opens one SSH connection. Throws `host-unreachable`, `auth-failed`, `host-key-changed`, `host-key-unknown` or `cancelled`; no socket
 * is left behind then.
 */
export function openSsh(options: ConnectOptions): Promise<SshConnection> {
  const { alias, identity, hostKeys, signal } = options;
  const client = new Client();
  return new Promise((resolve, reject) => {
    throwIfAborted(signal, `Connecting to ${alias}`);
    let refusal: SkuaError | undefined;
    let timer: NodeJS.Timeout | undefined;
    const fail = (error: SkuaError): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      client.destroy();
      reject(error);
    };
    const abort = (): void => {
      fail(cancelled(`Connecting to ${alias}`));
    };
    /** The server has the floor: it must answer within the time limit. */
    const expectAnswer = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        fail(unreachable(options, `no answer within ${String(options.timeoutMs / 1000)} s`));
      }, options.timeoutMs);
    };
    signal.addEventListener('abort', abort, { once: true });
    // Errors after `fail` (sockets torn down) have nobody to go to.
    client.on('error', (error: Error & { level?: string; code?: string }) => {
      if (refusal !== undefined) fail(refusal);
      else if (error.level === 'client-authentication')
        fail(authFailed({ alias, user: identity.username }, identity.tried, error));
      else fail(unreachable(options, error.code === undefined ? error.message : explain(error.code), error));
    });
    client.on('close', () => {
      fail(refusal ?? unreachable(options, 'the server closed the connection during the handshake'));
    });
    client.on('ready', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      client.removeAllListeners('error').removeAllListeners('close');
      resolve(new SshConnection(client, alias));
    });
    expectAnswer();
    client.connect({
      ...(options.through === undefined
        ? { host: options.host, port: options.port }
        : { sock: options.through }),
      username: identity.username,
      readyTimeout: 0,
      keepaliveInterval: (options.keepAliveMs ?? 45_000) / 3,
      keepaliveCountMax: 2,
      algorithms: { serverHostKey: hostKeyOrder(hostKeys.preferredTypes) },
      hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
        clearTimeout(timer);
        hostKeys.verify(key).then(
          () => {
            expectAnswer();
            verify(true);
          },
          (error: unknown) => {
            refusal = toSkuaError(error);
            verify(false);
          },
        );
      },
      authHandler: (acceptable, _partial, next) => {
        clearTimeout(timer);
        identity.next(acceptable as readonly string[] | null).then(
          (method) => {
            expectAnswer();
            // ssh2 takes `false` for "nothing left"; its types do not say so.
            next(method ?? (false as unknown as 'none'));
          },
          (error: unknown) => {
            fail(toSkuaError(error));
          },
        );
      },
    });
  });
}

/** An authenticated connection. `closed` tells when and why it ended. */
export class SshConnection implements Disposable {
  /** Resolves once, with the reason, when the connection has ended; with undefined when `dispose` ended it. */
  readonly closed: Promise<SkuaError | undefined>;
  private ended: SkuaError | undefined | null = null;
  private disposing = false;
  private readonly owned: Disposable[] = [];

  constructor(
    private readonly client: Client,
    readonly alias: string,
  ) {
    this.closed = new Promise((resolve) => {
      let cause: Error | undefined;
      client.on('error', (error) => {
        cause = error;
      });
      client.on('close', () => {
        this.ended = this.disposing ? undefined : connectionLost(alias, cause);
        resolve(this.ended);
      });
    });
  }

  /** Hops, forwarders: disposed with the connection, after it. */
  own(member: Disposable): void {
    this.owned.push(member);
  }

  /** Starts a command with the user's login shell. Throws `connection-lost`. */
  exec(command: string): Promise<ClientChannel> {
    return this.channel((done) => this.client.exec(command, done));
  }

  /** A terminal on the target, for `skua sandbox shell`. */
  shell(window: {
    readonly rows: number;
    readonly cols: number;
    readonly term: string;
  }): Promise<ClientChannel> {
    return this.channel((done) => this.client.shell({ ...window }, done));
  }

  /** A stream to a port as seen from the far side: how the next hop is reached. */
  stream(host: string, port: number): Promise<ClientChannel> {
    return this.channel((done) => this.client.forwardOut('127.0.0.1', 0, host, port, done));
  }

  /**
   * Lets the target reach a port of this machine: listens on a free loopback port over there and returns it. Ends with the connection.
   */
  async exposeLocalPort(localPort: number): Promise<number> {
    const remotePort = await new Promise<number>((resolve, reject) => {
      this.client.forwardIn('127.0.0.1', 0, (error, port) => {
        if (error === undefined) resolve(port);
        else reject(connectionRefusedForward(this.alias, error));
      });
    });
    this.client.on('tcp connection', (details, accept) => {
      if (details.destPort !== remotePort) return;
      const channel = accept();
      const socket = connectTcp(localPort, '127.0.0.1');
      join2(channel, socket);
    });
    return remotePort;
  }

  /**
   * Runs a POSIX shell script to its end. Whatever the login shell's start files print is kept out of the result, also for shells
   * like fish. Throws `connection-lost` and `cancelled`; a non-zero exit is the caller's business.
   */
  async run(
    script: string,
    options: {
      readonly signal: AbortSignal;
      readonly input?: Buffer;
      readonly onInput?: (sent: number) => void;
    },
  ): Promise<RemoteResult> {
    throwIfAborted(options.signal, 'The remote command');
    const marker = newMarker();
    const channel = await this.exec(withMarker(script, marker));
    const abort = (): void => {
      channel.close();
    };
    options.signal.addEventListener('abort', abort, { once: true });
    try {
      return await collect(this, channel, marker, options);
    } catch (error) {
      throw options.signal.aborted ? cancelled('The remote command') : error;
    } finally {
      options.signal.removeEventListener('abort', abort);
    }
  }

  /** The reason why the connection has ended, or `connection-lost` in general when only a channel broke. */
  lostError(cause?: unknown): SkuaError {
    return this.ended ?? connectionLost(this.alias, cause);
  }

  async dispose(): Promise<void> {
    this.disposing = true;
    if (this.ended === null) {
      this.client.end();
      // `end` waits for the peer; a dead one must not hold us up.
      const timer = setTimeout(() => this.client.destroy(), 2000);
      await this.closed;
      clearTimeout(timer);
    }
    for (const member of this.owned.splice(0).reverse()) await member.dispose();
  }

  /** Cuts the TCP connection without a word, as a pulled cable does. For tests. */
  destroy(): void {
    this.client.destroy();
  }

  private channel(
    open: (done: (error: Error | undefined, channel: ClientChannel) => void) => unknown,
  ): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) {
        reject(this.lostError());
        return;
      }
      const lost = (): void => {
        reject(this.lostError());
      };
      void this.closed.then(lost);
      try {
        open((error, channel) => {
          if (error === undefined) resolve(channel);
          else reject(this.ended !== null ? this.lostError() : channelRefused(this.alias, error));
        });
      } catch (error) {
        reject(this.lostError(error));
      }
    });
  }
}

const MARKER_PREFIX = '\u0001skua-';

/** A line that no start file prints by chance: everything before it on stdout is the login shell's own talk. */
export function newMarker(): string {
  return `${MARKER_PREFIX}${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`;
}

/** The command line that runs a POSIX script in `sh`, whatever the login shell is, after printing the marker line. */
export function withMarker(script: string, marker: string): string {
  return `exec sh -c ${quote(`printf '\\001%s\\n' ${quote(marker.slice(1))}\n${script}`)}`;
}

/** Drops everything up to and including the marker line from a stream of chunks. */
export class MarkerStripper {
  private pending: Buffer | undefined = Buffer.alloc(0);
  private readonly needle: Buffer;

  constructor(marker: string) {
    this.needle = Buffer.from(`${marker}\n`, 'latin1');
  }

  /** Whether the marker has been seen. */
  get found(): boolean {
    return this.pending === undefined;
  }

  /** What was printed instead of the marker so far, for an error's detail. */
  get chatter(): string {
    return this.pending?.toString('utf8').slice(-2000) ?? '';
  }

  push(chunk: Buffer): Buffer {
    if (this.pending === undefined) return chunk;
    this.pending = Buffer.concat([this.pending, chunk]);
    const at = this.pending.indexOf(this.needle);
    if (at < 0) {
      // Chatter has no bound of its own; only its end can still begin the marker.
      if (this.pending.length > 65_536) this.pending = this.pending.subarray(-4096);
      return Buffer.alloc(0);
    }
    const rest = this.pending.subarray(at + this.needle.length);
    this.pending = undefined;
    return rest;
  }
}

/** Quotes one word for a POSIX shell. Safe for csh and fish as well, except that csh cannot quote newlines and `!`. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function collect(
  connection: SshConnection,
  channel: ClientChannel,
  marker: string,
  options: { readonly input?: Buffer; readonly onInput?: (sent: number) => void },
): Promise<RemoteResult> {
  return new Promise((resolve, reject) => {
    const stripper = new MarkerStripper(marker);
    const stdout: Buffer[] = [];
    let stderr = '';
    let status: { code: number | null; signal: string | null } | undefined;
    channel.on('data', (chunk: Buffer) => stdout.push(stripper.push(chunk)));
    channel.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-16_384);
    });
    channel.on('exit', (code: number | null, signal: string | undefined) => {
      status = { code, signal: signal ?? null };
    });
    channel.on('error', (error: Error) => {
      reject(connection.lostError(error));
    });
    channel.on('close', () => {
      if (status === undefined) reject(connection.lostError());
      else resolve({ ...status, stdout: Buffer.concat(stdout), stderr });
    });
    void connection.closed.then(() => {
      reject(connection.lostError());
    });
    send(channel, options.input ?? Buffer.alloc(0), options.onInput);
  });
}

const SEND_CHUNK = 256 * 1024;

/** Writes all of `input` at the pace of the connection, then ends the stream. */
function send(channel: ClientChannel, input: Buffer, onInput: ((sent: number) => void) | undefined): void {
  let at = 0;
  const more = (): void => {
    while (at < input.length) {
      const chunk = input.subarray(at, at + SEND_CHUNK);
      at += chunk.length;
      const room = channel.write(chunk);
      onInput?.(at);
      if (!room) {
        channel.once('drain', more);
        return;
      }
    }
    channel.end();
  };
  more();
}

function join2(channel: Duplex, socket: Socket): void {
  channel.pipe(socket).pipe(channel);
  socket.on('error', () => channel.destroy());
  channel.on('error', () => socket.destroy());
  channel.on('close', () => socket.destroy());
}

/** Known types first, so that a host that has several keys shows the one that is on record. */
function hostKeyOrder(preferred: readonly string[]): ServerHostKeyAlgorithm[] {
  const all: readonly ServerHostKeyAlgorithm[] = [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ];
  return [
    ...all.filter((type) => preferred.includes(type)),
    ...all.filter((type) => !preferred.includes(type)),
  ];
}

function explain(code: string): string {
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'the connection was refused: no SSH server listens there',
    ENOTFOUND: 'there is no host of this name',
    EAI_AGAIN: 'the name could not be looked up',
    ETIMEDOUT: 'the connection timed out',
    EHOSTUNREACH: 'there is no route to it',
    ENETUNREACH: 'there is no network that leads to it',
    ECONNRESET: 'the connection was reset during the handshake',
  };
  return known[code] ?? code;
}

/** The name the user gave, and where that leads when it says more. */
function placeOf({ alias, host, port }: ConnectOptions): string {
  return alias === host ? `${host}, port ${String(port)},` : `${alias} (${host}, port ${String(port)})`;
}

function unreachable(options: ConnectOptions, why: string, cause?: unknown): SkuaError {
  return new SkuaError(
    {
      code: 'host-unreachable',
      message: `${placeOf(options)} cannot be reached: ${why}.`,
      remedy: 'Check the host name and port, that the machine is up, and that its SSH server runs.',
    },
    { cause },
  );
}

function connectionLost(alias: string, cause: unknown): SkuaError {
  const why = cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';
  return new SkuaError(
    {
      code: 'connection-lost',
      message: `The connection to ${alias} was lost${why}.`,
      remedy:
        'Check the network and that the machine is still up, then run again. What arrived before is kept.',
    },
    { cause },
  );
}

function channelRefused(alias: string, cause: Error): SkuaError {
  return new SkuaError(
    {
      code: 'agent-start-failed',
      message: `${alias} refused to run a command: ${cause.message}.`,
      remedy: "The account needs a shell: check the server's ForceCommand and MaxSessions settings.",
    },
    { cause },
  );
}

function connectionRefusedForward(alias: string, cause: Error): SkuaError {
  return new SkuaError(
    {
      code: 'export-failed',
      message: `${alias} does not allow a port to be forwarded back to this machine: ${cause.message}.`,
      remedy:
        'Set AllowTcpForwarding to yes on the server, or give an OTLP endpoint that the target can reach itself.',
    },
    { cause },
  );
}
