import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { spansToOtlp } from '../../common/file/otlp';
import { fixtureSpans } from './fixture';

/** Writes journal.skua (good), broken.skua and newer.skua (refused) into a folder. */
export async function writeFixtures(folder: string): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(spansToOtlp(fixtureSpans())));
  writeFileSync(path.join(folder, 'journal.skua'), bytes);
  writeFileSync(path.join(folder, 'broken.skua'), bytes.subarray(0, 200));
}
