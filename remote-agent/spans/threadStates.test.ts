import { describe, expect, it } from 'vitest';
import type { SpanId, TraceId } from '../../common/model/span';
import { ThreadStates, type Waker } from './threadStates';

const IRQ: Waker = { kind: 'interrupt', cpu: 1 };
const thread = (tid: number, span?: number): Waker => ({
  kind: 'thread',
  name: `t${tid}`,
  pid: tid,
  tid,
  ...(span === undefined
    ? {}
    : {
        span: {
          traceId: 'a' as TraceId,
          spanId: String(span) as SpanId,
          userSpanId: 'u' as SpanId,
        },
      }),
});

type Step =
  | readonly [at: number, what: 'asleep' | 'preempted' | 'wakeup' | 'to' | 'lost']
  | readonly [at: number, what: 'waking', by: Waker];

/** A call from 0 to `end`; the result as `on CPU/runnable/blocked: states`, or the reason why there is none. */
function check(steps: readonly Step[], end: number, expected: string): ReturnType<ThreadStates['finish']> {
  const states = new ThreadStates(0n);
  for (const step of steps) {
    const at = BigInt(step[0]);
    if (step[1] === 'waking') states.wakingBy(at, step[2]);
    else if (step[1] === 'wakeup') states.wokenUp(at);
    else if (step[1] === 'to') states.switchedTo(at);
    else if (step[1] === 'lost') states.lost();
    else states.switchedAway(at, step[1] === 'preempted');
  }
  const times = states.finish(BigInt(end));
  const shown =
    typeof times === 'string'
      ? times
      : `${times.onCpuNs}/${times.runnableNs}/${times.blockedNs}: ` +
        (times.states?.map(([state, length]) => `${state} ${length}`).join(', ') ?? 'too many');
  expect(shown).toBe(expected);
  return times;
}

describe('ThreadStates', () => {
  it('is on a CPU all the time when nothing happens', () => {
    check([], 7, '7/0/0: on-cpu 7');
    check([], 0, '0/0/0: ');
  });

  it('splits a sleep at the decision to wake it, not at the run queue', () => {
    const times = check(
      [
        [2, 'asleep'],
        [10, 'waking', IRQ],
        [11, 'wakeup'],
        [14, 'to'],
      ],
      15,
      '3/4/8: on-cpu 2, blocked 8, runnable 4, on-cpu 1',
    );
    expect(times).toMatchObject({ waker: IRQ, wakerSpans: [] });
  });

  it('takes a preempted thread for runnable', () => {
    const times = check(
      [
        [2, 'preempted'],
        [9, 'to'],
      ],
      10,
      '3/7/0: on-cpu 2, runnable 7, on-cpu 1',
    );
    expect(times).toMatchObject({ waker: undefined });
  });

  it('follows a wake-up that overtakes the sleep', () => {
    const times = check(
      [
        [3, 'waking', thread(5)],
        [4, 'asleep'],
        [6, 'wakeup'],
        [8, 'to'],
      ],
      9,
      '5/2/2: on-cpu 4, blocked 2, runnable 2, on-cpu 1',
    );
    expect(times).toMatchObject({ waker: thread(5) });
  });

  it('lets a thread that is woken before it slept go on', () => {
    check(
      [
        [3, 'waking', thread(5)],
        [4, 'wakeup'],
      ],
      9,
      '9/0/0: on-cpu 9',
    );
  });

  it('names who ended the longest wait, and every span that ended one', () => {
    const times = check(
      [
        [1, 'asleep'],
        [2, 'waking', thread(5, 50)],
        [3, 'to'],
        [4, 'asleep'],
        [24, 'waking', thread(6, 60)],
        [25, 'to'],
        [26, 'asleep'],
        [29, 'waking', thread(5, 50)],
        [30, 'to'],
        [31, 'asleep'],
        [33, 'waking', IRQ],
        [34, 'to'],
      ],
      40,
      '10/4/26: on-cpu 1, blocked 1, runnable 1, on-cpu 1, blocked 20, runnable 1, on-cpu 1, blocked 3, runnable 1, on-cpu 1, blocked 2, runnable 1, on-cpu 6',
    );
    expect(times).toMatchObject({
      waker: thread(6, 60),
      wakerSpans: [
        { traceId: 'a', spanId: '50', blockedNs: 4n },
        { traceId: 'a', spanId: '60', blockedNs: 20n },
      ],
    });
  });

  it.each<[string, readonly Step[]]>([
    [
      'off its CPU twice',
      [
        [1, 'asleep'],
        [2, 'asleep'],
      ],
    ],
    ['on a CPU twice', [[1, 'to']]],
    [
      'on a CPU while asleep',
      [
        [1, 'asleep'],
        [2, 'to'],
      ],
    ],
    [
      'woken by nobody',
      [
        [1, 'asleep'],
        [2, 'wakeup'],
        [3, 'to'],
      ],
    ],
    [
      'woken by somebody of an earlier sleep',
      [
        [1, 'asleep'],
        [2, 'waking', IRQ],
        [3, 'to'],
        [4, 'asleep'],
        [5, 'wakeup'],
        [6, 'to'],
      ],
    ],
    ['never back', [[1, 'preempted']]],
    [
      'back in time',
      [
        [5, 'preempted'],
        [4, 'to'],
      ],
    ],
  ])('has no result for a thread that is %s', (_name, steps) => {
    check(steps, 9, 'events-inconsistent');
  });

  it('has no result after a loss, whatever came before', () => {
    check([[1, 'lost']], 9, 'events-lost');
    check(
      [
        [1, 'asleep'],
        [2, 'lost'],
        [3, 'to'],
      ],
      9,
      'events-lost',
    );
    const off = new ThreadStates(0n, 'tracepoints-off');
    off.lost();
    expect(off.finish(3n)).toBe('tracepoints-off');
  });

  it('keeps the sums when there are too many states to keep', () => {
    const steps: Step[] = [];
    for (let at = 1; at < 1000; at += 2) steps.push([at, 'preempted'], [at + 1, 'to']);
    check(steps, 1000, '500/500/0: too many');
  });
});
