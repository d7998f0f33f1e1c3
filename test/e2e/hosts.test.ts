/**
 * A host of the user's own: everything that is asked on the way to the first trace, and everything that can be undone or stopped. The
 * host is the guest's real sshd, reached as an alias of ~/.ssh/config with a password; Skua has never been there.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cacheRoot } from '../../src/core/paths';
import { GUEST_USER } from '../../src/core/sandbox/definition';
import { sandboxKeys } from '../../src/core/sandbox/files';
import type { SshConnection } from '../../src/core/ssh/connection';
import { fingerprint } from '../../src/core/ssh/known-hosts';
import { repoRoot } from '../../tools/editor/server';
import { Editor } from './editor';
import { bootBareGuest, COLD_BUILD_MS, kernelComplaints, noGuest } from './guest';
import { findSpan, stageOf } from './timelinePage';

const PASSWORD = 'correct horse';
const HOST = 'build-machine';
const NOT_KNOWN = `The identity of ${HOST} is not known yet`;
const NOT_PREPARED = 'needs to be prepared for kernel tracing';

const root = mkdtempSync(path.join(tmpdir(), 'skua-hosts-'));
/** The person's home: their keys, agent and known hosts must not take part. */
const home = path.join(root, 'home');
const workspace = path.join(root, 'ticker');
let guest: SshConnection;
let editor: Editor;

/** Output of a shell script in the guest, run as the login. */
async function inGuest(script: string): Promise<string> {
  const { code, stdout, stderr } = await guest.run(script, { signal: new AbortController().signal });
  if (code !== 0) throw new Error(`exit ${String(code)}: ${script}\n${stdout.toString()}${stderr}`);
  return stdout.toString().trim();
}

async function launch(name: string): Promise<void> {
  await editor.quickInput('Control+P', `debug ${name}`, (label) => label.startsWith(name));
}

async function typePassword(password: string, prompt: string | RegExp = 'Password for'): Promise<void> {
  const box = editor.page.locator('.quick-input-widget', { hasText: prompt });
  await box.waitFor({ timeout: 60_000 });
  const input = box.locator('input[type="password"]');
  await input.fill(password);
  await input.press('Enter');
}

/** The timeline says in which state its run is; the newest one is in front. */
async function state(text: string, limitMs = 120_000): Promise<void> {
  await editor.timeline().locator('.run-state').filter({ hasText: text }).waitFor({ timeout: limitMs });
}

async function sessionOver(): Promise<void> {
  await editor.page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: 60_000 });
}

async function tidy(): Promise<void> {
  await editor.command('Notifications: Clear All Notifications');
  await editor.command('View: Close All Editors');
}

function debugConsole(text: string | RegExp) {
  return editor.page.locator('.repl').getByText(text).first();
}

beforeAll(async () => {
  cpSync(path.join(repoRoot, 'test/e2e/remote'), workspace, { recursive: true });
  cpSync(path.join(repoRoot, 'clients/c/skua.h'), path.join(workspace, 'skua.h'));
  cpSync(path.join(repoRoot, 'kernel/include/skua_abi.h'), path.join(workspace, 'skua_abi.h'));
  const { ssh, port } = await bootBareGuest();
  guest = ssh;
  await inGuest(
    `echo '${GUEST_USER}:${PASSWORD}' | sudo chpasswd &&
     sudo sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/' /etc/ssh/sshd_config.d/skua.conf &&
     sudo systemctl reload ssh`,
  );
  mkdirSync(path.join(home, '.ssh'), { recursive: true, mode: 0o700 });
  writeFileSync(
    path.join(home, '.ssh/config'),
    `Host ${HOST}\n  HostName 127.0.0.1\n  Port ${port}\n  User ${GUEST_USER}\n  HashKnownHosts no\n`,
  );
  editor = await Editor.open({
    workspace,
    extension: 'checkout',
    settings: {
      'workbench.colorTheme': 'Default Dark Modern',
      'editor.minimap.enabled': false,
      'debug.openDebug': 'neverOpen',
    },
    env: { HOME: home, SSH_AUTH_SOCK: '', XDG_CACHE_HOME: path.dirname(cacheRoot()) },
  });
}, COLD_BUILD_MS);

afterAll(async () => {
  await editor.close();
  await guest.dispose();
  await noGuest();
  rmSync(root, { recursive: true, force: true });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    await editor.screenshot(`failed-hosts-${task.name.replace(/\W+/g, '-')}`);
  await tidy();
});

describe('an SSH host that Skua has never seen', () => {
  it('shows its key’s fingerprint and goes no further when it is not trusted', async () => {
    await launch('Build and trace');
    const dialog = editor.dialog(NOT_KNOWN);
    await dialog.waitFor({ timeout: 60_000 });
    const [, key = ''] = (await sandboxKeys()).host.publicKey.split(' ');
    expect(await dialog.innerText()).toContain(fingerprint(Buffer.from(key, 'base64')));
    await editor.screenshot('host-key');
    await editor.answer(NOT_KNOWN, 'Cancel');
    await editor.toast(/host key of build-machine.*was not confirmed/).waitFor({ timeout: 15_000 });
    await sessionOver();
    expect(existsSync(path.join(home, '.ssh/known_hosts'))).toBe(false);
  });

  it('remembers a trusted key, and says so when no password is right', async () => {
    await launch('Build and trace');
    await editor.answer(NOT_KNOWN, 'Trust and Connect', 60_000);
    await typePassword('guess 1', `Password for ${GUEST_USER}@${HOST}`);
    await typePassword('guess 2', 'That password was not accepted');
    // The same box, asked once more: it is gone in between.
    const box = editor.page.locator('.quick-input-widget', { hasText: 'That password was not accepted' });
    await box.waitFor({ state: 'hidden' });
    await box.waitFor();
    await editor.screenshot('password-again');
    await typePassword('guess 3', 'That password was not accepted');
    const toast = editor.toast(/build-machine.*password/);
    await toast.first().waitFor({ timeout: 30_000 });
    await editor.screenshot('password-refused');
    await sessionOver();
    expect(readFileSync(path.join(home, '.ssh/known_hosts'), 'utf8')).toMatch(
      /^\[127\.0\.0\.1\]:\d+ ssh-ed25519 /,
    );
  });

  it('is left alone when one does not want it prepared', async () => {
    await launch('Build and trace');
    await typePassword(PASSWORD);
    const dialog = editor.dialog(NOT_PREPARED);
    await dialog.waitFor({ timeout: 120_000 });
    await editor.screenshot('prepare-host');
    expect(await dialog.innerText()).toMatch(/Debian.*kernel 6\.[\s\S]*•[\s\S]*Undo Host Preparation/);
    await editor.answer(NOT_PREPARED, 'Cancel');
    await sessionOver();
    await expect.poll(() => editor.page.locator('.notification-toast').count()).toBe(0);
    expect(await inGuest('test ! -e /proc/skua && ! grep -q ^skua /proc/modules && echo untouched')).toBe(
      'untouched',
    );
  });

  it('is prepared after asking; the program is built there and traced', { timeout: 900_000 }, async () => {
    await launch('Build and trace');
    await typePassword(PASSWORD);
    await editor.answer(NOT_PREPARED, 'Prepare Host', 180_000);
    // A new group needs a new login, and passwords are not kept.
    const again = editor.page.locator('.quick-input-widget', { hasText: 'Password for' });
    const ended = editor
      .timeline()
      .locator('.run-state')
      .filter({ hasText: /Live|Ended/ });
    // They are in different frames.
    await Promise.any([again.waitFor({ timeout: 240_000 }), ended.waitFor({ timeout: 240_000 })]);
    if (await again.isVisible()) await typePassword(PASSWORD);
    await state('Ended', 240_000);
    await sessionOver();
    await debugConsole(/cc .*ticker\.c -o ticker/).waitFor();
    await debugConsole('tick 3').waitFor();
    await editor.screenshot('built-on-host');

    await editor.command('View: Toggle Panel Visibility');
    const { x, y } = await findSpan(editor, 'name:write ticks.log is:syscall');
    await editor.page.keyboard.press('Escape');
    await stageOf(editor).click({ position: { x, y } });
    const lines = readFileSync(path.join(workspace, 'ticker.c'), 'utf8').split('\n');
    const expected = lines.findIndex((line) => line.includes('write(file, line')) + 1;
    const active = editor.page
      .locator('.editor-group-container', {
        has: editor.page.locator('.tab.active[data-resource-name="ticker.c"]'),
      })
      .locator('.monaco-editor .margin .line-numbers.active-line-number')
      .first();
    await expect.poll(() => active.innerText(), { timeout: 15_000 }).toBe(String(expected));
  });
});

describe('a run on it', () => {
  it('is stopped by Stop, and what it recorded is kept', async () => {
    await launch('Tick for long');
    await typePassword(PASSWORD);
    await state('Live');
    await debugConsole('tick 10').waitFor({ timeout: 30_000 });
    await editor.page.keyboard.press('Shift+F5');
    await state('Ended', 60_000);
    await sessionOver();
    await debugConsole(/Tick for long was ended by SIGTERM/).waitFor();
    expect(await inGuest('pgrep -xc ticker || true')).toBe('0');
    await editor.skuaIcon().click();
    await editor.page
      .locator('.monaco-list-row[aria-label*="Tick for long"]')
      .first()
      .waitFor({ timeout: 15_000 });
  });

  it('is given up by Cancel while it is prepared, and leaves nothing behind', async () => {
    await launch('Build for long');
    await typePassword(PASSWORD);
    await debugConsole('building').waitFor({ timeout: 60_000 });
    expect(Number(await inGuest("pgrep -fc '[s]leep 4711'"))).toBeGreaterThan(0);
    const progress = editor.toast('Building on build-machine');
    await progress.waitFor();
    await editor.screenshot('building-on-host');
    await progress.getByText('Cancel').click();
    await sessionOver();
    await state('Stopped');
    await editor
      .timeline()
      .getByText('Stopped before the program ran')
      .filter({ visible: true })
      .first()
      .waitFor();
    await editor.screenshot('cancelled');
    await expect.poll(() => inGuest("pgrep -fc '[s]leep 4711' || true"), { timeout: 60_000 }).toBe('0');
  });

  it('ends with the build’s own words when the build fails', async () => {
    await launch('Build in vain');
    await typePassword(PASSWORD);
    await editor.toast(/"make no-such-target" ended with code 2/).waitFor({ timeout: 60_000 });
    await sessionOver();
    await debugConsole(/No rule to make target/).waitFor();
    await editor.screenshot('build-failed');
  });
});

describe('afterwards', () => {
  it('the preparation is undone on request', async () => {
    expect(await inGuest('test -e /proc/skua/context && id -nG $USER | grep -c tracing')).toBe('1');
    await editor.quickInput('F1', '>Skua: Undo Host Preparation', (label) =>
      label.startsWith('Skua: Undo Host Preparation'),
    );
    await editor.quickPick(HOST);
    await editor.screenshot('undo-preparation');
    await editor.answer(`Undo the preparation of ${HOST}?`, 'Undo Preparation');
    await typePassword(PASSWORD);
    await editor.toast(/preparation of build-machine was undone/).waitFor({ timeout: 120_000 });
    expect(await inGuest('test ! -e /proc/skua && ! grep -q ^skua /proc/modules && echo gone')).toBe('gone');
    expect(await inGuest(`getent group tracing | grep -c ${GUEST_USER} || true`)).toBe('0');
  });

  it('Skua’s files are removed on request', async () => {
    expect(await inGuest('test -d ~/.local/share/skua && echo there')).toBe('there');
    await editor.quickInput('F1', '>Skua: Remove Agent', (label) => label.startsWith('Skua: Remove Agent'));
    await editor.quickPick(HOST);
    await editor.answer(`Remove Skua from ${HOST}?`, 'Undo Preparation and Remove');
    // Undoing and removing are two connections.
    await typePassword(PASSWORD);
    await editor.page
      .locator('.quick-input-widget', { hasText: 'Password for' })
      .waitFor({ state: 'hidden' });
    await typePassword(PASSWORD);
    await editor.toast(/agent was removed from build-machine/).waitFor({ timeout: 60_000 });
    expect(await inGuest('test ! -e ~/.local/share/skua && echo gone')).toBe('gone');
  });

  it('the guest’s kernel has not complained', async () => {
    expect(await kernelComplaints()).toEqual([]);
  });
});
