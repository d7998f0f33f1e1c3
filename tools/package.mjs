// Packs dist/ and what belongs to it into skua-VERSION.vsix.  usage: node tools/package.mjs [--out FILE]   (after `npm run build`)
import { existsSync, readFileSync } from 'node:fs';
import { createVSIX, listFiles } from '@vscode/vsce';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const at = process.argv.indexOf('--out');
const packagePath = at > 0 ? process.argv[at + 1] : `skua-${version}.vsix`;

for (const needed of [
  'dist/extension.js',
  'dist/cli.js',
  'dist/agent.js',
  'dist/webview/timeline.js',
  'dist/webview/timeline-style.css',
]) {
  if (!existsSync(needed)) throw new Error(`${needed} is missing: run \`npm run build\` first.`);
}
const files = await listFiles({ packageManager: 0 });
const stray = files.filter(
  (file) => /(^|\/)(node_modules|test|out|\.git)\//.test(file) || /\.(ts|tsbuildinfo)$/.test(file),
);
if (stray.length > 0)
  throw new Error(`These files do not belong into the package: ${stray.slice(0, 10).join(', ')}`);
// There is no public repository to rewrite the README's relative links to.
await createVSIX({
  packagePath,
  dependencies: false,
  allowMissingRepository: true,
  rewriteRelativeLinks: false,
});
console.log(`${packagePath}: ${files.length} files`);
