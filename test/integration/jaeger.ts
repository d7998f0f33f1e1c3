/** A real Jaeger, started by tools/jaeger.sh. */
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../tools/jaeger.sh', import.meta.url));
const GO_MISSING = 69;
const BUILD_TIMEOUT_MS = 900_000;

export interface JaegerSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly {
    readonly refType: string;
    readonly traceID: string;
    readonly spanID: string;
  }[];
  /** Microseconds. */
  readonly startTime: number;
  readonly duration: number;
  readonly tags: readonly { readonly key: string; readonly type: string; readonly value: unknown }[];
  readonly logs: readonly {
    readonly timestamp: number;
    readonly fields: readonly { readonly key: string; readonly value: unknown }[];
  }[];
  readonly processID: string;
}
export interface JaegerTrace {
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** Path of the program, built when it is not there (minutes); undefined when there is no Go to build it with. */
export function obtainJaeger(): string | undefined {
  try {
    return execFileSync(SCRIPT, ['get'], {
      encoding: 'utf8',
      timeout: BUILD_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'inherit'],
    }).trim();
  } catch (error) {
    if ((error as { status?: number }).status === GO_MISSING) return undefined;
    throw error;
  }
}

export class Jaeger {
  private constructor(
    private readonly child: ReturnType<typeof spawn>,
    /** Base URL of OTLP/HTTP. */
    readonly otlpHttp: string,
    private readonly query: string,
  ) {}

  static async start(): Promise<Jaeger> {
    const child = spawn(SCRIPT, ['run'], { stdio: ['ignore', 'pipe', 'ignore'] });
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('{')) continue;
      const { otlpHttp, query } = JSON.parse(line) as { otlpHttp: string; query: string };
      return new Jaeger(child, otlpHttp, query);
    }
    throw new Error('Jaeger did not start.');
  }

  /** The trace once it has `spans` spans; throws after `timeoutMs`. */
  async trace(traceId: string, spans: number, timeoutMs = 10_000): Promise<JaegerTrace> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const response = await fetch(`${this.query}/api/traces/${traceId}`);
      const body = (await response.json()) as { readonly data?: readonly JaegerTrace[] };
      const trace = body.data?.[0];
      if (trace !== undefined && trace.spans.length >= spans) return trace;
      if (Date.now() > deadline)
        throw new Error(`Jaeger has ${trace?.spans.length ?? 0} of ${spans} spans of ${traceId}.`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async services(): Promise<readonly string[]> {
    const response = await fetch(`${this.query}/api/services`);
    return ((await response.json()) as { readonly data: readonly string[] }).data;
  }

  async dispose(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
  }
}
