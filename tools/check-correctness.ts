/**
 * Checks a run of examples/correctness: every call is one syscall span under the right work span, in the right thread, with its
 * arguments, result and source line; none more, and none missing but those that the table explains.
 *
 *   npx tsx tools/check-correctness.ts --program STDOUT --spans SPANS.json [--vdso-hidden] [--json]
 *
 * STDOUT is what the program printed, SPANS.json any JSON (or JSON lines) that holds the spans, as `skua run --json` or
 * `skua show --json` print them. Exit code: 0 right, 1 wrong, 2 usage.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compare, type Report } from './correctness/compare';
import { collectSpans, parseExpected, parseJsonOrLines, type CallTable } from './correctness/expected';

const SHOWN = 20;

export function summarize(report: Report): string {
  const lines = [
    `${report.callsRight} of ${report.callsMade} calls are spans with the right parent, thread, arguments, result and line.`,
  ];
  for (const { what, why, count } of report.explained)
    lines.push(`explained: ${what} (${count} times). ${why}`);
  const kinds = new Map<string, number>();
  for (const { kind } of report.problems) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  for (const [kind, count] of kinds) lines.push(`wrong: ${count} × ${kind}`);
  for (const { kind, where, message } of report.problems.slice(0, SHOWN))
    lines.push(`  ${kind}: ${where}: ${message}`);
  if (report.problems.length > SHOWN) lines.push(`  … and ${report.problems.length - SHOWN} more`);
  return lines.join('\n');
}

/** The table beside the program. */
export function readCallTable(): CallTable {
  const path = fileURLToPath(new URL('../examples/correctness/calls.json', import.meta.url));
  return JSON.parse(readFileSync(path, 'utf8')) as CallTable;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      program: { type: 'string' },
      spans: { type: 'string' },
      'vdso-hidden': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.program === undefined || values.spans === undefined) {
    console.error('Usage: check-correctness --program STDOUT --spans SPANS.json [--vdso-hidden] [--json]');
    return 2;
  }
  const report = compare(
    parseExpected(readFileSync(values.program, 'utf8')),
    collectSpans(parseJsonOrLines(readFileSync(values.spans, 'utf8'))),
    readCallTable(),
    { vdsoHidden: values['vdso-hidden'] },
  );
  console.log(values.json ? JSON.stringify(report, null, 2) : summarize(report));
  return report.problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main();
