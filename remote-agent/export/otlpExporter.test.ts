import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import { spansFromOtlp } from '../../common/file/otlp';
import type { Span, SpanId, TraceId } from '../../common/model/span';
import { Exporter, otlpFileTarget, otlpHttpTarget } from './otlpExporter';

const span = (id: number): Span => ({
  traceId: '0123456789abcdef0123456789abcdef' as TraceId,
  spanId: id.toString(16).padStart(16, '0') as SpanId,
  name: 'openat',
  kind: 'internal',
  origin: 'kernel',
  service: 'shop',
  startNs: ns(1_795_424_993_395_113_007n),
  endNs: ns(1_795_424_993_395_114_007n),
  status: { code: 'error', message: 'ENOENT' },
  attributes: { 'skua.syscall.ret': -2 },
  events: [],
  links: [],
});

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Received {
  readonly url: string;
  readonly contentType: string;
  readonly ids: readonly string[];
}

/** An OTLP/HTTP collector that answers each request as `answers` says in turn, the last one from then on. */
async function collector(
  ...answers: ((response: ServerResponse, request: IncomingMessage) => void)[]
): Promise<{ readonly endpoint: string; readonly received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const answer = answers[Math.min(received.length, answers.length - 1)];
      received.push({
        url: request.url ?? '',
        contentType: request.headers['content-type'] ?? '',
        ids: spansFromOtlp(JSON.parse(body)).spans.map(({ spanId }) => spanId),
      });
      answer?.(response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

const status = (code: number) => (response: ServerResponse) => {
  response.writeHead(code).end(code === 200 ? '{}' : 'because');
};
const hang = (): void => undefined;

/** Exports spans 1 to `count` and returns how many were lost and what was logged. */
async function exportTo(
  endpoint: string,
  count: number,
  timeoutMs?: number,
): Promise<{ readonly lost: number; readonly log: readonly string[] }> {
  const log: string[] = [];
  const exporter = new Exporter(
    otlpHttpTarget(endpoint, timeoutMs),
    (level, text) => log.push(`${level} ${text}`),
    1,
  );
  for (let id = 1; id <= count; id++) exporter.push(span(id));
  await exporter.close();
  return { lost: exporter.lost, log };
}

describe('export to a collector over HTTP', () => {
  it('sends all spans, in order, in batches', async () => {
    const { endpoint, received } = await collector(status(200));
    expect(await exportTo(endpoint, 1200)).toEqual({ lost: 0, log: [] });
    expect(received.map(({ ids }) => ids.length)).toEqual([512, 512, 176]);
    expect(received.flatMap(({ ids }) => ids)).toEqual(
      Array.from({ length: 1200 }, (_, i) => span(i + 1).spanId),
    );
    expect(new Set(received.map(({ url, contentType }) => `${url} ${contentType}`))).toEqual(
      new Set(['/v1/traces application/json']),
    );
  });

  it('takes an endpoint that names the path already, or ends in a slash', async () => {
    const { endpoint, received } = await collector(status(200));
    await exportTo(`${endpoint}/v1/traces`, 1);
    await exportTo(`${endpoint}/otlp/`, 1);
    expect(received.map(({ url }) => url)).toEqual(['/v1/traces', '/otlp/v1/traces']);
  });

  it('tries again after 503, and then loses nothing', async () => {
    const { endpoint, received } = await collector(status(503), status(200));
    const { lost, log } = await exportTo(endpoint, 3);
    expect([lost, received.length]).toEqual([0, 2]);
    expect(received[1]?.ids).toEqual(received[0]?.ids);
    expect(log).toEqual([`warn Export to ${endpoint}/v1/traces failed: status 503 because`]);
  });

  it('gives up when 503 stays, counts the spans and says so once', async () => {
    const { endpoint, received } = await collector(status(503));
    const { lost, log } = await exportTo(endpoint, 600);
    expect(lost).toBe(600);
    expect(received.length).toBeGreaterThan(2);
    expect(log).toHaveLength(1);
  });

  it('does not try again what the collector will never take', async () => {
    const { endpoint, received } = await collector(status(400), status(200));
    const { lost } = await exportTo(endpoint, 600);
    expect(received.map(({ ids }) => ids.length)).toEqual([512, 88]);
    expect(lost).toBe(512);
  });

  it('does not wait for ever for a collector that never answers', async () => {
    const { endpoint, received } = await collector(hang);
    const { lost, log } = await exportTo(endpoint, 2, 100);
    expect([lost, received.length > 0]).toEqual([2, true]);
    expect(log[0]).toMatch(/timeout/i);
  });

  it('holds a bounded number of spans and counts what comes beyond', async () => {
    const { endpoint, received } = await collector(status(200));
    const exporter = new Exporter(otlpHttpTarget(endpoint), () => undefined);
    for (let id = 1; id <= 20_600; id++) exporter.push(span(id));
    expect(exporter.lost).toBe(600);
    await exporter.close();
    expect(exporter.lost).toBe(600);
    expect(received.flatMap(({ ids }) => ids)).toHaveLength(20_000);
  });
});

describe('export to a file', () => {
  it('appends a line of OTLP JSON a batch', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-export-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true });
    });
    const file = join(folder, 'deep/spans.jsonl');
    for (const round of [0, 1]) {
      const exporter = new Exporter(otlpFileTarget(file), () => undefined);
      for (let id = 1; id <= 600; id++) exporter.push(span(round * 600 + id));
      await exporter.close();
      expect(exporter.lost).toBe(0);
    }
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const spans = lines.map((line) => spansFromOtlp(JSON.parse(line)).spans);
    expect(spans.map((batch) => batch.length)).toEqual([512, 88, 512, 88]);
    expect(spans.flat().map(({ spanId }) => spanId)).toEqual(
      Array.from({ length: 1200 }, (_, i) => span(i + 1).spanId),
    );
    expect(spans[0]?.[0]).toMatchObject({
      name: 'openat',
      startNs: span(1).startNs,
      attributes: span(1).attributes,
    });
  });

  it('counts what cannot be written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-export-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true });
    });
    writeFileSync(join(folder, 'file'), '');
    const log: string[] = [];
    const exporter = new Exporter(
      otlpFileTarget(join(folder, 'file/spans.jsonl')),
      (_level, text) => log.push(text),
      1,
    );
    exporter.push(span(1));
    await exporter.close();
    expect(exporter.lost).toBe(1);
    expect(log[0]).toContain('file/spans.jsonl failed');
  });
});
