import type {
  SpanContext as OpenTracingSpanContext,
  Span as OpenTracingSpan,
  Tracer as OpenTracingTracer,
} from 'opentracing';

export interface TracingConfig {
  serviceName?: string;
  disable?: boolean;
  sampler?: {
    type: string;
    param: number;
    hostPort?: string;
    host?: string;
    port?: number;
    refreshIntervalMs?: number;
  };
  reporter?: {
    logSpans?: boolean;
    agentHost?: string;
    agentPort?: number;
    agentSocketType?: string;
    collectorEndpoint?: string;
    username?: string;
    password?: string;
    flushIntervalMs?: number;
  };
}

export interface TracingOptions {
  reporter?: unknown;
  metrics?: unknown;
  logger?: { info(message: string): void; error(message: string): void };
  tags?: Record<string, unknown>;
  traceId128bit?: boolean;
  contextKey?: string;
  baggagePrefix?: string;
  shareRpcSpan?: boolean;
}

export interface JaegerSpanContext extends OpenTracingSpanContext {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentId: Buffer | null;
  isSampled(): boolean;
}

export interface JaegerSpan extends OpenTracingSpan {
  context(): JaegerSpanContext;
}

export interface JaegerTracer extends OpenTracingTracer {
  close(callback?: () => void): void;
}

/** As jaeger-client's. SKUA_JAEGER_AGENT and SKUA_JAEGER_SAMPLER win over `config`; JAEGER_AGENT_* fill what it leaves open. */
export function initTracer(config: TracingConfig, options?: TracingOptions): JaegerTracer;
export function initTracerFromEnv(config?: TracingConfig, options?: TracingOptions): JaegerTracer;
export const opentracing: typeof import('opentracing');
