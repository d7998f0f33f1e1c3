// Packs dist/ and what belongs to it into skua-VERSION.vsix.  usage: node tools/package.mjs [--out FILE]   (`npm run package` builds first)
//
// The files are those of .vscodeignore, copied to a folder of their own because three of them differ from the checkout's: the README has
// its pictures within it (the editor's page of an extension shows https: and data: pictures only, and there is no public repository to
// link to), package.json loses what only a checkout needs, and the licences of the statically linked libraries are added.
import { createVSIX, listFiles, PackageManager } from '@vscode/vsce';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { brokenLinks } from './markdown-links.mjs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const at = process.argv.indexOf('--out');
const packagePath = resolve(at > 0 ? process.argv[at + 1] : `skua-${version}.vsix`);

for (const needed of [
  'dist/extension.js',
  'dist/cli.js',
  'dist/agent.js',
  'dist/webview/timeline.js',
  'dist/webview/timeline-style.css',
  'dist/native/skua-launch',
  'dist/native/skua-symbols',
  'dist/clients/include/jaegertracing/Tracer.h',
  'dist/clients/lib/libskua_jaegertracing.a',
  'dist/clients/lib/libskua_jaegertracing.so',
]) {
  if (!existsSync(needed)) throw new Error(`${needed} is missing: run \`npm run package\`, which builds it.`);
}

const files = await listFiles({ packageManager: PackageManager.None });
const stray = files.filter(
  (file) =>
    /(^|\/)(node_modules|test|out|\.git)\//.test(file) ||
    /(?<!\.d)\.(ts|tsbuildinfo|map)$/.test(file) ||
    file === 'examples/sample/checkout',
);
if (stray.length > 0)
  throw new Error(`These files do not belong into the package: ${stray.slice(0, 10).join(', ')}`);
const broken = brokenLinks(
  files.filter((file) => file.endsWith('.md')),
  (target) => files.some((file) => file === target || file.startsWith(`${target}/`)),
);
if (broken.length > 0) throw new Error(`Links that lead nowhere in the package:\n${broken.join('\n')}`);

const staged = 'out/package';
rmSync(staged, { recursive: true, force: true });
for (const file of files) cpSync(file, `${staged}/${file}`, { dereference: true });
writeFileSync(`${staged}/README.md`, withPictures(readFileSync('README.md', 'utf8')));
writeFileSync(`${staged}/dist/native/LEGAL.txt`, linkedLicences());
writeFileSync(`${staged}/package.json`, JSON.stringify(manifest(), undefined, 2));
await createVSIX({
  cwd: staged,
  packagePath,
  dependencies: false,
  allowMissingRepository: true,
  rewriteRelativeLinks: false,
});
console.log(`${packagePath}: ${files.length} files`);

function manifest() {
  const all = JSON.parse(readFileSync('package.json', 'utf8'));
  delete all.scripts;
  delete all.devDependencies;
  return all;
}

function withPictures(markdown) {
  return markdown.replace(/(!\[[^\]]*\]\()([^):]+\.png)\)/g, (_, before, path) => {
    return `${before}data:image/png;base64,${readFileSync(path).toString('base64')})`;
  });
}

/** Copyright notices of what tools/build-native.sh links statically, as Debian keeps them. */
function linkedLicences() {
  const packages = [
    'libc6-dev',
    'libdw-dev',
    'zlib1g-dev',
    'liblzma-dev',
    'libbz2-dev',
    'libzstd-dev',
    'gcc-12-base',
  ];
  return packages
    .map((name) => {
      const path = `/usr/share/doc/${name}/copyright`;
      if (!existsSync(path)) throw new Error(`${path} is missing: the package cannot say what it contains.`);
      return `${'='.repeat(20)} ${name} ${'='.repeat(20)}\n\n${readFileSync(path, 'utf8')}`;
    })
    .join('\n\n');
}
