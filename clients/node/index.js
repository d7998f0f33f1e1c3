'use strict';
// The same exports as jaeger-client, whose spans are published to the kernel.
const { instrument } = require('./lib/instrument');

module.exports = instrument(require('jaeger-client'));
