import { totalLost, type LossReport, NO_LOSS } from '../model/loss';
import type { TraceMeta } from './trace-meta';

/** bigints, which JSON lacks, travel as `{"$bigint": "…"}`. */
export function encodeMeta(meta: TraceMeta): string {
  return JSON.stringify(meta, (_key, value: unknown) =>
    typeof value === 'bigint' ? { $bigint: value.toString() } : value,
  );
}

/** Throws an Error when the text is not such JSON or lacks what every trace has. */
export function decodeMeta(text: string): TraceMeta {
  const meta: unknown = JSON.parse(text, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && '$bigint' in value ? BigInt(String(value.$bigint)) : value,
  );
  if (!isMeta(meta)) throw new Error('its description of the session is incomplete');
  return meta;
}

function isMeta(value: unknown): value is TraceMeta {
  if (typeof value !== 'object' || value === null) return false;
  const { title, skuaVersion, loss } = value as Record<string, unknown>;
  return typeof title === 'string' && typeof skuaVersion === 'string' && isLoss(loss);
}

function isLoss(value: unknown): value is LossReport {
  if (typeof value !== 'object' || value === null) return false;
  const counts = value as Record<string, unknown>;
  return (
    Object.keys(NO_LOSS).every((key) => typeof counts[key] === 'number') &&
    totalLost(value as LossReport) >= 0
  );
}
