/**
 * Runs in the guest: reads a live session and reports what it got, one JSON object.
 *   node client.js PORT SESSION LINES_FILE
 * LINES_FILE gets a line for each event: [seconds.nanoseconds] name
 */
import { createWriteStream } from 'node:fs';
import { toSkuaError } from '../../../common/base/errors';
import { openLive } from '../../../remote-agent/live/live';

async function main(): Promise<void> {
  const [port, sessionName, file] = process.argv.slice(2);
  if (port === undefined || sessionName === undefined || file === undefined)
    throw new Error('three arguments');
  const lines = createWriteStream(file);
  let events = 0;
  let lost = 0;
  let disorder = 0;
  let last = 0n;
  let error: string | undefined;
  const delays: number[] = [];
  try {
    for await (const { items } of openLive({ port: Number(port), sessionName, sessionWaitMs: 120_000 })) {
      const now = BigInt(Date.now()) * 1_000_000n;
      for (const item of items) {
        if (item.kind === 'event') {
          if (!item.name.endsWith('_sync')) events += 1; // live.sh's sign that the client is attached
          const ns = item.timestampNs;
          if (ns < last) disorder += 1;
          last = ns;
          delays.push(Number(now - ns) / 1e6);
          lines.write(
            `[${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}] ${item.name}\n`,
          );
        } else if (item.kind === 'lost') lost += item.count;
      }
    }
  } catch (thrown) {
    const failure = toSkuaError(thrown);
    error = `${failure.code}: ${failure.message}`;
  }
  await new Promise<void>((resolve) => lines.end(resolve));
  delays.sort((a, b) => a - b);
  const at = (part: number): number => Math.round(delays[Math.floor((delays.length - 1) * part)] ?? -1);
  const delayMs = { p50: at(0.5), p99: at(0.99) };
  process.stdout.write(JSON.stringify({ events, lost, disorder, error, delayMs }));
}

void main();
