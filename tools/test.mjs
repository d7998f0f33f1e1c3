// Runs the suites one after another and ends with one line: "N passed, N failed".  usage: node tools/test.mjs [suite …]
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { relative } from 'node:path';

const usual = ['check', 'unit', 'clients', 'integration', 'vm', 'e2e'];
/** `pending`: see vitest.config.ts; only when named. */
const suites = [...usual, 'pending'];
const wanted = process.argv.length > 2 ? process.argv.slice(2) : usual;
for (const name of wanted) {
  if (!suites.includes(name)) {
    console.error(`There is no suite "${name}". Suites: ${suites.join(', ')}`);
    process.exit(2);
  }
}

mkdirSync('out', { recursive: true });
const total = { passed: 0, failed: 0, skipped: 0 };
const rows = [];
/** What failed, said again at the end: a suite's own report is far above by then. */
const failures = [];

for (const suite of suites) {
  if (!wanted.includes(suite)) continue;
  const started = Date.now();
  console.log(`\n━━ ${suite} ━━`);
  const counts = suite === 'check' || suite === 'clients' ? runScript(suite) : runVitest(suite);
  const seconds = Math.round((Date.now() - started) / 1000);
  rows.push(
    `${suite.padEnd(12)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds} s)`,
  );
  for (const key of Object.keys(total)) total[key] += counts[key];
}

if (failures.length > 0) console.log(`\n━━ failed ━━\n${failures.join('\n')}`);
console.log(`\n${rows.join('\n')}\n`);
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** A suite that is one command: it counts as one test. */
function runScript(suite) {
  const [command, args] = suite === 'check' ? ['node', ['tools/check.mjs']] : ['bash', ['clients/test.sh']];
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status === 0) return { passed: 1, failed: 0, skipped: 0 };
  failures.push(`${suite}: ${command} ${args.join(' ')} ended with ${status}`);
  return { passed: 0, failed: 1, skipped: 0 };
}

function runVitest(suite) {
  const report = `out/test-${suite}.json`;
  rmSync(report, { force: true });
  const { status } = spawnSync(
    'node_modules/.bin/vitest',
    ['run', '--project', suite, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    { stdio: 'inherit' },
  );
  try {
    const json = JSON.parse(readFileSync(report, 'utf8'));
    const failed = json.testResults.flatMap((file) => failuresOf(suite, file));
    if (failed.length === 0 && status !== 0) failed.push(`${suite}: an error outside of a test, see above`);
    failures.push(...failed);
    return {
      passed: json.numPassedTests,
      failed: failed.length,
      skipped: json.numPendingTests + json.numTodoTests,
    };
  } catch (error) {
    failures.push(`${suite}: no report (${error.message})`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** The failed tests of a file with the beginning of what each says; the file itself, if it failed to load. */
function failuresOf(suite, { name, status, message, assertionResults }) {
  const file = relative('.', name);
  const tests = assertionResults.filter((test) => test.status === 'failed');
  if (tests.length === 0 && status === 'failed') return [`${suite}: ${file}\n${indented(message)}`];
  return tests.map(
    (test) => `${suite}: ${file} › ${test.fullName}\n${indented(test.failureMessages.join('\n'))}`,
  );
}

function indented(text) {
  return text
    .split('\n')
    .slice(0, 30)
    .map((line) => `    ${line}`)
    .join('\n');
}
