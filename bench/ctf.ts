/**
 * Events per second of Skua's CTF decoder, side by side with babeltrace2 on the same trace and machine:
 *
 *   npx tsx bench/ctf.ts [TRACE_FOLDER]
 *
 * Without a folder, a trace of a few million events is made from the recorded one in test/fixtures/ctf/mixed: its packets are
 * repeated with their clocks moved on, so that babeltrace2 takes it as one trace. Writes bench/results/ctf.json.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StreamDecoders } from '../common/ctf/compile';
import { readMetadata } from '../common/ctf/metadata';
import { TraceDecoder } from '../common/ctf/packet';
import { StreamState } from '../common/ctf/state';
import { openCtfFolder } from '../remote-agent/live/folder';
import { fixture } from '../remote-agent/live/testing/fixtures';

const REPEATS = 150;
const RUNS = 3;

/** Offsets in a packet of LTTng's kernel tracer, after magic, uuid, stream_id and stream_instance_id. */
const PACKET = { begin: 32, end: 40, sequence: 64 } as const;

interface Packet {
  readonly bytes: Uint8Array;
  /** Where full 64-bit timestamps stand: packet begin and end, and extended event headers. */
  readonly clocks: readonly number[];
}

/** Splits a stream into packets and finds every 64-bit timestamp in them. */
function packets(decoder: TraceDecoder, bytes: Uint8Array): Packet[] {
  const found: Packet[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = decoder.start(bytes.subarray(at));
    const packet = bytes.slice(at, at + start.packetBits / 8);
    at += packet.length;
    const clocks: number[] = [PACKET.begin, PACKET.end];
    const decoders: StreamDecoders = start.decoders;
    const first = decoders.stream.eventHeader?.fields[0]?.type;
    const large = first?.kind === 'enum' && first.container.size === 16;
    const view = new DataView(packet.buffer);
    const state = new StreamState(decoder.strings, undefined);
    state.pos = start.eventsBit;
    state.budget = start.contentBits;
    while (state.pos < start.contentBits) {
      const header = Math.ceil(state.pos / 8);
      if (large ? view.getUint16(header, true) === 0xffff : (view.getUint8(header) & 31) === 31) {
        clocks.push(header + (large ? 6 : 5));
      }
      decoders.header?.(view, packet, packet.length, state.pos, state);
      decoders.event(state.id)?.(view, packet, packet.length, state.pos, state);
    }
    found.push({ bytes: packet, clocks });
  }
  return found;
}

function makeTrace(folder: string): void {
  const { metadata, files, streams } = fixture('mixed');
  const decoder = new TraceDecoder(readMetadata(metadata));
  const all = streams.map((bytes) => packets(decoder, bytes));
  const times = all.flat().flatMap(({ bytes }) => {
    const view = new DataView(bytes.buffer);
    return [view.getBigUint64(PACKET.begin, true), view.getBigUint64(PACKET.end, true)];
  });
  const span = times.reduce((a, b) => (a > b ? a : b)) - times.reduce((a, b) => (a < b ? a : b));
  // Short timestamps carry the clock's low bits: they stay right when the clock moves by whole multiples of 2^32.
  const step = ((span >> 32n) + 1n) << 32n;
  writeFileSync(join(folder, 'metadata'), metadata);
  all.forEach((stream, i) => {
    const parts: Uint8Array[] = [];
    for (let round = 0; round < REPEATS; round += 1) {
      for (const { bytes, clocks } of stream) {
        const copy = bytes.slice();
        const view = new DataView(copy.buffer);
        for (const at of clocks)
          view.setBigUint64(at, view.getBigUint64(at, true) + step * BigInt(round), true);
        const sequence = view.getBigUint64(PACKET.sequence, true) + BigInt(round * stream.length);
        view.setBigUint64(PACKET.sequence, sequence, true);
        parts.push(copy);
      }
    }
    writeFileSync(join(folder, (files[i]?.name ?? `s_${i}`).replace(/\.gz$/, '')), Buffer.concat(parts));
  });
}

interface Measure {
  readonly events: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
}

function best(runs: readonly Measure[]): Measure {
  return runs.reduce((a, b) => (a.eventsPerSecond > b.eventsPerSecond ? a : b));
}

function measure(events: number, milliseconds: number): Measure {
  return {
    events,
    seconds: milliseconds / 1000,
    eventsPerSecond: Math.round((events / milliseconds) * 1000),
  };
}

/** Reads the whole trace, every field of every event, merged in order. */
function skua(folder: string): Measure {
  const begin = performance.now();
  const trace = openCtfFolder(folder);
  let events = 0;
  for (const batch of trace.batches()) for (const item of batch) if (item.kind === 'event') events += 1;
  trace.dispose();
  return measure(events, performance.now() - begin);
}

function babeltrace(folder: string, events: number, args: readonly string[]): Measure | undefined {
  const begin = performance.now();
  const run = spawnSync('babeltrace2', [...args, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
  if (run.error !== undefined) return undefined;
  if (run.status !== 0) throw new Error(run.stderr.toString());
  return measure(events, performance.now() - begin);
}

function main(): void {
  const given = process.argv[2];
  const folder = given ?? mkdtempSync(join(tmpdir(), 'skua-bench-'));
  try {
    if (given === undefined) makeTrace(folder);
    const runs = { skua: [] as Measure[], dummy: [] as Measure[], text: [] as Measure[] };
    // In turns, so that what else the machine does is shared out evenly.
    for (let run = 0; run < RUNS; run += 1) {
      const own = skua(folder);
      runs.skua.push(own);
      const dummy = babeltrace(folder, own.events, ['--output-format=dummy']);
      const text = babeltrace(folder, own.events, ['--output-format=text', '--output=/dev/null']);
      if (dummy !== undefined) runs.dummy.push(dummy);
      if (text !== undefined) runs.text.push(text);
    }
    const result = {
      what: 'CTF decoding, best of runs; Skua decodes every field into objects, babeltrace2 dummy discards, text prints',
      trace:
        given === undefined ? `test/fixtures/ctf/mixed × ${REPEATS}` : 'a folder given on the command line',
      streams: readdirSync(folder).length - 1,
      machine: { cpu: cpus()[0]?.model ?? '', cpus: cpus().length, node: process.version },
      skua: best(runs.skua),
      babeltrace2Dummy: runs.dummy.length > 0 ? best(runs.dummy) : 'babeltrace2 is not installed',
      babeltrace2Text: runs.text.length > 0 ? best(runs.text) : 'babeltrace2 is not installed',
    };
    const results = join(import.meta.dirname, 'results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'ctf.json'), `${JSON.stringify(result, null, 2)}\n`);
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } finally {
    if (given === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

main();
