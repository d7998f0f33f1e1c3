// Runs the suites one after another and ends with one line: "N passed, N failed".  usage: node tools/test.mjs [suite …]
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';

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

console.log(`\n${rows.join('\n')}\n`);
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** A suite that is one command: it counts as one test. */
function runScript(suite) {
  const [command, args] = suite === 'check' ? ['node', ['tools/check.mjs']] : ['bash', ['clients/test.sh']];
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
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
    // A file that fails to load, or an error outside of a test, counts too.
    const failed =
      json.numFailedTests +
      json.testResults.filter((f) => f.status === 'failed' && f.assertionResults.length === 0).length;
    return {
      passed: json.numPassedTests,
      failed: failed === 0 && status !== 0 ? 1 : failed,
      skipped: json.numPendingTests + json.numTodoTests,
    };
  } catch (error) {
    console.error(`${suite}: no report (${error.message})`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
