/** One line of `skua-launch --clock`. All in nanoseconds. */
export interface ClockMeasurement {
  /** CLOCK_REALTIME − CLOCK_MONOTONIC. */
  readonly offsetNs: bigint;
  /** The true offset is within ± this. */
  readonly boundNs: number;
  /** CLOCK_MONOTONIC at the measurement. */
  readonly monotonicNs: bigint;
}

/** Returns undefined when the text is not such a line. Pure. */
export function parseClock(text: string): ClockMeasurement | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // The caller says what it ran; here there is only "not a measurement".
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { offsetNs, boundNs, monotonicNs } = value as Readonly<Record<string, unknown>>;
  if (typeof offsetNs !== 'string' || typeof monotonicNs !== 'string' || typeof boundNs !== 'number')
    return undefined;
  if (!/^-?\d+$/.test(offsetNs) || !/^\d+$/.test(monotonicNs) || !(boundNs > 0)) return undefined;
  return { offsetNs: BigInt(offsetNs), boundNs, monotonicNs: BigInt(monotonicNs) };
}
