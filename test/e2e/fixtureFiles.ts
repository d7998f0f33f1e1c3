import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeTrace } from '../../common/file/skua-file';
import { NO_LOSS } from '../../common/model/loss';
import { fixtureSpans } from './fixture';

/** Writes journal.skua (good) and broken.skua (cut short) into a folder. */
export function writeFixtures(folder: string): void {
  const bytes = writeTrace({
    meta: {
      title: 'Trace journal',
      skuaVersion: '0.1.0',
      host: 'skua-sandbox',
      kernelRelease: '6.1.0-56-cloud-amd64',
      target: 'sandbox',
      program: '/build/journal/journal',
      args: [],
      exit: { code: 0, signal: null },
      loss: NO_LOSS,
    },
    spans: fixtureSpans(),
  });
  writeFileSync(path.join(folder, 'journal.skua'), bytes);
  writeFileSync(path.join(folder, 'broken.skua'), bytes.subarray(0, 200));
}
