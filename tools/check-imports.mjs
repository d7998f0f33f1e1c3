// Checks the import rule (.dependency-cruiser.cjs), then proves that it can fail: one planted violation per rule must be reported.
import { cruise } from 'dependency-cruiser';
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const rooms = ['common', 'src', 'webview', 'remote-agent'];
const options = await extractOptions('./.dependency-cruiser.cjs');
const tsConfig = extractTSConfig('tsconfig.depcruise.json');

async function violations(paths) {
  const { output } = await cruise(paths, { ...options, validate: true }, undefined, { tsConfig });
  return output;
}

const planted = [
  [
    'common/planted__/a.ts',
    "import { readFileSync } from 'node:fs';\nexport const x = readFileSync;\n",
    'common-imports-itself-only',
  ],
  [
    'common/planted__/b.ts',
    "import * as v from 'vscode';\nexport const x = v;\n",
    'common-imports-itself-only',
  ],
  [
    'remote-agent/planted__.ts',
    "import { DEFAULT_SESSION } from '../src/core/api';\nexport const x = DEFAULT_SESSION;\n",
    'agent-imports-common-and-node',
  ],
  [
    'webview/planted__.ts',
    "import { cpus } from 'node:os';\nexport const x = cpus;\n",
    'webview-uses-no-node-builtin',
  ],
  [
    'webview/planted2__.ts',
    "import { DEFAULT_SESSION } from '../src/core/api';\nexport const x = DEFAULT_SESSION;\n",
    'webview-imports-common-only',
  ],
  [
    'src/core/planted__.ts',
    "import * as v from 'vscode';\nexport const x = v;\n",
    'core-and-cli-know-no-editor',
  ],
];

const real = await violations(rooms);
for (const v of real.summary.violations) console.error(`${v.rule.name}: ${v.from} → ${v.to}`);
if (real.summary.totalCruised < 20)
  throw new Error(`Only ${real.summary.totalCruised} modules were read: the checker sees nothing.`);

let missed = 0;
try {
  for (const [path, text] of planted) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const found = (await violations(planted.map(([path]) => path))).summary.violations;
  for (const [path, , rule] of planted) {
    if (found.some((v) => v.from === path && v.rule.name === rule)) continue;
    missed += 1;
    console.error(`The planted violation of ${rule} in ${path} was not noticed.`);
  }
} finally {
  for (const [path] of planted) rmSync(path, { force: true });
  rmSync('common/planted__', { recursive: true, force: true });
}
console.log(
  `import rule: ${real.summary.totalCruised} modules, ${real.summary.violations.length} violations; ${planted.length - missed} of ${planted.length} planted violations noticed`,
);
process.exitCode = real.summary.violations.length + missed > 0 ? 1 : 0;
