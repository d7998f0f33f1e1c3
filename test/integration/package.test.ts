/** `npm run package`: what is in the .vsix, and that it is refused when something is missing. The bundles of dist/ must have been built. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { brokenLinks } from '../../tools/markdown-links.mjs';

const ROOT = join(import.meta.dirname, '../..');
const SCRIPT = join(ROOT, 'tools/package.mjs');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-package-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('the .vsix', () => {
  let extension: string;
  let files: readonly string[];

  beforeAll(() => {
    const vsix = join(folder, 'skua.vsix');
    execFileSync(process.execPath, [SCRIPT, '--out', vsix], { cwd: ROOT, stdio: 'pipe' });
    execFileSync('python3', ['-m', 'zipfile', '-e', vsix, join(folder, 'unpacked')]);
    extension = join(folder, 'unpacked/extension');
    files = readdirSync(extension, { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(join(extension, name)).isFile(),
    );
  });

  it('has what the extension runs, what goes to a target, the sample with its data, documents and licences', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        ...[
          'dist/extension.js',
          'dist/agent.js',
          'dist/cli.js',
          'dist/webview/timeline.js',
          'dist/native/skua-symbols',
        ],
        ...[
          'dist/native/skua-launch',
          'dist/clients/lib/libskua_jaegertracing.so',
          'clients/node/register.js',
        ],
        ...['kernel/build.sh', 'kernel/UPSTREAM', 'kernel/patches/0001-sessions-named-skua.patch'],
        ...[
          'examples/sample/checkout.cpp',
          'examples/sample/data/prices.csv',
          'examples/sample/data/coupons/SPRING',
        ],
        ...[
          'docs/protocol.md',
          'docs/images/timeline-dark.png',
          'LICENSES/GPL-2.0-only.txt',
          'LICENSES/LGPL-2.1-only.txt',
        ],
        ...['dist/npm-packages.LEGAL.txt', 'dist/native/LEGAL.txt'],
      ]),
    );
  });

  it('has nothing that was built or recorded by the way', () => {
    expect(
      files.filter((name) =>
        /(^|\/)(test|node_modules|checkout|journal\.[^/]*|[^/]*\.(map|skua))$/.test(name),
      ),
    ).toEqual([]);
    const manifest = JSON.parse(readFileSync(join(extension, 'package.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(manifest).not.toHaveProperty('devDependencies');
    expect(existsSync(join(extension, String(manifest['main'])))).toBe(true);
  });

  it('has no dead links, and the README its pictures within', () => {
    const markdown = files.filter((name) => name.endsWith('.md')).map((name) => join(extension, name));
    expect(markdown.length).toBeGreaterThan(15);
    // The packer renames these two.
    const renamed = new Map([
      [join(extension, 'README.md'), 'readme.md'],
      [join(extension, 'CHANGELOG.md'), 'changelog.md'],
    ]);
    expect(
      brokenLinks(markdown, (path) => existsSync(join(dirname(path), renamed.get(path) ?? basename(path)))),
    ).toEqual([]);
    const pictures = readFileSync(join(extension, 'readme.md'), 'utf8').match(/!\[[^\]]*\]\([^)]{0,30}/g);
    expect(pictures?.length).toBeGreaterThan(0);
    for (const picture of pictures ?? []) expect(picture).toMatch(/\(data:image\/png;base64,/);
  });
});

describe('packing', () => {
  const NEEDED = [
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
  ];

  it.each([
    'dist/native/skua-launch',
    'dist/native/skua-symbols',
    'dist/clients/lib/libskua_jaegertracing.so',
  ])('is refused without %s', (missing) => {
    const checkout = mkdtempSync(join(folder, 'checkout-'));
    writeFileSync(join(checkout, 'package.json'), '{"name":"skua","version":"0.0.1"}');
    for (const file of NEEDED.filter((name) => name !== missing)) {
      mkdirSync(join(checkout, dirname(file)), { recursive: true });
      writeFileSync(join(checkout, file), '');
    }
    const { status, stderr } = spawnSync(process.execPath, [SCRIPT], { cwd: checkout, encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(stderr).toContain(`${missing} is missing`);
    expect(readdirSync(checkout).some((name) => name.endsWith('.vsix'))).toBe(false);
  });
});
