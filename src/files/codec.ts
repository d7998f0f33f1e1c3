import { SkuaError } from '../../common/base/errors';
import { spansFromOtlp, spansToOtlp } from '../../common/file/otlp';
import { NO_LOSS, type LossReport } from '../../common/model/loss';
import type { Span } from '../../common/model/span';
import type { SourceMap } from '../core/api';
import type { TraceModel } from '../runs/model';

export interface TraceMeta {
  readonly host?: string;
  readonly loss: LossReport;
  readonly sourceMap?: SourceMap;
}

export interface DecodedTrace {
  readonly meta: TraceMeta;
  readonly spans: readonly Span[];
}

/** A `.skua` file's bytes, or OTLP JSON. Throws SkuaError `file-invalid` or `file-too-new`. */
export function decodeTrace(bytes: Uint8Array, name: string): DecodedTrace {
  return decodeOtlp(bytes, name);
}

function decodeOtlp(bytes: Uint8Array, name: string): DecodedTrace {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new SkuaError(
      { code: 'file-invalid', message: `${name} is not a trace.`, remedy: 'Open a .skua file or OTLP JSON.' },
      { cause },
    );
  }
  const { spans, rejected, reason } = spansFromOtlp(json);
  if (spans.length === 0) {
    throw new SkuaError({
      code: 'file-invalid',
      message: `${name} holds no spans${reason === undefined ? '' : `: ${reason}`}.`,
      remedy: 'Open a .skua file or OTLP JSON.',
    });
  }
  return { meta: { loss: { ...NO_LOSS, receiver: rejected } }, spans };
}

export function encodeTrace(model: TraceModel): Uint8Array {
  return encodeOtlp(model);
}

export function encodeOtlp(model: TraceModel): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(spansToOtlp([...model.store.spans()])));
}
