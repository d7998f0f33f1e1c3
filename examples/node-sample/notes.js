'use strict';
// A tiny note keeper: stores, lists and compacts notes in a folder, synchronously, each step a span. It uses plain jaeger-client
// and knows nothing of Skua: run it as `node -r @skua/jaeger-client/register notes.js`, or under Skua.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { initTracer } = require('jaeger-client');

const tracer = initTracer({ serviceName: 'notes', sampler: { type: 'const', param: 1 } });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'notes-'));

/** Runs one step in a span of its own. The span ends with the step, whatever happens. */
function step(name, parent, work) {
  const span = tracer.startSpan(name, { childOf: parent });
  try {
    return work(span);
  } catch (error) {
    span.setTag('error', true);
    span.log({ event: 'error', message: error.message });
    throw error;
  } finally {
    span.finish();
  }
}

function saveNote(parent, name, text) {
  return step('save note', parent, () => {
    const file = fs.openSync(path.join(folder, name), 'w');
    fs.writeSync(file, text);
    fs.fsyncSync(file); // the slow part
    fs.closeSync(file);
  });
}

function listNotes(parent) {
  return step('list notes', parent, () => fs.readdirSync(folder).map((name) => [name, fs.statSync(path.join(folder, name)).size]));
}

function readMissing(parent) {
  try {
    step('read note', parent, () => fs.readFileSync(path.join(folder, 'missing'), 'utf8'));
  } catch (error) {
    console.log(`as expected: ${error.code}`);
  }
}

function visit(number) {
  const span = tracer.startSpan('visit');
  saveNote(span, `note-${number}`, 'x'.repeat(1000 * number));
  console.log(listNotes(span).length, 'notes');
  readMissing(span);
  span.finish();
}

for (let number = 1; number <= 5; number += 1) visit(number);
fs.rmSync(folder, { recursive: true });
tracer.close();
