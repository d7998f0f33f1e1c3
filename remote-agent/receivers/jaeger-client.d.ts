/** The part of the npm jaeger-client (which has no types of its own) that the receiver's test uses. */
declare module 'jaeger-client' {
  interface JaegerSpan {
    context(): unknown;
    log(fields: Readonly<Record<string, unknown>>): void;
    finish(): void;
  }
  interface JaegerTracer {
    startSpan(name: string, options?: { readonly tags?: object; readonly childOf?: unknown }): JaegerSpan;
    close(done: () => void): void;
  }
  export function initTracer(config: object, options: object): JaegerTracer;
}
