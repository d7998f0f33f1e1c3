import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGunzip, createInflate } from 'node:zlib';
import type { Readable } from 'node:stream';
import { spansFromOtlp } from '../../common/file/otlp';
import type { Receiver, ReceiverSink } from './jaegerUdp';
import { decodeOtlpProtobuf } from './otlpProtobuf';

/** Largest request, after decompression: also what keeps a small gzip bomb small. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** OTLP/HTTP on a free TCP port of the loopback interface: POST /v1/traces, protobuf or JSON, plain, gzip or deflate. */
export async function startOtlpHttp(sink: ReceiverSink): Promise<Receiver> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: 10_000 },
    (request, response) => {
      handle(request, response, sink).catch((error: unknown) => {
        const status = error instanceof HttpError ? error.status : 400;
        const reason = error instanceof Error ? error.message : String(error);
        sink.rejected(1, `OTLP request refused (${status}): ${reason}`);
        if (response.headersSent) {
          response.destroy();
          return;
        }
        response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
        response.end(JSON.stringify({ code: 3, message: reason }));
      });
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    dispose: () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function handle(request: IncomingMessage, response: ServerResponse, sink: ReceiverSink): Promise<void> {
  if (request.url?.split('?')[0] !== '/v1/traces') throw new HttpError(404, 'only /v1/traces is served');
  if (request.method !== 'POST') throw new HttpError(405, 'only POST is served');
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  const json = type === 'application/json';
  if (!json && type !== 'application/x-protobuf') throw new HttpError(415, `content type "${type ?? ''}"`);
  const body = await readBody(request);
  const decoded: unknown = json ? JSON.parse(body.toString('utf8')) : decodeOtlpProtobuf(body);
  const { spans, rejected, reason } = spansFromOtlp(decoded);
  if (spans.length > 0) sink.spans(spans);
  if (rejected > 0) sink.rejected(rejected, `OTLP spans: ${reason ?? 'not valid'}`);
  response.writeHead(200, { 'content-type': json ? 'application/json' : 'application/x-protobuf' });
  if (json)
    response.end(
      JSON.stringify(
        rejected === 0 ? {} : { partialSuccess: { rejectedSpans: String(rejected), errorMessage: reason } },
      ),
    );
  else response.end(rejected === 0 ? Buffer.alloc(0) : partialSuccess(rejected, reason ?? ''));
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  let source: Readable = request;
  if (encoding === 'gzip') source = request.pipe(createGunzip());
  else if (encoding === 'deflate') source = request.pipe(createInflate());
  else if (encoding !== 'identity') throw new HttpError(415, `content encoding "${encoding}"`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) throw new HttpError(413, `more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** ExportTraceServiceResponse { partial_success: 1 { rejected_spans: 1, error_message: 2 } } */
function partialSuccess(rejected: number, reason: string): Buffer {
  const message = Buffer.from(reason.slice(0, 500), 'utf8');
  const inner = Buffer.concat([
    Buffer.from([0x08]),
    varint(rejected),
    Buffer.from([0x12]),
    varint(message.length),
    message,
  ]);
  return Buffer.concat([Buffer.from([0x0a]), varint(inner.length), inner]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
