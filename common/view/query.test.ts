import { describe, expect, it } from 'vitest';
import { matches, parseQuery } from './query';
import { makeSpan } from './testing';

const write = makeSpan({
  id: 1,
  kernel: true,
  name: 'write',
  start: 0,
  end: 1_500_000,
  tid: 42,
  error: 'ENOSPC',
  attributes: {
    'skua.syscall.arg.fd': 3,
    'skua.syscall.arg.buf': '"hello world"',
    'skua.fd.path': '/tmp/Out.txt',
    'code.file.path': '/src/main.cpp',
    'code.line.number': 12,
    'code.function.name': 'save()',
    'unrelated.attribute': 'zebra',
    'skua.time.blocked_ns': 1_200_000,
    'skua.time.runnable_ns': 1000,
    'skua.waker.name': 'Bank',
    'skua.waker.tid': 77,
  },
  events: [[5, 'block_rq_issue']],
});
const user = makeSpan({
  id: 2,
  name: 'GET /orders',
  start: 0,
  service: 'web',
  attributes: { 'http.target': '/orders/7' },
});

describe('a query', () => {
  it.each<[string, boolean, boolean]>([
    ['', true, true],
    ['WRITE', true, false],
    ['write /tmp/out', true, false],
    ['write /var', false, false],
    ['"hello world"', true, false],
    ['-write', false, true],
    ['main.cpp:12', true, false],
    ['main.cpp:13', false, false],
    ['save()', true, false],
    ['enospc', true, false],
    ['zebra', false, false],
    ['/orders/7', false, true],
    ['>1ms', true, false],
    ['>1.5ms', false, false],
    ['>=1.5ms', true, false],
    ['<2ms', true, false],
    ['dur:<=1500us', true, false],
    ['-<2ms', false, true],
    ['blocked:>1ms', true, false],
    ['blocked:>1.2ms', false, false],
    ['runnable:<=1us', true, false],
    ['Runnable:>1us', false, false],
    ['waker:bank/77', true, false],
    ['waker:irq', false, false],
    ['name:write', true, false],
    ['name:/tmp', false, false],
    ['file:main', true, false],
    ['arg:hello', true, false],
    ['status:ENOSPC', true, false],
    ['status:error', true, false],
    ['service:web', false, true],
    ['event:block', true, false],
    ['tid:42', true, false],
    ['tid:4', false, false],
    ['class:file', true, false],
    ['class:user', false, true],
    ['is:error', true, false],
    ['is:unfinished', false, true],
    ['is:syscall', true, false],
    ['is:user', false, true],
    ['is:nosource', false, true],
    ['trace:0000', true, true],
    ['"GET /orders"', false, true],
    ['name:"get /orders"', false, true],
  ])('%s', (text, onWrite, onUser) => {
    const parsed = parseQuery(text);
    if (!parsed.ok) throw new Error(parsed.problem);
    expect([matches(parsed.query, write), matches(parsed.query, user)]).toEqual([onWrite, onUser]);
  });

  it.each(['>', '>soon', 'blocked:>much', 'tid:abc', 'class:nothing', 'is:odd'])(
    'explains what is wrong with %s',
    (text) => {
      const parsed = parseQuery(text);
      expect(parsed.ok).toBe(false);
      if (!parsed.ok) expect(parsed.problem.length).toBeGreaterThan(10);
    },
  );
});
