import { describe, expect, it } from 'vitest';
import { spansFromOtlp, spansToOtlp } from '../file/otlp';
import { readTrace, writeTrace } from '../file/skua-file';
import { makeSpan, spanId, traceId } from '../view/testing';
import { NO_LOSS } from './loss';
import { ATTR } from './span';
import { statesOf, statesText, timesUnknownText, waitingOf, wakerText, type TimesUnknown } from './waiting';

const states = [
  ['on-cpu', 1200n],
  ['blocked', 15_200_000n],
  ['runnable', 4000n],
  ['on-cpu', 300n],
] as const;
const span = makeSpan({
  id: 1,
  kernel: true,
  start: 0,
  end: 15_205_500,
  wokenFrom: [7],
  attributes: {
    [ATTR.onCpuNs]: 1500,
    [ATTR.runnableNs]: 4000,
    [ATTR.blockedNs]: 15_200_000,
    [ATTR.states]: statesText(states),
    [ATTR.wakerName]: 'bank',
    [ATTR.wakerPid]: 1230,
    [ATTR.wakerTid]: 1234,
    [ATTR.wakerTraceId]: traceId(1),
    [ATTR.wakerSpanId]: spanId(7),
    [ATTR.wakerUserSpanId]: spanId(2),
  },
});
const waiting = {
  onCpuNs: 1500,
  runnableNs: 4000,
  blockedNs: 15_200_000,
  waker: {
    name: 'bank',
    pid: 1230,
    tid: 1234,
    span: { traceId: traceId(1), spanId: spanId(7), userSpanId: spanId(2) },
  },
};

describe('the times of a span', () => {
  it('are read from its attributes', () => {
    expect(waitingOf(span)).toEqual(waiting);
    expect(statesText(states)).toBe('c1200 b15200000 r4000 c300');
    expect(statesOf(span.attributes, 15_205_500)).toEqual(states.map(([state, ns]) => [state, Number(ns)]));
    expect(statesOf(span.attributes, 15_205_501)).toEqual([]);
  });

  it('are not there, or say why', () => {
    expect(waitingOf(makeSpan({ id: 1, start: 0 }))).toBeUndefined();
    const lost = makeSpan({ id: 1, start: 0, attributes: { [ATTR.timesUnknown]: 'events-lost' } });
    expect(waitingOf(lost)).toBe('events-lost');
    expect(timesUnknownText('events-lost')).toMatch(/lost events/);
    expect(timesUnknownText('a-newer-reason' as TimesUnknown)).toBe('a-newer-reason');
  });

  it('name an interrupt without ids', () => {
    const times = Object.entries(span.attributes).filter(([name]) => name.startsWith('skua.time.'));
    const read = waitingOf({ attributes: { ...Object.fromEntries(times), [ATTR.wakerName]: 'interrupt' } });
    expect(read).toMatchObject({ waker: { name: 'interrupt' } });
    expect(typeof read === 'object' && read.waker ? wakerText(read.waker) : '').toBe('interrupt');
  });

  it('survive a saved file and OTLP, links included', () => {
    const file = readTrace(
      writeTrace({ meta: { title: 't', skuaVersion: '0', loss: NO_LOSS }, spans: [span] }),
    );
    const otlp = spansFromOtlp(JSON.parse(JSON.stringify(spansToOtlp([span]))));
    for (const back of [...file.spans, ...otlp.spans]) {
      expect(waitingOf(back)).toEqual(waiting);
      expect(statesOf(back.attributes, 15_205_500)).toHaveLength(4);
      expect(back.links).toEqual(span.links);
    }
    expect(file.spans.length + otlp.spans.length).toBe(2);
  });
});
