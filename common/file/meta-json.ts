import { NO_LOSS, type LossReport } from '../model/loss';
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
  // Causes that were not counted yet when the file was written.
  return { ...meta, loss: { ...NO_LOSS, ...meta.loss } };
}

function isMeta(value: unknown): value is TraceMeta {
  if (typeof value !== 'object' || value === null) return false;
  const { title, skuaVersion, loss } = value as Record<string, unknown>;
  return typeof title === 'string' && typeof skuaVersion === 'string' && isLoss(loss);
}

function isLoss(value: unknown): value is Partial<LossReport> {
  if (typeof value !== 'object' || value === null || !('eventsDecoded' in value)) return false;
  return Object.values(value).every((count: unknown) => typeof count === 'number' && count >= 0);
}
