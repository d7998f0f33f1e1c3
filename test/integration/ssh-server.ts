import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, utils, type AuthContext, type Connection, type ServerChannel } from 'ssh2';
import type { CoreContext, Prompter, TargetSpec } from '../../src/core/api';
import type { SshEnvironment } from '../../src/core/ssh/config';
import { newKeyPair } from '../../src/core/ssh/new-key';

export interface ServerOptions {
  /** Accepted password; absent: the method is refused. */
  readonly password?: string;
  /** Accepted public key, as in authorized_keys. */
  readonly publicKey?: string;
  /** Answers accepted for keyboard-interactive; absent: the method is refused. */
  readonly answers?: readonly string[];
  /** What the account's start files print before every command, as a careless .bashrc does. */
  readonly chatter?: string;
  /** Runs every command in a shell script of the test's choosing; `$1` is the command. Default: `sh -c "$1"`. */
  readonly shell?: string;
  readonly hostKey?: string;
  /** Accept TCP connections and then say nothing. */
  readonly mute?: boolean;
}

/**
 * An SSH server in this process, on a free loopback port: real ssh2, real shells, a home folder of its own. What it cannot show is
 * OpenSSH's behaviour; the VM suite does that.
 */
export class TestServer {
  readonly home = mkdtempSync(join(tmpdir(), 'skua-home-'));
  readonly hostKey: string;
  readonly commands: string[] = [];
  /** Bytes that clients have sent into commands. */
  received = 0;
  private readonly server: Server;
  private readonly connections = new Set<Connection>();
  private readonly children = new Set<number>();
  onCommand: ((command: string) => void) | undefined;
  onBytes: ((total: number) => void) | undefined;

  constructor(private readonly options: ServerOptions) {
    this.hostKey = options.hostKey ?? newKeyPair().private;
    this.server = new Server({ hostKeys: [this.hostKey] }, (connection) => {
      this.serve(connection);
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts every connection without a goodbye, as a pulled cable or a killed sshd does. */
  cut(): void {
    for (const connection of this.connections)
      (connection as unknown as { _sock: { destroy(): void } })._sock.destroy();
  }

  async close(): Promise<void> {
    for (const pid of this.children) killGroup(pid);
    this.cut();
    await new Promise<void>((resolve) =>
      this.server.close(() => {
        resolve();
      }),
    );
  }

  private serve(connection: Connection): void {
    this.connections.add(connection);
    connection.on('close', () => this.connections.delete(connection));
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      this.authenticate(context);
    });
    connection.on('session', (accept) => {
      const session = accept();
      session.on('exec', (acceptExec, _reject, { command }) => {
        this.run(command, acceptExec());
      });
    });
    connection.on('tcpip', (accept, _reject, { destIP, destPort }) => {
      const channel = accept();
      const socket = connect(destPort, destIP);
      socket.on('error', () => channel.close());
      channel.on('error', () => socket.destroy());
      channel.pipe(socket).pipe(channel);
    });
  }

  private authenticate(context: AuthContext): void {
    const { password, publicKey, answers } = this.options;
    const methods = [
      ...(publicKey === undefined ? [] : ['publickey' as const]),
      ...(answers === undefined ? [] : ['keyboard-interactive' as const]),
      ...(password === undefined ? [] : ['password' as const]),
    ];
    const refuse = (): void => {
      context.reject(methods);
    };
    if (context.method === 'password' && context.password === password) context.accept();
    else if (context.method === 'publickey' && publicKey !== undefined) {
      const key = utils.parseKey(publicKey);
      if (key instanceof Error || !key.getPublicSSH().equals(context.key.data)) refuse();
      else if (context.signature === undefined || context.blob === undefined) context.accept();
      else if (key.verify(context.blob, context.signature, context.hashAlgo)) context.accept();
      else refuse();
    } else if (context.method === 'keyboard-interactive' && answers !== undefined) {
      context.prompt(
        answers.map((_answer, index) => ({ prompt: `Question ${String(index)}:`, echo: false })),
        (given: string[]) => {
          if (given.join('\0') === answers.join('\0')) context.accept();
          else refuse();
        },
      );
    } else refuse();
  }

  private run(command: string, channel: ServerChannel): void {
    this.commands.push(command);
    this.onCommand?.(command);
    const chatter = this.options.chatter === undefined ? '' : `printf '%s' "$SKUA_TEST_CHATTER"; `;
    const shell = `${chatter}${this.options.shell ?? 'exec sh -c "$1"'}`;
    const child = spawn('sh', ['-c', shell, 'sh', command], {
      cwd: this.home,
      detached: true,
      env: { PATH: process.env['PATH'], HOME: this.home, SKUA_TEST_CHATTER: this.options.chatter ?? '' },
    });
    const { pid } = child;
    if (pid !== undefined) this.children.add(pid);
    channel.on('data', (data: Buffer) => {
      this.received += data.length;
      this.onBytes?.(this.received);
    });
    channel.pipe(child.stdin);
    child.stdin.on('error', () => undefined);
    child.stdout.pipe(channel, { end: false });
    child.stderr.pipe(channel.stderr, { end: false });
    channel.on('close', () => {
      child.stdin.destroy();
    });
    channel.on('error', () => undefined);
    child.on('close', (code, signal) => {
      if (pid !== undefined) this.children.delete(pid);
      try {
        if (signal === null) channel.exit(code ?? 0);
        else channel.exit(signal);
        channel.end();
      } catch {
        // The client has gone; there is nobody to tell.
      }
    });
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

export interface TestContext extends CoreContext {
  readonly steps: { step: string; fraction: number | undefined }[];
  readonly logged: string[];
  readonly asked: string[];
}

/** A context whose person answers as told; unexpected questions are declined. */
export function testContext(
  answers: Partial<Prompter> = {},
  signal: AbortSignal = new AbortController().signal,
): TestContext {
  const asked: string[] = [];
  const steps: TestContext['steps'] = [];
  const logged: string[] = [];
  return {
    steps,
    logged,
    asked,
    signal,
    progress: { report: (step, fraction) => steps.push({ step, fraction }) },
    log: (level, message) => logged.push(`${level} ${message}`),
    prompter: {
      confirmHostKey: (host, type, print) => {
        asked.push(`host-key ${host} ${type} ${print}`);
        return answers.confirmHostKey?.(host, type, print) ?? Promise.resolve(false);
      },
      password: (prompt) => {
        asked.push(prompt);
        return answers.password?.(prompt) ?? Promise.resolve(undefined);
      },
      confirmPrepare: (report) => {
        asked.push('prepare');
        return answers.confirmPrepare?.(report) ?? Promise.resolve(false);
      },
    },
  };
}

/** A user's ssh environment below a fresh home: `config` is the text of ~/.ssh/config. */
export function sshEnvironment(config = ''): SshEnvironment & { readonly knownHosts: string } {
  const home = mkdtempSync(join(tmpdir(), 'skua-client-'));
  const knownHosts = join(home, 'known_hosts');
  return { home, user: 'tester', knownHosts, config: `Host *\n UserKnownHostsFile ${knownHosts}\n${config}` };
}

export function hostKeyLine(server: TestServer): string {
  const key = utils.parseKey(server.hostKey);
  if (key instanceof Error) throw key;
  return `[127.0.0.1]:${String(server.port)} ${key.type} ${key.getPublicSSH().toString('base64')}\n`;
}

/** The server's host key is on record, so that nothing is asked. */
export function trust(environment: { readonly knownHosts: string }, ...servers: readonly TestServer[]): void {
  writeFileSync(environment.knownHosts, servers.map(hostKeyLine).join(''));
}

export function targetOf(server: TestServer): Extract<TargetSpec, { kind: 'ssh' }> {
  return { kind: 'ssh', host: '127.0.0.1', port: server.port };
}
