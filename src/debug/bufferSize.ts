import { SkuaError } from '../../common/base/errors';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const SUBBUFFERS = 8;
/** A page: LTTng rounds smaller sub-buffers up to it. */
const SMALLEST = 4096 * SUBBUFFERS;
const LARGEST = 1024 ** 3;

/**
 * `2M`, `512k` or bytes, per CPU, as eight sub-buffers of a power of two each; rounded up.
 * Throws SkuaError `config-invalid`.
 */
export function parseBufferSize(value: unknown): {
  readonly subbufferBytes: number;
  readonly subbuffers: number;
} {
  const bytes = typeof value === 'string' ? parseText(value) : value;
  if (typeof bytes !== 'number' || !Number.isFinite(bytes) || bytes < SMALLEST || bytes > LARGEST) {
    throw new SkuaError({
      code: 'config-invalid',
      message: `"bufferSize" is ${JSON.stringify(value)}, which is no size between 32 KiB and 1 GiB.`,
      remedy: 'Write bytes per CPU as a number, or a size such as "512K" or "2M".',
    });
  }
  return { subbufferBytes: 2 ** Math.ceil(Math.log2(bytes / SUBBUFFERS)), subbuffers: SUBBUFFERS };
}

function parseText(text: string): number {
  const match = /^(\d+) *([kmg]?)i?b?$/i.exec(text.trim());
  return match === null ? NaN : Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? NaN);
}
