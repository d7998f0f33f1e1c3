/** Along wake-ups from span to span: who woke this one, whom did it wake. */
import { ATTR, type Span } from '../model/span';
import { timesUnknownText, waitingOf, wakerText, type Waiting, type WakerIdentity } from '../model/waiting';
import type { DetailWaiting, DetailWaker } from './protocol';
import type { SpanStore } from './store';

/** A span to go to, or why there is none. */
export type WakeupTarget = { readonly index: number } | { readonly reason: string };

/** The span whose thread ended the longest wait of this one. */
export function wakerOfSpan(store: SpanStore, index: number): WakeupTarget {
  const span = store.get(index);
  const waiting = span && waitingOf(span);
  if (waiting === undefined) return { reason: 'Nothing is known about wake-ups of this span.' };
  if (typeof waiting === 'string')
    return { reason: `Its times are not known: ${timesUnknownText(waiting)}.` };
  const { waker } = waiting;
  if (waker === undefined) return { reason: 'It never slept: nobody had to wake it.' };
  if (waker.span === undefined) {
    return {
      reason:
        waker.tid === undefined
          ? 'An interrupt woke it.'
          : `${wakerText(waker)} woke it, a thread that was not in a traced span.`,
    };
  }
  const found = indexOfWaker(store, waker);
  return found === undefined ? { reason: `The span of ${wakerText(waker)} is not here.` } : { index: found };
}

/** The first of the spans that a thread in this one woke. */
export function wakeeOfSpan(store: SpanStore, index: number): WakeupTarget {
  const [first] = store.wokenBy(index);
  return first === undefined ? { reason: 'No traced thread was woken from this span.' } : { index: first };
}

/** The system call's span; the user span while that of the call has not come. Placeholders count only when nothing else is there. */
function indexOfWaker(store: SpanStore, { span }: WakerIdentity): number | undefined {
  if (span === undefined) return undefined;
  const own = store.indexOf(span.traceId, span.spanId);
  return own !== undefined && store.get(own) !== undefined
    ? own
    : (store.indexOf(span.traceId, span.userSpanId) ?? own);
}

export function detailWaiting(store: SpanStore, span: Span): DetailWaiting | undefined {
  const waiting = waitingOf(span);
  if (waiting === undefined) return undefined;
  if (typeof waiting === 'string') return { kind: 'unknown', text: timesUnknownText(waiting) };
  const { onCpuNs, runnableNs, blockedNs } = waiting;
  const waker = detailWaker(store, waiting);
  return { kind: 'times', onCpuNs, runnableNs, blockedNs, ...(waker === undefined ? {} : { waker }) };
}

function detailWaker(store: SpanStore, { waker }: Waiting): DetailWaker | undefined {
  if (waker === undefined) return undefined;
  const text = wakerText(waker);
  if (waker.span === undefined) return { text };
  const { traceId, spanId, userSpanId } = waker.span;
  const index = indexOfWaker(store, waker);
  const nameOf = (id: string): string | undefined => {
    const span = store.get(store.indexOf(traceId, id) ?? -1);
    return span === undefined || span.attributes[ATTR.placeholder] === true ? undefined : span.name;
  };
  const name = spanId === userSpanId ? undefined : nameOf(spanId);
  const userName = nameOf(userSpanId);
  return {
    text,
    span: {
      ...(index === undefined ? {} : { index }),
      ...(name === undefined ? {} : { name }),
      ...(userName === undefined ? {} : { userName }),
    },
  };
}
