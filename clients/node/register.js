'use strict';
// node -r @skua/jaeger-client/register app.js: every copy of jaeger-client that the program loads is published to the kernel,
// and the program itself is not changed.
const Module = require('node:module');
const { instrument, isJaegerClient } = require('./lib/instrument');

const load = Module._load;
Module._load = function loadAndInstrument(request, ...rest) {
  const exports = load.call(this, request, ...rest);
  return request === 'jaeger-client' && isJaegerClient(exports) ? instrument(exports) : exports;
};
