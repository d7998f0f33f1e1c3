/**
 * Live latency: from the end of a system call in the guest to its span in front of the user. Three points are measured here, the guest's
 * clock against this machine's known to a bound:
 *
 *   system call returns ─► agent reads it ─► client has it ─► timeline's host posts it to the webview ─► next frame
 *        (kernel clock)     (its histogram)   └───── both here, from the spans' own times ─────┘
 */
import { join } from 'node:path';
import type { Nanoseconds } from '../common/base/time';
import type { Span } from '../common/model/span';
import { TimelineHost } from '../common/view/host';
import { VIEW_PROTOCOL_VERSION, type HostToWebview } from '../common/view/protocol';
import { SpanStore } from '../common/view/store';
import type { CoreContext } from '../src/core/api';
import { startSandbox } from '../src/core/sandbox/instance';
import { startRun } from '../src/core/session/run';
import type { SshConnection } from '../src/core/ssh/connection';
import { quietContext, REPOSITORY } from '../test/vm/guest';
import { BENCH, guestName, openBenchGuest } from './lab/guest';
import { machine, quantile, rounded, writeResult } from './lab/numbers';

const CLOCK_ROUNDS = 40;
/**
 * Spans of the first seconds are left out of the quantiles: Node compiles, and the metadata is read, which takes an emulated processor
 * that long.
 */
const SETTLE_SECONDS = 15;

interface ClockOffset {
  /** Guest's clock minus this machine's, ms. */
  readonly ms: number;
  /** The true offset is at most this far off, ms: half of the fastest round trip. */
  readonly boundMs: number;
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Asks the guest for its clock many times; the fastest answer tells most. */
async function clockOffset(ssh: SshConnection): Promise<ClockOffset> {
  const channel = await ssh.exec(`sudo ${BENCH}/clock`);
  let best: ClockOffset = { ms: 0, boundMs: Infinity };
  for (let round = 0; round < CLOCK_ROUNDS; round += 1) {
    const asked = nowMs();
    channel.write('.');
    const [line] = (await new Promise<Buffer>((resolve) => channel.once('data', resolve)))
      .toString()
      .split('\n');
    const answered = nowMs();
    const boundMs = (answered - asked) / 2;
    if (boundMs < best.boundMs) best = { ms: Number(line) / 1e6 - (asked + boundMs), boundMs };
  }
  channel.end();
  return best;
}

/** Time of a span's end by this machine's clock, ms. */
function endMs(endNs: Nanoseconds, offset: ClockOffset): number {
  return Number(endNs / 1000n) / 1000 - offset.ms;
}

interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly n: number;
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (p: number): number => rounded(quantile(sorted, p));
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1), n: sorted.length };
}

/** The timeline's host with a webview that takes every message at once: calls back with the ends of the spans in each. */
class Timeline {
  readonly store = new SpanStore({ limit: 2_000_000 });
  private readonly host: TimelineHost;
  private fresh: Nanoseconds[] = [];

  constructor(shown: (ends: readonly Nanoseconds[]) => void) {
    const ignore = (): void => undefined;
    this.host = new TimelineHost({
      store: this.store,
      title: 'latency',
      post: (message: HostToWebview) => {
        if (message.type !== 'columns') return;
        const ends = this.fresh;
        this.fresh = [];
        shown(ends);
        setImmediate(() => {
          this.host.receive({ type: 'applied', seq: message.seq });
        });
      },
      schedule: (run, delayMs) => {
        const timer = setTimeout(run, delayMs);
        return {
          dispose: () => {
            clearTimeout(timer);
          },
        };
      },
      actions: {
        openSource: ignore,
        sourceUnknown: ignore,
        pickSource: ignore,
        copy: ignore,
        exportTrace: ignore,
        stop: ignore,
        showLog: ignore,
        focusChanged: ignore,
        selectionChanged: ignore,
        problem: (message, detail) => {
          throw new Error(`${message}\n${detail}`);
        },
      },
      resolveSource: () => Promise.resolve(undefined),
    });
    this.host.receive({ type: 'ready', version: VIEW_PROTOCOL_VERSION, restored: false });
  }

  /** `fresh`: ends of those that are there for the first time. */
  add(spans: readonly Span[], fresh: readonly Nanoseconds[]): void {
    this.fresh.push(...fresh);
    this.store.upsert(spans);
  }

  dispose(): void {
    this.host.dispose();
  }
}

/** A span by its end, and when it came, by this machine's clock. */
interface Arrival {
  readonly endNs: Nanoseconds;
  readonly ms: number;
}

interface Setting {
  readonly name: string;
  readonly rate: number;
  readonly liveTimerUs?: number;
}

async function measure(setting: Setting, seconds: number, ssh: SshConnection): Promise<object> {
  const before = await clockOffset(ssh);
  const log: string[] = [];
  const context: CoreContext = { ...quietContext(), log: (_level, message) => log.push(message) };
  const seen = new Set<string>();
  const atClient: Arrival[] = [];
  const atWebview: Arrival[] = [];
  const timeline = new Timeline((ends) => {
    const ms = nowMs();
    for (const endNs of ends) atWebview.push({ endNs, ms });
  });
  let output = '';
  const ignore = (): void => undefined;
  const run = await startRun(
    {
      target: { kind: 'sandbox', name: guestName('time') },
      session: setting.liveTimerUs === undefined ? {} : { liveTimerUs: setting.liveTimerUs },
      upload: { kind: 'file', localPath: join(REPOSITORY, 'out/bench/steady') },
      launch: {
        program: 'steady',
        args: [String(setting.rate), String(seconds)],
        env: {},
        vdsoSyscalls: false,
      },
    },
    {
      spans: (spans) => {
        const ms = nowMs();
        const fresh: Nanoseconds[] = [];
        for (const { name, spanId, endNs } of spans) {
          if (name !== 'getppid' || endNs === undefined || seen.has(spanId)) continue;
          seen.add(spanId);
          fresh.push(endNs);
          atClient.push({ endNs, ms });
        }
        timeline.add(spans, fresh);
      },
      output: (_stream, data) => {
        output += Buffer.from(data).toString();
      },
      loss: ignore,
      exited: ignore,
      failed: ignore,
    },
    context,
  );
  const { summary } = await run.done;
  timeline.dispose();
  const after = await clockOffset(ssh);
  const made = JSON.parse(output) as { made: number; seconds: number };
  const read = log
    .map((line) => /Events were read (.*) after/.exec(line)?.[1])
    .find((text) => text !== undefined);
  const offset = before.boundMs < after.boundMs ? before : after;
  const begin = atClient.reduce((least, { endNs }) => (endNs < least ? endNs : least), 2n ** 63n);
  const settled = begin + BigInt(SETTLE_SECONDS) * 1_000_000_000n;
  const lags = (list: readonly Arrival[]): number[] =>
    list.filter(({ endNs }) => endNs >= settled).map(({ endNs, ms }) => ms - endMs(endNs, offset));
  return {
    ...setting,
    reachedPerSecond: Math.round(made.made / made.seconds),
    made: made.made,
    delivered: seen.size,
    loss: summary.loss,
    clock: {
      boundMs: rounded(Math.min(before.boundMs, after.boundMs)),
      driftMs: rounded(Math.abs(after.ms - before.ms)),
      kernelErrorMs: rounded(summary.clockErrorNs / 1e6),
    },
    read: read ?? 'not reported',
    clientMs: quantiles(lags(atClient)),
    webviewMs: quantiles(lags(atWebview)),
  };
}

/** Measures and writes bench/results/latency.json. */
export async function benchLatency(options: { readonly quick: boolean }): Promise<void> {
  await openBenchGuest('time');
  const ssh = await startSandbox(guestName('time'), quietContext());
  const settings: readonly Setting[] = [
    { name: "sandbox's default timer (100 ms)", rate: 100 },
    { name: "other hosts' default timer (20 ms)", rate: 100, liveTimerUs: 20_000 },
    { name: "sandbox's default timer (100 ms)", rate: 1000 },
    { name: "sandbox's default timer (100 ms)", rate: 10_000 },
  ];
  const results: object[] = [];
  try {
    for (const setting of settings) {
      results.push(await measure(setting, SETTLE_SECONDS + (options.quick ? 5 : 20), ssh));
      process.stderr.write(`${JSON.stringify(results.at(-1))}\n`);
    }
  } finally {
    await ssh.dispose();
  }
  const result = {
    machine: machine(),
    what: 'ms from the end of a system call, each span once, at its first arrival',
    settleSeconds: SETTLE_SECONDS,
    results,
  };
  writeResult('latency', result);
  process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
}
