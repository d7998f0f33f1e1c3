import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type * as Client from '../index';
import { TestAgent } from './agent';

const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'skua-node-'));
const contextFile = join(folder, 'context');
const RECORD = 28;

let client: typeof Client;
let agent: TestAgent;
let seen = 0;

/** Span ids told to the kernel since the last call, `-` for a detached record. */
function told(): string[] {
  const data = readFileSync(contextFile);
  const records: string[] = [];
  for (; seen + RECORD <= data.length; seen += RECORD) {
    records.push(data[seen + 24] === 1 ? data.subarray(seen + 16, seen + 24).toString('hex') : '-');
  }
  return records;
}

function tracer(param = 1, options: Client.TracingOptions = {}): Client.JaegerTracer {
  return client.initTracer(
    {
      serviceName: 'svc',
      sampler: { type: 'const', param },
      reporter: { agentHost: '127.0.0.1', agentPort: agent.port, flushIntervalMs: 10 },
    },
    options,
  );
}

const start = (from: Client.JaegerTracer, name: string, parent?: Client.JaegerSpan): Client.JaegerSpan =>
  from.startSpan(name, parent ? { childOf: parent } : {}) as Client.JaegerSpan;
const id = (span: Client.JaegerSpan): string => span.context().spanId.toString('hex');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeAll(() => {
  // Read when the first span of the thread starts.
  writeFileSync(contextFile, '');
  process.env['SKUA_CONTEXT'] = contextFile;
  client = require('../index.js') as typeof Client;
});
afterAll(() => {
  delete process.env['SKUA_CONTEXT'];
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  agent = await TestAgent.start();
});
afterEach(() => agent.dispose());

describe('@skua/jaeger-client', () => {
  it('publishes nested spans, restores the parent, detaches at the end', async () => {
    const t = tracer();
    const request = start(t, 'request');
    const work = start(t, 'work', request);
    work.finish();
    request.finish();
    expect(told()).toEqual([id(request), '-', id(work), '-', id(request), '-']);

    const spans = await agent.spans(2);
    expect(agent.batches[0]?.service).toBe('svc');
    expect(spans.map(({ operationName, spanId }) => [operationName, spanId])).toEqual([
      ['work', id(work)],
      ['request', id(request)],
    ]);
    expect(spans[0]?.parentSpanId).toBe(id(request));
    t.close();
  });

  it('writes trace ids of 64 and 128 bits in W3C order', () => {
    const record = (): string => readFileSync(contextFile).subarray(-RECORD).toString('hex');
    const short = start(tracer(), 's');
    expect(record()).toBe(`${'0'.repeat(16)}${short.context().traceId.toString('hex')}${id(short)}01010000`);
    short.finish();
    const long = start(tracer(1, { traceId128bit: true }), 's');
    expect(long.context().traceId).toHaveLength(16);
    expect(record()).toBe(`${long.context().traceId.toString('hex')}${id(long)}01010000`);
    long.finish();
    told();
  });

  it('handles spans that finish out of order', () => {
    const t = tracer();
    const [a, b, c] = [start(t, 'a'), start(t, 'b'), start(t, 'c')];
    told();
    b.finish();
    expect(told()).toEqual(['-', id(c)]);
    c.finish();
    expect(told()).toEqual(['-', id(a)]);
    a.finish();
    expect(told()).toEqual(['-']);
  });

  it('never publishes what is not sampled, and follows sampling.priority', () => {
    const t = tracer(0);
    const span = start(t, 'no');
    expect(told()).toEqual([]);
    span.setTag('sampling.priority', 1);
    expect(told()).toEqual([id(span)]);
    span.finish();
    expect(told()).toEqual(['-']);
  });

  it.each([
    ['a turn', turn],
    ['a tick', (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))],
    ['an await', (): Promise<void> => Promise.resolve()],
  ])('keeps nothing published beyond %s, and finishes later without harm', async (_name, pause) => {
    const span = start(tracer(), 'async');
    expect(told()).toEqual([id(span)]);
    await pause();
    expect(told()).toEqual(['-']);
    span.finish();
    expect(told()).toEqual([]);
    await agent.spans(1);
  });

  it('publishes only the parent that is still active', async () => {
    const t = tracer();
    const parent = start(t, 'parent');
    await turn();
    told();
    const child = start(t, 'child', parent);
    child.finish();
    expect(told()).toEqual([id(child), '-']);
    parent.finish();
  });

  it('lets the environment of Skua win over the configuration', async () => {
    process.env['SKUA_JAEGER_AGENT'] = `127.0.0.1:${agent.port}`;
    process.env['SKUA_JAEGER_SAMPLER'] = 'const:1';
    try {
      const t = client.initTracer({
        serviceName: 'elsewhere',
        sampler: { type: 'const', param: 0 },
        reporter: { collectorEndpoint: 'http://127.0.0.1:1/api/traces' },
      });
      start(t, 's').finish();
      await agent.spans(1);
      expect(agent.batches[0]?.service).toBe('elsewhere');
    } finally {
      delete process.env['SKUA_JAEGER_AGENT'];
      delete process.env['SKUA_JAEGER_SAMPLER'];
    }
  });

  it('respects JAEGER_AGENT_HOST and JAEGER_AGENT_PORT', async () => {
    process.env['JAEGER_AGENT_HOST'] = '127.0.0.1';
    process.env['JAEGER_AGENT_PORT'] = String(agent.port);
    try {
      start(client.initTracer({ serviceName: 'env', sampler: { type: 'const', param: 1 } }), 's').finish();
      start(
        client.initTracerFromEnv({ serviceName: 'env2', sampler: { type: 'const', param: 1 } }),
        's',
      ).finish();
      await agent.spans(2);
    } finally {
      delete process.env['JAEGER_AGENT_HOST'];
      delete process.env['JAEGER_AGENT_PORT'];
    }
  });
});

describe('node -r @skua/jaeger-client/register', () => {
  const program = `
    const { initTracer, Span } = require('jaeger-client');
    const tracer = initTracer({ serviceName: 's', sampler: { type: 'const', param: 1 }, reporter: { agentHost: '127.0.0.1', agentPort: 1 } });
    const span = tracer.startSpan('s');
    console.log(span.context().spanId.toString('hex'), span instanceof Span);
    span.finish();
    tracer.close();`;
  const run = (context: string): string =>
    execFileSync(
      process.execPath,
      ['-r', fileURLToPath(new URL('../register.js', import.meta.url)), '-e', program],
      {
        encoding: 'utf8',
        env: { ...process.env, SKUA_CONTEXT: context },
        cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      },
    );

  it('publishes the spans of an unchanged program', () => {
    const file = join(folder, 'registered');
    writeFileSync(file, '');
    const [spanId, isSpan] = run(file).trim().split(' ');
    const data = readFileSync(file);
    expect(data).toHaveLength(2 * RECORD);
    expect(data.subarray(16, 24).toString('hex')).toBe(spanId);
    expect(data[24 + RECORD]).toBe(0);
    expect(isSpan).toBe('true');
  });

  it('changes nothing where there is no Skua, or its file refuses', () => {
    expect(run('/nonexistent/context')).toMatch(/^[0-9a-f]{16} true/);
    expect(run('/dev/full')).toMatch(/^[0-9a-f]{16} true/);
  });
});
