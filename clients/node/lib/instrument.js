'use strict';
const { ActiveSpans } = require('./active-spans');
const { withEnvironment } = require('./configuration');
const { KernelContext } = require('./kernel-context');

const DONE = Symbol.for('skua.jaeger-client.instrumented');
/** One stack per thread, however many copies of jaeger-client a program loads. */
const SHARED = Symbol.for('skua.jaeger-client.active-spans');

function activeSpans() {
  globalThis[SHARED] ??= new ActiveSpans(new KernelContext());
  return globalThis[SHARED];
}

/** Whether the exports are those of jaeger-client as this module knows it. */
function isJaegerClient(exports) {
  return (
    typeof exports?.Tracer?.prototype?.startSpan === 'function' &&
    typeof exports?.Span?.prototype?.finish === 'function' &&
    typeof exports?.Configuration?.initTracer === 'function'
  );
}

/**
 * Changes jaeger-client in place, once, so that its spans are published; returns it.
 * @template T
 * @param {T} client
 * @returns {T}
 */
function instrument(client) {
  if (!isJaegerClient(client) || client[DONE]) return client;
  Object.defineProperty(client, DONE, { value: true });
  const active = activeSpans();

  const startSpan = client.Tracer.prototype.startSpan;
  client.Tracer.prototype.startSpan = function (...args) {
    return active.atWork(() => {
      const span = startSpan.apply(this, args);
      active.start(span);
      return span;
    });
  };

  const finish = client.Span.prototype.finish;
  client.Span.prototype.finish = function (...args) {
    return active.atWork(() => {
      active.finish(this);
      return finish.apply(this, args);
    });
  };

  // These may change whether a span is sampled: a tag sampling.priority, a sampler that waits for tags or the name.
  for (const name of ['setTag', 'addTags', 'setOperationName']) {
    const original = client.Span.prototype[name];
    client.Span.prototype[name] = function (...args) {
      const before = this.context().isSampled();
      const result = original.apply(this, args);
      const sampled = this.context().isSampled();
      if (sampled !== before && this._duration === undefined) {
        active.atWork(() => {
          if (sampled && active.current === undefined) active.start(this);
        });
      }
      return result;
    };
  }

  const initTracer = client.Configuration.initTracer;
  client.Configuration.initTracer = (config, options) => initTracer(withEnvironment(config), options);
  client.initTracer = client.Configuration.initTracer;
  return client;
}

module.exports = { instrument, isJaegerClient };
