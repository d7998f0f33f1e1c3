// Checks the import rule (.dependency-cruiser.cjs, and the includes of the C and C++ clients), then proves that it can fail: planted
// violations, at least one of each rule, must be reported.
import { cruise } from 'dependency-cruiser';
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const rooms = ['common', 'src', 'webview', 'remote-agent', 'clients/node'];
const options = await extractOptions('./.dependency-cruiser.cjs');
const tsConfig = extractTSConfig('tsconfig.depcruise.json');

async function violations(paths) {
  const { output } = await cruise(paths, { ...options, validate: true }, undefined, { tsConfig });
  return output;
}

/**
 * Includes of clients/c and clients/cpp that lead out of clients/, other than to the ABI header. Quoted ones are looked up as the
 * compiler does with the -I of their Makefile; one that is not found there leads elsewhere.
 */
function strayIncludes() {
  const lookIn = ['clients/cpp/include', 'clients/cpp/src', 'clients/c'];
  const sources = ['clients/c', 'clients/cpp'].flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => /\.(c|h|cpp)$/.test(name))
      .map((name) => join(folder, name)),
  );
  return sources.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)]
      .map(([, included]) => included)
      .filter((included) => {
        const paths = [dirname(file), ...lookIn].map((folder) => join(folder, included));
        return (
          !/^(\.\.\/\.\.\/kernel\/include\/)?skua_abi\.h$/.test(included) &&
          !paths.some((path) => path.startsWith('clients/') && existsSync(path))
        );
      })
      .map((included) => `${file} → ${included}`),
  );
}

const api = "import { DEFAULT_SESSION } from '../src/core/api';\nexport const x = DEFAULT_SESSION;\n";
/** [file, text, the rule that must report it] */
const planted = [
  [
    'common/planted__a.ts',
    "import { readFileSync } from 'node:fs';\nexport const x = readFileSync;\n",
    'common-imports-itself-only',
  ],
  [
    'common/planted__b.ts',
    "import * as v from 'vscode';\nexport const x = v;\n",
    'common-imports-itself-only',
  ],
  ['remote-agent/planted__a.ts', api, 'agent-imports-common-and-node'],
  [
    'remote-agent/planted__b.ts',
    "import * as verbs from './host/verbs';\nexport const x = verbs;\n",
    'privilege-in-host-only',
  ],
  [
    'webview/planted__a.ts',
    "import { cpus } from 'node:os';\nexport const x = cpus;\n",
    'webview-uses-no-node-builtin',
  ],
  ['webview/planted__b.ts', api, 'webview-imports-common-only'],
  [
    'webview/planted__c.ts',
    "import * as t from '@vscode/webview-ui-toolkit';\nexport const x = t;\n",
    'toolkit-behind-one-file',
  ],
  [
    'src/planted__a.ts',
    "import * as run from '../remote-agent/base/run';\nexport const x = run;\n",
    'src-imports-common',
  ],
  [
    'src/planted__b.ts',
    "import { EXIT } from './cli/exit-codes';\nexport const x = EXIT;\n",
    'core-knows-no-cli',
  ],
  [
    'src/core/planted__.ts',
    "import * as v from 'vscode';\nexport const x = v;\n",
    'core-and-cli-know-no-editor',
  ],
  ['clients/node/planted__.ts', api.replace('../', '../../'), 'clients-know-nothing-of-the-app'],
  [
    'common/planted__c.ts',
    "import { y } from './planted__d';\nexport const x = (): unknown => y;\n",
    'no-cycles',
  ],
  [
    'common/planted__d.ts',
    "import { x } from './planted__c';\nexport const y = (): unknown => x;\n",
    'no-cycles',
  ],
  ['src/planted__c.ts', "import { x } from './nowhere';\nexport const y = x;\n", 'resolvable'],
];
const plantedInclude = ['clients/c/planted__.h', '#include "../../remote-agent/native/symbols/symbols.h"\n'];

const real = await violations(rooms);
for (const v of real.summary.violations) console.error(`${v.rule.name}: ${v.from} → ${v.to}`);
const stray = strayIncludes();
for (const include of stray) console.error(`clients-know-nothing-of-the-app: ${include}`);
if (real.summary.totalCruised < 20)
  throw new Error(`Only ${real.summary.totalCruised} modules were read: the checker sees nothing.`);

const unproven = options.ruleSet.forbidden.filter(({ name }) => !planted.some(([, , rule]) => rule === name));
let missed = unproven.length;
for (const { name } of unproven) console.error(`No violation of ${name} is planted here.`);
try {
  for (const [path, text] of [...planted, plantedInclude]) writeFileSync(path, text);
  const found = (await violations(planted.map(([path]) => path))).summary.violations;
  for (const [path, , rule] of planted) {
    // A cycle is reported from one of its ends.
    const ends = (v) => [v.from, ...(rule === 'no-cycles' ? [v.to] : [])];
    if (found.some((v) => v.rule.name === rule && ends(v).includes(path))) continue;
    missed += 1;
    console.error(`The planted violation of ${rule} in ${path} was not noticed.`);
  }
  if (strayIncludes().length !== stray.length + 1) {
    missed += 1;
    console.error(`The planted include in ${plantedInclude[0]} was not noticed.`);
  }
} finally {
  for (const [path] of [...planted, plantedInclude]) rmSync(path, { force: true });
}
const wrong = real.summary.violations.length + stray.length;
console.log(
  `import rule: ${real.summary.totalCruised} modules, ${wrong} violations; ${planted.length + 1 - missed} of ${planted.length + 1} planted violations noticed`,
);
process.exitCode = wrong + missed > 0 ? 1 : 0;
