/** Bytes of trace files ↔ what the editor keeps. Pure. */
import { SkuaError } from '../../common/base/errors';
import { spansFromOtlp, spansToOtlp } from '../../common/file/otlp';
import { readTrace, writeTrace } from '../../common/file/skua-file';
import type { SavedTrace, TraceMeta } from '../../common/file/trace-meta';
import { NO_LOSS } from '../../common/model/loss';
import type { Span } from '../../common/model/span';

/** A `.skua` file's bytes, or OTLP JSON. Throws SkuaError `file-invalid` or `file-too-new`. */
export function decodeTrace(bytes: Uint8Array, name: string): SavedTrace {
  return looksLikeOtlp(bytes) ? decodeOtlp(bytes, name) : readTrace(bytes);
}

/** An Arrow file begins with its magic; whatever is not JSON of this shape is left to the reader of `.skua` files to refuse. */
function looksLikeOtlp(bytes: Uint8Array): boolean {
  return /^\s*\{\s*"resourceSpans"/.test(new TextDecoder().decode(bytes.subarray(0, 256)));
}

function decodeOtlp(bytes: Uint8Array, name: string): SavedTrace {
  const remedy = 'Open a .skua file or OTLP JSON.';
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new SkuaError({ code: 'file-invalid', message: `${name} is not a trace.`, remedy }, { cause });
  }
  const { spans, rejected, reason } = spansFromOtlp(json);
  if (spans.length === 0) {
    const why = reason === undefined ? '' : `: ${reason}`;
    throw new SkuaError({ code: 'file-invalid', message: `${name} holds no spans${why}.`, remedy });
  }
  return { meta: { title: name, skuaVersion: '', loss: { ...NO_LOSS, receiver: rejected } }, spans };
}

export function encodeTrace(meta: TraceMeta, spans: Iterable<Span>): Uint8Array {
  return writeTrace({ meta, spans: [...spans] });
}

export function encodeOtlp(spans: Iterable<Span>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(spansToOtlp([...spans])));
}
