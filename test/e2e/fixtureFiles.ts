import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeTrace } from '../../common/file/skua-file';
import { NO_LOSS } from '../../common/model/loss';
import { elsewhereSpans, fixtureSpans } from './fixture';

/** Writes journal.skua (good), elsewhere.skua (of sources that are not here) and broken.skua (cut short) into a folder. */
export function writeFixtures(folder: string): void {
  const meta = {
    title: 'Trace journal',
    skuaVersion: '0.1.0',
    host: 'skua-sandbox',
    kernelRelease: '6.1.0-56-cloud-amd64',
    target: 'sandbox',
    program: '/build/journal/journal',
    args: [],
    exit: { code: 0, signal: null },
    loss: NO_LOSS,
  };
  const bytes = writeTrace({ meta, spans: fixtureSpans() });
  writeFileSync(path.join(folder, 'journal.skua'), bytes);
  writeFileSync(
    path.join(folder, 'elsewhere.skua'),
    writeTrace({ meta: { ...meta, title: 'Elsewhere' }, spans: elsewhereSpans() }),
  );
  writeFileSync(path.join(folder, 'broken.skua'), bytes.subarray(0, 200));
}
