/**
 * What a span costs the agent on this machine, without emulation in between: a trace that it recorded in the guest is decoded, made into
 * spans and encoded for the client once more, by the same code. Source lines are the work of another process,
 * skua-symbols, and not part of it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEvents } from '../src/core/api';
import { startRun } from '../src/core/session/run';
import { openCtfFolder } from '../remote-agent/live/folder';
import { SpanSender } from '../remote-agent/session/spanSender';
import { SpanPipeline } from '../remote-agent/spans/pipeline';
import { quietContext, REPOSITORY, type Guest } from '../test/vm/guest';
import { guestName, openBenchGuest } from './lab/guest';
import { machine, summarize, writeResult } from './lab/numbers';

const KEPT = '/tmp/skua-kept-ctf';
const ROUNDS = 7;
const MICROSECONDS = 1000;

/** Records calls of bench/guest/steady.c through Skua's own agent, and fetches the trace as it was recorded. */
async function record(guest: Guest, folder: string, seconds: number): Promise<void> {
  const ignore = (): void => undefined;
  const events: RunEvents = { spans: ignore, output: ignore, loss: ignore, exited: ignore, failed: ignore };
  await guest.must(`rm -rf ${KEPT}`);
  const run = await startRun(
    {
      target: { kind: 'sandbox', name: guestName('time') },
      session: { keepCtf: KEPT },
      upload: { kind: 'file', localPath: join(REPOSITORY, 'out/bench/steady') },
      launch: { program: 'steady', args: ['1000', String(seconds)], env: {}, vdsoSyscalls: false },
    },
    events,
    quietContext(),
  );
  await run.done;
  const archive = await guest.must(`tar -C "$(dirname "$(find ${KEPT} -name metadata)")" -cz . | base64 -w0`);
  const file = join(folder, 'trace.tar.gz');
  writeFileSync(file, Buffer.from(archive, 'base64'));
  execFileSync('tar', ['-C', folder, '-xzf', file]);
  rmSync(file);
}

interface Cost {
  readonly spans: number;
  readonly events: number;
  readonly bytes: number;
  /** µs of each span. */
  readonly decode: number;
  readonly build: number;
  readonly encode: number;
}

/** One pass over the trace. The time of a stage is what passes between its batches: nothing else runs here meanwhile. */
async function replay(folder: string): Promise<Cost> {
  const trace = openCtfFolder(folder);
  const spent = { decode: 0n, build: 0n, encode: 0n };
  const count = { spans: 0, events: 0, bytes: 0 };
  let last = process.hrtime.bigint();
  const lap = (stage: keyof typeof spent): void => {
    const now = process.hrtime.bigint();
    spent[stage] += now - last;
    last = now;
  };
  // Credit without end: the client is fast enough here.
  const sender = new SpanSender(
    (frame) => {
      count.bytes += frame.length;
    },
    2 ** 30,
    Infinity,
  );
  const pipeline = new SpanPipeline(
    (delivery) => {
      if (delivery.final && delivery.span.origin === 'kernel') count.spans += 1;
      sender.push(delivery);
    },
    undefined,
    () => 0,
    true,
  );
  let nowMs = 0;
  for (const batch of trace.batches()) {
    lap('decode');
    count.events += batch.length;
    // The time of the recording, by which the pipeline waits for what comes late.
    const last = batch.at(-1);
    if (last?.kind === 'event') nowMs = Number(last.timestampNs / 1_000_000n);
    pipeline.items(batch, nowMs);
    pipeline.tick(nowMs, 0n);
    lap('build');
    sender.credit(0); // Sends what is queued.
    lap('encode');
  }
  trace.dispose();
  await pipeline.finish('session-stopped');
  lap('build');
  sender.credit(0);
  lap('encode');
  const perSpan = (ns: bigint): number => Number(ns) / MICROSECONDS / count.spans;
  return {
    ...count,
    decode: perSpan(spent.decode),
    build: perSpan(spent.build),
    encode: perSpan(spent.encode),
  };
}

/** Measures and writes bench/results/agent.json. */
export async function benchAgent(options: { readonly quick: boolean }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'skua-bench-agent-'));
  try {
    await record(await openBenchGuest('time'), folder, options.quick ? 3 : 20);
    await replay(folder); // Compiles.
    const costs: Cost[] = [];
    while (costs.length < ROUNDS) costs.push(await replay(folder));
    const of = (stage: 'decode' | 'build' | 'encode'): object => summarize(costs.map((cost) => cost[stage]));
    const [first] = costs;
    const result = {
      machine: machine(),
      what: 'µs of one processor for each system call span, without its source line; a trace of calls in spans, replayed',
      spans: first?.spans,
      events: first?.events,
      bytesPerSpan: Math.round((first?.bytes ?? 0) / (first?.spans ?? 1)),
      decode: of('decode'),
      build: of('build'),
      encode: of('encode'),
      total: summarize(costs.map(({ decode, build, encode }) => decode + build + encode)),
    };
    writeResult('agent', result);
    process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
