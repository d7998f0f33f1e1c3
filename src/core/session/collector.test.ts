import { describe, expect, it } from 'vitest';
import { makeSpan } from '../../../common/view/testing';
import { SpanCollector } from './collector';

const kernel = (id: number) => makeSpan({ id, kernel: true, start: 0, end: 1 });

describe('SpanCollector', () => {
  it('holds what it may, replaces what it holds, and counts final spans once', () => {
    const collector = new SpanCollector(2);
    collector.add([kernel(1), kernel(2), kernel(3)], [0, 1, 2]);
    expect(collector.size).toBe(2);
    collector.add([kernel(1), kernel(2), kernel(3), makeSpan({ id: 4, start: 0, end: 1 })], [1]);
    expect(collector.received).toEqual({ syscalls: 1, refusedSyscalls: 1, refusedUser: 1 });
    collector.add([kernel(2)]);
    expect(collector.received).toEqual({ syscalls: 2, refusedSyscalls: 1, refusedUser: 1 });
    expect(collector.spans().map((span) => span.spanId)).toEqual([kernel(1).spanId, kernel(2).spanId]);
  });
});
