import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tarArchive, type TarEntry } from './tar';

describe('tarArchive', () => {
  it('is what the system’s tar unpacks: contents, modes, links, long names', () => {
    const folder = mkdtempSync(join(tmpdir(), 'skua-tar-'));
    const long = `${'deep-folder-name/'.repeat(12)}file with ümlaut.txt`;
    const entries: TarEntry[] = [
      { kind: 'file', path: 'run.sh', mode: 0o755, data: Buffer.from('#!/bin/sh\n') },
      { kind: 'file', path: 'empty', mode: 0o644, data: Buffer.alloc(0) },
      { kind: 'file', path: 'a/block', mode: 0o600, data: Buffer.alloc(512, 1) },
      { kind: 'file', path: long, mode: 0o644, data: Buffer.alloc(1000, 'x') },
      { kind: 'symlink', path: 'link', target: 'run.sh' },
      { kind: 'symlink', path: 'longlink', target: 't'.repeat(150) },
    ];
    execFileSync('tar', ['-xf', '-', '-C', folder], { input: Buffer.concat([...tarArchive(entries)]) });
    for (const entry of entries) {
      const path = join(folder, entry.path);
      if (entry.kind === 'symlink') {
        expect(lstatSync(path).isSymbolicLink()).toBe(true);
        expect(readlinkSync(path)).toBe(entry.target);
      } else {
        expect(readFileSync(path).equals(Buffer.from(entry.data))).toBe(true);
        expect(statSync(path).mode & 0o777).toBe(entry.mode);
      }
    }
  });
});
