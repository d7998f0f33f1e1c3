import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { ns } from '../../common/base/time';
import type { Span, SpanId, TraceId } from '../../common/model/span';
import { AGENT_PROTOCOL_VERSION } from '../../common/protocol/agent';
import { encodeSpans } from '../../common/protocol/spanCodec';
import { AgentConnection, type AgentEvents } from '../../src/core/agent/connection';
import { connectSsh } from '../../src/core/ssh/connect';
import {
  sshEnvironment,
  targetOf,
  testContext,
  TestServer,
  trust,
  type ServerOptions,
  type TestContext,
} from './ssh-server';

const open: { dispose(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.dispose();
});

interface Received extends AgentEvents {
  readonly names: string[];
  readonly spanList: Span[];
  /** Of each message, the places of provisional spans. */
  readonly provisional: (readonly number[])[];
}

function receiver(): Received {
  const names: string[] = [];
  const spanList: Span[] = [];
  const places: (readonly number[])[] = [];
  return {
    names,
    spanList,
    provisional: places,
    spans: (spans, provisional) => {
      spanList.push(...spans);
      places.push(provisional);
    },
    output: (stream, data) => names.push(`${stream} ${Buffer.from(data).toString()}`),
    loss: (loss, lost) => names.push(`loss ${String(loss.ringBuffer)} in ${String(lost.length)}`),
    exited: (status) => names.push(`exited ${String(status.code)}`),
    failed: (error) => names.push(`failed ${error.code}`),
  };
}

async function start(
  scenario: object,
  options: ServerOptions = {},
): Promise<{ server: TestServer; events: Received; context: TestContext; agent: Promise<AgentConnection> }> {
  const server = await new TestServer({ password: 'p', ...options }).listen();
  open.push({ dispose: () => server.close() });
  const environment = sshEnvironment();
  trust(environment, server);
  const context = testContext({ password: () => Promise.resolve('p') });
  const ssh = await connectSsh(targetOf(server), context, environment);
  open.push(ssh);
  const file = join(mkdtempSync(join(tmpdir(), 'skua-scenario-')), 'scenario.json');
  writeFileSync(file, JSON.stringify({ protocol: AGENT_PROTOCOL_VERSION, ...scenario }));
  const events = receiver();
  const script = `exec ${process.execPath} ${join(__dirname, 'scripted-agent.mjs')} ${file}`;
  const agent = AgentConnection.start(ssh, script, 'test', context, events).then((started) => {
    open.push(started.agent);
    return started.agent;
  });
  agent.catch(() => undefined);
  return { server, events, context, agent };
}

async function failure(promise: Promise<unknown>): Promise<SkuaError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SkuaError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

/** As it stands in a scenario. */
const spans = (...numbers: number[]): object => {
  const bytes = encodeSpans(
    numbers.map((id) => ({
      traceId: '1'.repeat(32) as TraceId,
      spanId: id.toString(16).padStart(16, '0') as SpanId,
      name: `span ${String(id)}`,
      kind: 'internal',
      origin: 'user',
      service: 's',
      startNs: ns(1700000000000000001n),
      status: { code: 'unset' },
      attributes: { filler: 'x'.repeat(1000) },
      events: [],
      links: [],
    })),
  );
  return { $base64: Buffer.from(bytes).toString('base64') };
};

describe('AgentConnection', () => {
  it('speaks through a talkative login shell, in any order of messages', async () => {
    const scenario = {
      methods: { launch: { pid: 42 } },
      after: {
        launch: [
          { t: 'spans', spans: spans(1), provisional: [] },
          { t: 'log', level: 'warn', message: 'careful' },
          { t: 'exited', status: { code: 3, signal: null } },
        ],
      },
    };
    const { agent, events, context } = await start(scenario, { chatter: 'Last login: never\n\u0005hello' });
    const launch = { program: 'x', args: [], env: {}, vdsoSyscalls: false };
    expect(await (await agent).request('launch', launch)).toEqual({ pid: 42 });
    await expect.poll(() => events.names).toEqual(['exited 3']);
    expect(events.spanList[0]).toMatchObject({ name: 'span 1', startNs: 1700000000000000001n });
    expect(context.logged).toContain('warn agent: careful');
  });

  it('refuses an agent of another protocol version', async () => {
    const { agent } = await start({ protocol: 99 });
    const error = await failure(agent);
    expect(error.code).toBe('agent-version');
    expect(error.message).toContain('99');
  });

  it('passes the agent’s own errors on, with remedy and detail', async () => {
    const data = { code: 'no-sudo', message: 'm', remedy: 'r', detail: 'd' };
    const { agent } = await start({ methods: { prepare: { error: data } } });
    expect((await failure((await agent).request('prepare', {}))).toData()).toEqual(data);
  });

  it('says what an agent printed that did not start', async () => {
    const { agent } = await start({ exit: 7, stderr: 'Error: Cannot find module x\n' });
    const error = await failure(agent);
    expect(error.code).toBe('agent-start-failed');
    expect(error.detail).toContain('Cannot find module x');
  });

  it('recognizes bytes that are no frames', async () => {
    const { agent } = await start({ stdout: '\u007f\u007f\u007f\u007fnonsense' });
    expect((await failure(agent)).code).toBe('agent-protocol');
  });

  it('recognizes spans that are none', async () => {
    const nonsense = { $base64: Buffer.from('nonsense').toString('base64') };
    const after = { startSession: [{ t: 'spans', spans: nonsense, provisional: [] }] };
    const connection = await (await start({ after })).agent;
    await connection.request('startSession', {} as never);
    expect((await connection.closed)?.code).toBe('agent-protocol');
  });

  it('keeps everything received when the connection is cut, and fails what is pending', async () => {
    const after = {
      startSession: [
        { t: 'spans', spans: spans(1, 2), provisional: [1] },
        { t: 'loss', loss: { ringBuffer: 5 }, lost: [{ startNs: 1, endNs: 2, events: 5 }] },
      ],
    };
    const { agent, server, events } = await start({ methods: { stopSession: 'never' }, after });
    const connection = await agent;
    await connection.request('startSession', {} as never);
    const stopping = failure(connection.request('stopSession', {}));
    await expect.poll(() => events.names).toEqual(['loss 5 in 1']);
    server.cut();
    expect((await stopping).code).toBe('connection-lost');
    expect((await connection.closed)?.code).toBe('connection-lost');
    expect(events.spanList.map((each) => each.name)).toEqual(['span 1', 'span 2']);
    expect(events.provisional).toEqual([[1]]);
    expect((await failure(connection.request('doctor', {}))).code).toBe('connection-lost');
  });

  it('credits span bytes as they are consumed', async () => {
    const repeat = 3000;
    const { agent, events } = await start({
      after: { startSession: [{ t: 'spans', spans: spans(1), provisional: [], repeat }] },
    });
    const connection = await agent;
    await connection.request('startSession', {} as never);
    await expect.poll(() => events.spanList.length, { timeout: 10_000 }).toBe(repeat);
    const credited = (await connection.request('credit-so-far' as 'doctor', {})) as unknown as number;
    // Everything but the last portion, which is below a sixteenth of the initial credit.
    expect(credited).toBeGreaterThan(repeat * 1100 - 300 * 1024);
  });

  it('cancels a request', async () => {
    const { agent } = await start({ methods: { prepare: 'never' } });
    const abort = new AbortController();
    const running = failure((await agent).request('prepare', {}, { signal: abort.signal }));
    abort.abort();
    expect((await running).toData()).toMatchObject({ code: 'cancelled', message: 'cancelled there' });
  });

  it('tells of a session that failed by itself', async () => {
    const error = { code: 'live-stream-truncated', message: 'm', remedy: 'r' };
    const { agent, events } = await start({ after: { launch: [{ t: 'sessionFailed', error }] } });
    await (await agent).request('launch', {} as never);
    await expect.poll(() => events.names).toEqual(['failed live-stream-truncated']);
  });
});
