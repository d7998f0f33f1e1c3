// Draws media/icon.png (256 × 256) from media/icon.svg with Chromium.  usage: node tools/media/icon.mjs
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { register } from 'tsx/cjs/api';

register();
const require = createRequire(import.meta.url);
const { startBrowser } = require('../editor/browser.ts');
const browser = await startBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 256, height: 256 } });
  await page.setContent(
    `<style>body{margin:0}svg{display:block}</style>${readFileSync('media/icon.svg', 'utf8')}`,
  );
  await page.screenshot({ path: 'media/icon.png', omitBackground: true });
} finally {
  await browser.close();
}
