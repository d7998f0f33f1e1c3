import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCtfFolder } from '../../remote-agent/live/folder';
import { FIXTURE_NAMES, fixture } from '../../remote-agent/live/testing/fixtures';

const { status, stdout: said } = spawnSync('babeltrace2', ['--version'], { encoding: 'utf8' });
/** CTF 2 is read by version 2.1 and later; Debian 12 has 2.0. */
const readsCtf2 = !/\b2\.0\.\d/.test(said);
const readable = FIXTURE_NAMES.filter((name) => readsCtf2 || !name.startsWith('ctf2-'));

/** The stored dumps are compared in the unit tests; this asks the babeltrace2 of this machine, whatever its version. */
describe.skipIf(status !== 0)('saved traces and the installed babeltrace2', () => {
  it.each(readable)('agree on names and times of the events of "%s"', (name) => {
    const { metadata, files, streams } = fixture(name);
    const folder = mkdtempSync(join(tmpdir(), 'skua-ctf-'));
    try {
      writeFileSync(join(folder, 'metadata'), metadata);
      files.forEach((file, i) => {
        writeFileSync(join(folder, file.name.replace(/\.gz$/, '')), streams[i] as Uint8Array);
      });
      const trace = openCtfFolder(folder);
      const ours = [...trace.batches()].flat().flatMap((item) => {
        if (item.kind !== 'event') return [];
        const seconds = item.timestampNs / 1_000_000_000n;
        return [`[${seconds}.${String(item.timestampNs % 1_000_000_000n).padStart(9, '0')}] ${item.name}:`];
      });
      trace.dispose();
      const args = ['--clock-seconds', '--no-delta', '--names=none', '--fields=', folder];
      const { stdout } = spawnSync('babeltrace2', args, { maxBuffer: 1 << 28, encoding: 'utf8' });
      const theirs = stdout
        .match(/^\[\d+\.\d+\] [^{]*?(\w+):/gm)
        ?.map((line) => line.replace(/\] .*?(\w+):$/, '] $1:'));
      expect(ours.length).toBeGreaterThan(50);
      expect(ours.sort()).toEqual(theirs?.sort());
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
