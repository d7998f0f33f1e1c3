/** Nanoseconds since the Unix epoch (or a span of them where a name says so). Branded so that ns, µs and ms cannot be mixed up. */
export type Nanoseconds = bigint & { readonly __unit: 'ns' };

/** Brands a bigint that is known to be in nanoseconds. */
export const ns = (value: bigint): Nanoseconds => value as Nanoseconds;

export const nsFromMicros = (micros: bigint): Nanoseconds => ns(micros * 1000n);
