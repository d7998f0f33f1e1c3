/**
 * How long `npm run demo -- --headless` takes: cold (a fresh clone of HEAD, no npm cache, no image, no modules; only the Debian packages are
 * there) and warm (the same again, its sandbox still running). Writes bench/results/demo.json and ends with 1 when a limit is exceeded.
 * Takes about ten minutes and 4 GB; stop other work first.
 *
 *   npx tsx bench/demo.ts [--keep]        --keep: leave the clone and its caches, for a look
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
/** What the project promises on two cores. */
const LIMIT_SECONDS = { cold: 600, warm: 90 };

interface Phase {
  readonly step: string;
  readonly seconds: number;
}

interface Run {
  readonly seconds: number;
  readonly phases: readonly Phase[];
}

const elapsed = (since: number): number => Math.round((Date.now() - since) / 100) / 10;

/** One run of the demo. Its phases are the lines that say what it is doing: `▸ step` of the scripts and `step …` of the command line. */
async function demo(checkout: string, env: NodeJS.ProcessEnv): Promise<Run> {
  const began = Date.now();
  const phases: Phase[] = [];
  let phase = { step: 'start', began };
  const child = spawn('npm', ['run', '--silent', 'demo', '--', '--headless'], { cwd: checkout, env });
  const next = (step: string): void => {
    if (step === phase.step) return;
    phases.push({ step: phase.step, seconds: elapsed(phase.began) });
    phase = { step, began: Date.now() };
  };
  const seen = { tree: false };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      const text = stripVTControlCharacters(line);
      const step = /^▸ (.*)$/.exec(text)?.[1] ?? /^(\S.*) …$/.exec(text)?.[1];
      if (step !== undefined) next(step);
      if (text.startsWith('trace ')) seen.tree = true;
      process.stderr.write(`${line}\n`);
    });
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0 || !seen.tree)
    throw new Error(`The demo ended with ${String(code)} and printed ${seen.tree ? 'a' : 'no'} tree.`);
  next('end');
  return { seconds: elapsed(began), phases: phases.filter(({ seconds }) => seconds >= 0.5) };
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'skua-demo-'));
  const checkout = join(folder, 'skua');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    XDG_CACHE_HOME: join(folder, 'cache'),
    npm_config_cache: join(folder, 'npm'),
    npm_config_update_notifier: 'false',
  };
  try {
    execFileSync('git', ['clone', '--quiet', '--depth=1', `file://${ROOT}`, checkout]);
    const cold = await demo(checkout, env);
    const warm = await demo(checkout, env);
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: checkout, encoding: 'utf8' }).trim();
    const result = {
      benchmark: 'demo',
      what: 'seconds of `npm run demo -- --headless`; Debian packages were installed before',
      commit,
      machine: { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release(), node: process.version },
      limitSeconds: LIMIT_SECONDS,
      cold,
      warm,
    };
    mkdirSync(join(ROOT, 'bench/results'), { recursive: true });
    writeFileSync(join(ROOT, 'bench/results/demo.json'), `${JSON.stringify(result, undefined, 2)}\n`);
    console.log(
      `cold ${cold.seconds} s (limit ${LIMIT_SECONDS.cold}), warm ${warm.seconds} s (limit ${LIMIT_SECONDS.warm})`,
    );
    if (cold.seconds > LIMIT_SECONDS.cold || warm.seconds > LIMIT_SECONDS.warm) process.exitCode = 1;
  } finally {
    // Fails when it never came so far; there is nothing to stop then.
    spawnSync('node', ['dist/cli.js', 'sandbox', 'stop'], { cwd: checkout, env, stdio: 'ignore' });
    if (!process.argv.includes('--keep')) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

void main();
