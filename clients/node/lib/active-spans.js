/* global queueMicrotask */
'use strict';
/*
 * The stack of active spans of the thread, for synchronous code:
 *
 *   turn of the event loop  ├───────────────────────┤
 *   request                   ├──────────────── … finished later, in another turn
 *   query                          ├────┤
 *   published                 request query request  (nothing)
 *
 * A span is active from its start to its finish, but no longer than the turn in which it started: what runs in the next turn may
 * belong to any request, and a wrong parent is worse than none. While the tracer itself works, nothing is published, so that its own
 * system calls belong to no span.
 */
class ActiveSpans {
  /** @param {{ attach(traceId: Buffer, spanId: Buffer): void, detach(): void }} kernel */
  constructor(kernel) {
    this._kernel = kernel;
    this._stack = [];
    this._depth = 0;
    this._turn = 0;
  }

  /**
   * Runs the tracer's own code with the thread detached, then publishes the innermost active span.
   * @template T
   * @param {() => T} work
   * @returns {T}
   */
  atWork(work) {
    if (this._depth === 0) this._kernel.detach();
    this._depth += 1;
    try {
      return work();
    } finally {
      this._depth -= 1;
      if (this._depth === 0) this._publish();
    }
  }

  /** @param span a span that has just started */
  start(span) {
    if (this._stack.length === 0) {
      if (!span.context().isSampled()) return;
      this._endWithTurn();
    }
    this._stack.push(span);
  }

  finish(span) {
    const at = this._stack.lastIndexOf(span);
    if (at >= 0) this._stack.splice(at, 1);
  }

  /** The span active now, or undefined. */
  get current() {
    return this._stack[this._stack.length - 1];
  }

  // Ticks run before promise continuations, and within a continuation after those already due: whichever comes first ends it.
  _endWithTurn() {
    const turn = (this._turn += 1);
    const end = () => {
      if (turn !== this._turn) return;
      this._turn += 1;
      this._stack.length = 0;
      this._kernel.detach();
    };
    process.nextTick(end);
    queueMicrotask(end);
  }

  _publish() {
    const context = this.current?.context();
    if (context?.isSampled()) this._kernel.attach(context.traceId, context.spanId);
  }
}

module.exports = { ActiveSpans };
