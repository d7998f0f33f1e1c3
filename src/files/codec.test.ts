import { describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { ns } from '../../common/base/time';
import { NO_LOSS } from '../../common/model/loss';
import type { Span, SpanId, TraceId } from '../../common/model/span';
import { decodeTrace, encodeOtlp, encodeTrace } from './codec';

const span: Span = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736' as TraceId,
  spanId: '00f067aa0ba902b7' as SpanId,
  name: 'write',
  kind: 'internal',
  origin: 'kernel',
  service: 'app',
  startNs: ns(1_700_000_000_000_000_001n),
  endNs: ns(1_700_000_000_000_000_099n),
  status: { code: 'unset' },
  attributes: { 'skua.syscall.ret': 17 },
  events: [],
  links: [],
};
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

describe('trace files', () => {
  it('come back as they were', () => {
    const meta = { title: 't', skuaVersion: '0.1.0', loss: { ...NO_LOSS, ringBuffer: 3 }, host: 'h' };
    const back = decodeTrace(encodeTrace(meta, [span]), 'a.skua');
    expect(back.spans).toEqual([span]);
    expect(back.meta).toMatchObject(meta);
  });

  it('may be OTLP JSON', () => {
    const back = decodeTrace(encodeOtlp([span]), 'a.otlp.json');
    expect(back.spans).toMatchObject([{ name: 'write', startNs: span.startNs, origin: 'kernel' }]);
    expect(back.meta.title).toBe('a.otlp.json');
  });

  it.each([
    ['nothing', text('')],
    ['text', text('hello')],
    ['other JSON', text('{"a": 1}')],
    ['cut JSON', text('{"resourceSpans": [')],
    ['zeros', new Uint8Array(500)],
  ])('are refused when they hold %s', (_what, bytes) => {
    let thrown: unknown;
    try {
      decodeTrace(bytes, 'a.skua');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SkuaError);
    expect((thrown as SkuaError).code).toBe('file-invalid');
    expect((thrown as SkuaError).remedy).not.toBe('');
  });
});
