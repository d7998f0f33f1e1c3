/** The part of autocannon that the benchmark uses; the package has no types of its own. */
declare module 'autocannon' {
  namespace autocannon {
    interface Result {
      /** Seconds. */
      readonly duration: number;
      readonly errors: number;
      readonly non2xx: number;
      readonly requests: { readonly total: number };
      /** Milliseconds. */
      readonly latency: { readonly p50: number; readonly p99: number };
    }
  }
  function autocannon(options: {
    readonly url: string;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
  }): Promise<autocannon.Result>;
  export = autocannon;
}
