// Bundles every runtime into dist/, one bundle per runtime with its own target.  usage: node tools/build.mjs [--watch] [--dev]
import { build, context } from 'esbuild';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const watch = process.argv.includes('--watch');
const dev = watch || process.argv.includes('--dev');
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

const common = {
  bundle: true,
  sourcemap: dev ? 'inline' : 'linked',
  minify: !dev,
  keepNames: true, // stack traces in the log stay readable
  legalComments: 'linked',
  logLevel: 'warning',
  define: { SKUA_VERSION: JSON.stringify(version) },
};

/** ssh2 loads two native add-ons when they are there and works without; a bundle cannot carry them. */
const withoutNativeAddons = {
  name: 'without-native-addons',
  setup(b) {
    b.onResolve({ filter: /(\.node|^cpu-features)$/ }, (args) => ({ path: args.path, namespace: 'absent' }));
    b.onLoad({ filter: /.*/, namespace: 'absent' }, (args) => ({
      contents: `throw new Error(${JSON.stringify(args.path)} + ' is not bundled')`,
    }));
  },
};

const node = { ...common, platform: 'node', format: 'cjs', plugins: [withoutNativeAddons] };
const bundles = [
  {
    ...node,
    entryPoints: ['src/extension.ts'],
    outfile: 'dist/extension.js',
    target: 'node20',
    external: ['vscode'],
  },
  {
    ...node,
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/cli.js',
    target: 'node20',
    banner: { js: '#!/usr/bin/env node' },
  },
  { ...node, entryPoints: ['remote-agent/main.ts'], outfile: 'dist/agent.js', target: 'node18' },
  {
    ...common,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    entryPoints: { timeline: 'webview/main.ts', 'timeline-style': 'webview/timeline.css' },
    outdir: 'dist/webview',
  },
].filter((b) => [b.entryPoints].flat().every((e) => typeof e === 'object' || existsSync(e)));

mkdirSync('dist', { recursive: true });
if (watch) {
  for (const b of bundles) await (await context(b)).watch();
} else {
  const inputs = [];
  for (const b of bundles) {
    const { metafile } = await build({ ...b, metafile: true });
    inputs.push(...Object.keys(metafile.inputs));
  }
  writeFileSync('dist/npm-packages.LEGAL.txt', licenceTexts(inputs));
  if (existsSync('dist/cli.js')) chmodSync('dist/cli.js', 0o755);
}

/** Name, version, licence and licence text of every npm package that a bundle contains a file of. */
function licenceTexts(files) {
  const folders = new Set(files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]));
  folders.delete(undefined);
  const parts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
    const texts = readdirSync(folder)
      .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
      .map((file) => readFileSync(`${folder}/${file}`, 'utf8').trim());
    return `${name} ${version} (${license ?? 'see below'})\n\n${texts.join('\n\n')}\n`;
  });
  return parts.sort().join(`\n${'='.repeat(80)}\n\n`);
}
