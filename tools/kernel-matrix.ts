/**
 * Tries Skua on several kernels: builds the modules against each kernel's own headers, boots that kernel in the sandbox's machine, loads
 * the modules and traces a self-counting program. Prints a table, and with --write puts it into docs/kernels.md.
 *
 *   npx tsx tools/kernel-matrix.ts [--write] [RELEASE…]        default: what `apt-cache` offers of 6.1 and 6.12, see defaultReleases
 *
 * Needs what the sandbox needs, a C compiler of the kernels' version, and apt with those kernels among its sources. Some ten minutes.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchKernel } from './kernel-matrix/kernel';
import { buildModules } from './kernel-matrix/modules';
import { defaultReleases, insertTable, keptLines, renderTable, type Row } from './kernel-matrix/table';
import { traceOn } from './kernel-matrix/trace';

const PRETTIER = join(import.meta.dirname, '../node_modules/.bin/prettier');
const DOCUMENT = join(import.meta.dirname, '../docs/kernels.md');

async function tryKernel(release: string): Promise<Row> {
  const work = mkdtempSync(join(tmpdir(), 'skua-kernel-'));
  let row: Row = { release, package: '', build: 'no', load: '', trace: '', log: '', note: '' };
  try {
    const kernel = await fetchKernel(release, work);
    row = { ...row, package: kernel.packageVersion };
    const built = await buildModules(kernel);
    row = { ...row, build: `${built.modules} modules` };
    return { ...row, ...(await traceOn(kernel)) };
  } catch (error) {
    return { ...row, note: firstLine(error) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /error:/.test(line)) ?? lines[0] ?? '').trim().slice(0, 160);
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const write = args.includes('--write');
  const named = args.filter((arg) => !arg.startsWith('--'));
  const releases =
    named.length > 0
      ? named
      : defaultReleases(execFileSync('apt-cache', ['pkgnames', 'linux-image-6'], { encoding: 'utf8' }));
  // Named kernels are added to what was tried before, the default set replaces it.
  const kept = named.length > 0 ? keptLines(readFileSync(DOCUMENT, 'utf8'), named) : [];
  const rows: Row[] = [];
  let table = '';
  for (const release of releases) {
    process.stderr.write(`${release}…\n`);
    rows.push(await tryKernel(release));
    table = renderTable(rows, new Date().toISOString().slice(0, 10), kept);
    // After each kernel: what is known must not be lost with the rest of a long run.
    if (write) {
      writeFileSync(DOCUMENT, insertTable(readFileSync(DOCUMENT, 'utf8'), table));
      execFileSync(PRETTIER, ['--log-level=warn', '--write', DOCUMENT]);
    }
  }
  process.stdout.write(table);
  process.exitCode = rows.every((row) => row.trace.startsWith('all')) ? 0 : 1;
}

void main();
