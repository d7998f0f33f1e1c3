/** Times and numbers as people read them. All durations in ns. */

const UNITS: readonly (readonly [string, number])[] = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
  ['ns', 1],
];

/** `1.234 ms`: four significant digits at most, no trailing zeros. NaN is `…` (unfinished). */
export function formatDuration(ns: number): string {
  if (Number.isNaN(ns)) return '…';
  if (ns === 0) return '0 ns';
  const sign = ns < 0 ? '−' : '';
  const abs = Math.abs(ns);
  if (abs >= 60e9) {
    const minutes = Math.floor(abs / 60e9);
    return `${sign}${minutes} min ${trim((abs - minutes * 60e9) / 1e9, 3)} s`;
  }
  const found = UNITS.findIndex(([, size]) => abs >= size);
  const at = found < 0 ? UNITS.length - 1 : found;
  // 999.96 µs rounds to 1000: that is 1 ms.
  const rounds = at > 0 && Number((abs / unitAt(at)[1]).toPrecision(4)) >= 1000;
  const [unit, size] = unitAt(rounds ? at - 1 : at);
  return `${sign}${trim(abs / size, 4)} ${unit}`;
}

function trim(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}

const unitAt = (at: number): readonly [string, number] => UNITS[at] ?? ['ns', 1];

/**
 * An instant as an offset from the start of the trace, exact to `stepNs` (the ruler's tick distance): `+1.250 ms`.
 * The unit follows the larger of offset and step, so that neighbouring ticks share it.
 */
export function formatOffset(ns: number, stepNs: number): string {
  const abs = Math.abs(ns);
  const [unit, size] = UNITS.find(([, s]) => Math.max(abs, stepNs) >= s) ?? unitAt(3);
  const decimals = Math.min(9, Math.max(0, Math.ceil(Math.log10(size / stepNs) - 1e-9)));
  const value = (abs / size).toFixed(decimals);
  return `${ns < 0 && Number(value) !== 0 ? '−' : ''}${value} ${unit}`;
}

/** `12,345` */
export function formatCount(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 span`, `2 spans`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`;
}

/** Distance between ruler ticks: 1, 2 or 5 times a power of ten ns, at least `minNs`. */
export function tickStep(minNs: number): number {
  const power = Math.pow(10, Math.floor(Math.log10(Math.max(minNs, 1))));
  for (const factor of [1, 2, 5, 10]) if (power * factor >= minNs * (1 - 1e-9)) return power * factor;
  return power * 10;
}

const DURATION = /^(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|min)?$/;
const SIZES: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  min: 60e9,
};

/** `1.5ms` → 1500000 ns; a bare number is ns. Undefined when it is not a duration. */
export function parseDuration(input: string): number | undefined {
  const match = DURATION.exec(input.toLowerCase());
  if (!match) return undefined;
  return Number(match[1]) * (SIZES[match[2] ?? 'ns'] ?? 1);
}
