import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { memoryFile, type StreamFile } from '../../../common/ctf/folder';

export const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/ctf');
export const FIXTURE_NAMES = [
  'mixed',
  'overflow',
  'overwrite',
  'skua',
  'ctf2-ust',
  'ctf2-skua',
  'ctf2-overflow',
] as const;

export interface Fixture {
  readonly metadata: Uint8Array;
  readonly files: readonly StreamFile[];
  /** Bytes of the stream files, in the order of `files`. */
  readonly streams: readonly Uint8Array[];
  /** babeltrace2's lines. */
  readonly lines: readonly string[];
  /** babeltrace2's messages about lost events and packets. */
  readonly warnings: readonly string[];
}

/** Reads a recorded trace of test/fixtures/ctf. */
export function fixture(name: string): Fixture {
  const folder = join(FIXTURES, name);
  const read = (file: string): Uint8Array => new Uint8Array(gunzipSync(readFileSync(join(folder, file))));
  const streamNames = readdirSync(folder)
    .filter((file) => /_\d+\.gz$/.test(file))
    .sort();
  const streams = streamNames.map(read);
  return {
    metadata: read('metadata.gz'),
    files: streamNames.map((file, i) => memoryFile(file, streams[i] as Uint8Array)),
    streams,
    lines: new TextDecoder().decode(read('babeltrace2.txt.gz')).trimEnd().split('\n'),
    warnings: readFileSync(join(folder, 'warnings.txt'), 'utf8').split('\n').filter(Boolean),
  };
}
