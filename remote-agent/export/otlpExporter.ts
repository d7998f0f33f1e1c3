import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spansToOtlp } from '../../common/file/otlp';
import type { Span } from '../../common/model/span';
import type { Log } from '../base/log';

/** Where batches of spans go. Throws when they could not be taken; `retry` tells whether trying again may help. */
export interface ExportTarget {
  readonly name: string;
  send(spans: readonly Span[]): Promise<void>;
}

export class ExportFailure extends Error {
  constructor(
    message: string,
    readonly retry: boolean,
  ) {
    super(message);
  }
}

const MAX_QUEUE = 20_000;
const BATCH = 512;
const ATTEMPTS = 4;
const FIRST_BACKOFF_MS = 250;
const REQUEST_TIMEOUT_MS = 10_000;

/** Sends spans to one target in the background: bounded queue, batches, retries with growing pauses; what fails is counted. */
export class Exporter {
  private queue: Span[] = [];
  private running: Promise<void> | undefined;
  private reported = false;
  private closing = false;
  /** Spans that could not be exported. */
  lost = 0;

  constructor(
    private readonly target: ExportTarget,
    private readonly log: Log,
    private readonly backoffMs = FIRST_BACKOFF_MS,
  ) {}

  push(span: Span): void {
    if (this.queue.length >= MAX_QUEUE) {
      this.lost += 1;
      return;
    }
    this.queue.push(span);
    this.running ??= this.pump();
  }

  /** Resolves when the queue is empty; from here on nothing is tried twice for long. */
  async close(): Promise<void> {
    this.closing = true;
    while (this.running !== undefined) await this.running;
  }

  private async pump(): Promise<void> {
    await sleep(this.closing ? 0 : 20); // Lets a batch come together.
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, BATCH);
      if (!(await this.deliver(batch))) this.lost += batch.length;
    }
    this.running = undefined;
  }

  private async deliver(batch: readonly Span[]): Promise<boolean> {
    const attempts = this.closing ? 2 : ATTEMPTS;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (attempt > 0) await sleep(this.backoffMs * 2 ** (attempt - 1));
      try {
        await this.target.send(batch);
        this.reported = false;
        return true;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (!this.reported) this.log('warn', `Export to ${this.target.name} failed: ${message}`);
        this.reported = true;
        if (error instanceof ExportFailure && !error.retry) return false;
      }
    }
    return false;
  }
}

/** OTLP/HTTP with JSON encoding (https://opentelemetry.io/docs/specs/otlp/#otlphttp). `endpoint` is the base URL. */
export function otlpHttpTarget(endpoint: string, timeoutMs = REQUEST_TIMEOUT_MS): ExportTarget {
  const url = /\/v1\/traces\/?$/.test(endpoint) ? endpoint : `${endpoint.replace(/\/+$/, '')}/v1/traces`;
  return {
    name: url,
    send: async (spans) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(spansToOtlp(spans)),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.text();
      if (response.ok) return;
      // The specification's list of statuses after which a client may try again.
      const retry = [429, 502, 503, 504].includes(response.status);
      throw new ExportFailure(`status ${response.status} ${text.slice(0, 200)}`, retry);
    },
  };
}

/** One ExportTraceServiceRequest in JSON per line, as OpenTelemetry's file exporter writes. */
export function otlpFileTarget(path: string): ExportTarget {
  return {
    name: path,
    send: async (spans) => {
      await mkdir(dirname(path), { recursive: true });
      await appendFile(path, `${JSON.stringify(spansToOtlp(spans))}\n`);
    },
  };
}
