// npm run check: everything that can be known about the tree without running it. Runs all checks, then lists what failed.
//   node tools/check.mjs [--fix] [name …]
import { execFileSync, spawnSync } from 'node:child_process';

const fix = process.argv.includes('--fix');
const only = process.argv.slice(2).filter((a) => !a.startsWith('--'));

/** Files that git tracks, and new ones it does not ignore, by ending or first line. */
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--deduplicate'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((f) => f !== '' && !f.startsWith('test/fixtures/ctf'));
const shell = files.filter((f) => f.endsWith('.sh') || f === '.ci/run');
const kernel = files.filter((f) => /^kernel\/.*\.([ch]|patch)$/.test(f));
const markdown = files.filter((f) => f.endsWith('.md'));
const cSources = files.filter((f) => /\.(c|h|cc|cpp|hpp)$/.test(f) && !f.startsWith('kernel/'));

const bin = (name) => `node_modules/.bin/${name}`;
const checks = {
  lockfile: ['npm', ['ci', '--dry-run', '--ignore-scripts', '--no-audit', '--no-fund']],
  types: [bin('tsc'), ['-b']],
  lint: [bin('eslint'), ['--max-warnings=0', ...(fix ? ['--fix'] : []), '.']],
  format: [bin('prettier'), [fix ? '--write' : '--check', '--log-level=warn', '.']],
  imports: ['node', ['tools/check-imports.mjs']],
  'dead-code': [bin('knip'), []],
  links: ['node', ['tools/markdown-links.mjs', ...markdown]],
  shell: ['shellcheck', ['-x', ...shell]],
  'c-format': ['clang-format', [...(fix ? ['-i'] : ['--dry-run', '--Werror']), ...cSources]],
  'kernel-style': ['node', ['tools/check-kernel-style.mjs', ...kernel]],
};

const failed = [];
for (const [name, [command, args]] of Object.entries(checks)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const started = Date.now();
  const run = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  if (run.error?.code === 'ENOENT') {
    console.log(`✗ ${name}: ${command} is not installed. Run: bash tools/setup-debian.sh`);
    failed.push(name);
    continue;
  }
  const ok = run.status === 0;
  console.log(`${ok ? '✓' : '✗'} ${name} (${seconds} s)`);
  if (!ok) {
    failed.push(name);
    process.stdout.write(run.stdout + run.stderr);
  }
}
if (failed.length > 0) {
  console.log(`\nFailed: ${failed.join(', ')}. Many can be mended with: npm run check -- --fix`);
  process.exitCode = 1;
}
