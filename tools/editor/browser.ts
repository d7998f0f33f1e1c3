/** Debian's Chromium (or another given by SKUA_CHROMIUM) driven by playwright-core, headless, without a sandbox or network chatter. */
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function startBrowser(): Promise<Browser> {
  const given = process.env['SKUA_CHROMIUM'];
  const executablePath = given ?? candidates.find((file) => existsSync(file));
  if (executablePath === undefined) {
    throw new Error(
      'No Chromium found: `apt-get install --no-install-recommends chromium fonts-dejavu-core`, or set SKUA_CHROMIUM.',
    );
  }
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
