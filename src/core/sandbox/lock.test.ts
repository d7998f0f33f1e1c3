import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isProcess, processStart, withLock, writeAtomically } from './lock';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-lock-'));
  path = join(folder, 'a.lock');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const never = new AbortController().signal;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** A process that has ended: its pid is free. */
const dead = (): number => spawnSync('true').pid;

/** How many of `count` waiters worked at the same time, at most. */
async function crowd(count: number, lock = path): Promise<number> {
  let inside = 0;
  let most = 0;
  const enter = (): Promise<void> =>
    withLock(
      lock,
      never,
      () => undefined,
      async () => {
        inside += 1;
        most = Math.max(most, inside);
        await pause(2);
        inside -= 1;
      },
    );
  await Promise.all(Array.from({ length: count }, enter));
  return most;
}

describe('withLock', () => {
  it('lets one in at a time, and leaves nothing', async () => {
    expect(await crowd(6)).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is taken over by one waiter only when its owner is gone', async () => {
    const locks = Array.from({ length: 20 }, (_, index) => join(folder, `${String(index)}.lock`));
    for (const lock of locks) writeFileSync(lock, JSON.stringify({ pid: dead(), start: '1' }));
    const most = await Promise.all(locks.map((lock) => crowd(4, lock)));
    expect(most).toEqual(locks.map(() => 1));
    expect(readdirSync(folder)).toEqual([]);
  });

  it('survives a waiter that died while taking over', async () => {
    const pid = dead();
    writeFileSync(path, JSON.stringify({ pid, start: '1' }));
    writeFileSync(`${path}.${String(pid)}-1`, JSON.stringify({ pid: dead(), start: '2' }));
    expect(await crowd(4)).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(['', '{"pid":', 'null', '{"pid":"x","start":"../../y"}'])(
    'takes over a lock that says %j',
    async (text) => {
      writeFileSync(path, text);
      expect(await crowd(3)).toBe(1);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it('knows an owner from another process with the same pid', () => {
    const start = processStart(process.pid) ?? '';
    expect(isProcess({ pid: process.pid, start })).toBe(true);
    expect(isProcess({ pid: process.pid, start: `${start}1` })).toBe(false);
  });

  it('waits for a running owner, says so once, and can be cancelled', async () => {
    const owner = spawn('sleep', ['60']);
    const content = JSON.stringify({ pid: owner.pid, start: processStart(owner.pid ?? 0) });
    writeFileSync(path, content);
    const abort = new AbortController();
    let told = 0;
    const waiting = withLock(
      path,
      abort.signal,
      () => (told += 1),
      () => Promise.resolve('in'),
    );
    await pause(500);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    expect(told).toBe(1);
    expect(readFileSync(path, 'utf8')).toBe(content);
    // Once the owner has ended, whoever waits gets in.
    const next = withLock(
      path,
      never,
      () => undefined,
      () => Promise.resolve('in'),
    );
    owner.kill('SIGKILL');
    expect(await next).toBe('in');
  });

  it('is released when the work fails', async () => {
    const work = (): Promise<never> => Promise.reject(new Error('no'));
    await expect(withLock(path, never, () => undefined, work)).rejects.toThrow('no');
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('writeAtomically', () => {
  it('never shows half of a file', async () => {
    const file = join(folder, 'machine.json');
    const texts = ['a', 'b'].map((letter) => letter.repeat(100_000));
    await writeAtomically(file, texts[0] ?? '');
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 50; i++) await writeAtomically(file, texts[i % 2] ?? '');
      writing = false;
    })();
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- the writer above changes it
    while (writing) {
      expect(texts).toContain(readFileSync(file, 'utf8'));
      await pause(0);
    }
    await writer;
    expect(readdirSync(folder)).toEqual(['machine.json']);
  });
});
