/**
 * The kernel module's reading of context records, compiled into user space and fuzzed for a few seconds from a kept corpus. Any
 * verdict that differs from the documented one, and any access beyond the record, ends the fuzzer.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');
const CORPUS = join(REPOSITORY, 'test/fuzz/corpus/record');
const HEADERS = join(REPOSITORY, 'kernel/overlay/src/skua');
const FLAGS = ['-g', '-O1', '-Wall', '-Wextra', '-Werror', '-Wno-unused-function'];

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skua-fuzz-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function build(name: string, headers: string): string {
  const out = join(folder, name);
  const include = ['-I', headers, '-I', join(REPOSITORY, 'kernel/include')];
  const source = join(REPOSITORY, 'test/fuzz/record.c');
  const sanitizers = '-fsanitize=fuzzer,address,undefined';
  execFileSync('clang', [...FLAGS, sanitizers, ...include, source, '-o', out]);
  return out;
}

function fuzz(program: string, runs: number): { readonly status: number | null; readonly said: string } {
  const corpus = mkdtempSync(join(folder, 'corpus-'));
  cpSync(CORPUS, corpus, { recursive: true });
  const options = [`-runs=${String(runs)}`, '-seed=4947', '-max_len=4200', `-artifact_prefix=${folder}/`];
  const { status, stderr } = spawnSync(program, [...options, corpus], { encoding: 'utf8' });
  return { status, said: stderr.slice(-3000) };
}

it('finds no record that is read otherwise than documented', () => {
  expect(readdirSync(CORPUS).length).toBeGreaterThan(10);
  const { status, said } = fuzz(build('fuzz', HEADERS), 300_000);
  expect(status, said).toBe(0);
});

it.each([
  ['size > SKUA_RECORD_MAX_BYTES', 'size > SKUA_RECORD_MAX_BYTES + 1'],
  ['record->valid > 1', 'record->valid > 2'],
  ['size - SKUA_RECORD_HEADER_BYTES', 'size'],
  ['if (!skua_ids_exist(ids))', 'if (!ids->span)'],
])('would find one: %s made wrong is noticed', (right, wrong) => {
  const text = readFileSync(join(HEADERS, 'skua-record.h'), 'utf8');
  const headers = mkdtempSync(join(folder, 'headers-'));
  const spoilt = text.replace(right, wrong);
  expect(spoilt).not.toBe(text);
  writeFileSync(join(headers, 'skua-record.h'), spoilt);
  const { status, said } = fuzz(build('fuzz-wrong', headers), 300_000);
  expect(status, said).not.toBe(0);
});
