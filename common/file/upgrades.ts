import type { SavedTrace } from './trace-meta';

/** A step turns a trace read from format `n` into what format `n + 1` would have held. */
export type UpgradeStep = (trace: SavedTrace) => SavedTrace;

/** By the version they start from. Format 1 is the first, so there is none yet. */
const STEPS: Readonly<Record<number, UpgradeStep>> = {};

/** Applies every step from `from` to `to`, in order. Throws an Error when one is missing. */
export function upgrade(trace: SavedTrace, from: number, to: number, steps = STEPS): SavedTrace {
  let current = trace;
  for (let version = from; version < to; version += 1) {
    const step = steps[version];
    if (step === undefined) throw new Error(`format ${version} can no longer be read`);
    current = step(current);
  }
  return current;
}
