/**
 * The live reader against a real relay daemon, fed by a real kernel, in a session that is not Skua's. The modules are: with LTTng's own
 * `lttng start` hangs now and then (docs/kernel-abi.md, "Mended in LTTng").
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { cp } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY, type Guest } from './guest';
import { openGuestWithModules } from './modules';
import { closeWithoutTrouble } from './trouble';

interface Report {
  readonly events: number;
  readonly lost: number;
  /** Events delivered before an earlier one. */
  readonly disorder: number;
  readonly error?: string;
  readonly delayMs: { readonly p50: number; readonly p99: number };
}

let guest: Guest;

beforeAll(async () => {
  guest = await openGuestWithModules('');
  const folder = await mkdtemp(join(tmpdir(), 'skua-live-'));
  try {
    await cp(join(REPOSITORY, 'test/vm/live/live.sh'), join(folder, 'live.sh'));
    await build({
      entryPoints: [join(REPOSITORY, 'test/vm/live/client.ts')],
      outfile: join(folder, 'client.js'),
      bundle: true,
      platform: 'node',
      target: 'node18',
      format: 'cjs',
      logLevel: 'error',
    });
    await guest.upload(folder, '/root/live');
  } finally {
    await rm(folder, { recursive: true });
  }
});

afterAll(() => closeWithoutTrouble(guest));

async function live(bytes: number, count: number, stop = '', death = ''): Promise<Report> {
  return JSON.parse(
    await guest.must(`/root/live/live.sh /root/live-out ${bytes} ${count} '${stop}' '${death}'`),
  ) as Report;
}

/** What babeltrace2 reads from the relay daemon's own files: lines like the client's, and the number of lost events. */
async function stored(): Promise<{ readonly lines: string[]; readonly lost: number }> {
  const folder = '$(dirname "$(find /root/live-relay -name metadata)")';
  const text = await guest.must(`babeltrace2 --clock-seconds --no-delta ${folder} 2>/root/live-out/warnings`);
  const lines = text.match(/^\[[\d.]+\] \S+ \w+/gm)?.map((line) => line.replace(/\] \S+ /, '] ')) ?? [];
  const warnings = await guest.must('cat /root/live-out/warnings');
  // A counter that goes back makes babeltrace2 count up to 2^64: see docs/ctf.md.
  const lost = [...warnings.matchAll(/discarded (\d+) events?/g)]
    .map((match) => BigInt.asIntN(64, BigInt(match[1] ?? '0')))
    .reduce((sum, n) => sum + n, 0n);
  return { lines, lost: Number(lost) };
}

async function received(): Promise<string[]> {
  return (await guest.must('cat /root/live-out/lines')).trimEnd().split('\n');
}

describe('live reader', () => {
  /** Events of the workload, from a session that loses none. */
  let issued = 0;

  it('delivers every event in order and ends with the session', async () => {
    const report = await live(1 << 20, 16);
    expect(report).toMatchObject({ lost: 0, disorder: 0 });
    expect(report.error).toBeUndefined();
    expect(report.events).toBeGreaterThanOrEqual(20_000);
    issued = report.events;
    const { lines } = await stored();
    expect((await received()).sort()).toEqual(lines.sort());
  });

  it.each([
    ['waiting', ''],
    ['not waiting', '--no-wait'],
  ])('delivers or counts every event when the buffers are too small, stop %s', async (_how, option) => {
    const report = await live(4096, 2, option);
    expect(report.error).toBeUndefined();
    expect(report.lost).toBeGreaterThan(0);
    const { lines, lost } = await stored();
    expect((await received()).sort()).toEqual(lines.sort());
    expect(report.lost).toBe(lost);
    // A packet says what was lost before it ended. Who destroys a session while its buffers are full gets no packet after the last
    // loss: LTTng never tells of that. (Skua's sessions are counted by the kernel module.)
    const told = report.events + report.lost;
    if (option === '') expect(told).toBe(issued);
    else expect(told).toBeLessThanOrEqual(issued);
  });

  it('keeps what it has when the relay daemon is killed', async () => {
    const report = await live(1 << 20, 16, '', 'kill');
    expect(report.error).toMatch(/^(relayd-failed|live-stream-truncated):/);
    expect(report.events).toBeGreaterThan(0);
    expect(report.events).toBeLessThanOrEqual(issued);
  });
});
