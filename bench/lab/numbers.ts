/** Summaries of repeated measurements, and where results go. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../../test/vm/guest';
import type { GuestKind } from './guest';

export interface Summary {
  readonly median: number;
  /** Quartiles: half of the measurements lie between them. */
  readonly q1: number;
  readonly q3: number;
  readonly n: number;
}

/** Value below which the fraction `p` of the sorted values lies, interpolated. NaN without values. */
export function quantile(sorted: readonly number[], p: number): number {
  const at = (sorted.length - 1) * p;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: rounded(quantile(sorted, 0.5)),
    q1: rounded(quantile(sorted, 0.25)),
    q3: rounded(quantile(sorted, 0.75)),
    n: values.length,
  };
}

/** Four significant digits: no measurement here has more. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export function machine(): Readonly<Record<string, string | number>> {
  const qemu = execFileSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '';
  return {
    cpu: cpus()[0]?.model ?? '',
    cpus: cpus().length,
    node: process.version,
    qemu,
    source: execFileSync('git', ['-C', REPOSITORY, 'describe', '--always', '--dirty'], {
      encoding: 'utf8',
    }).trim(),
    date: new Date().toISOString(),
  };
}

/** What a benchmark's result begins with. Without both halves, that of the last run keeps its other one. */
export function beginResult(name: string, kinds: readonly GuestKind[]): Record<string, unknown> {
  const file = join(REPOSITORY, 'bench/results', `${name}.json`);
  const last =
    kinds.length > 1 || !existsSync(file) ? {} : (JSON.parse(readFileSync(file, 'utf8')) as object);
  return { ...last, machine: machine() };
}

export function writeResult(name: string, result: object): void {
  const folder = join(REPOSITORY, 'bench/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}
