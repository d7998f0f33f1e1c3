/** The command line as a person or a script calls it: what it prints, and its exit codes. Runs are in test/vm/cli.test.ts. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import { writeTrace } from '../../common/file/skua-file';
import type { TraceMeta } from '../../common/file/trace-meta';
import { NO_LOSS } from '../../common/model/loss';
import { ATTR, type Span, type SpanId, type TraceId } from '../../common/model/span';

const CLI = join(import.meta.dirname, '../../dist/cli.js');
const START = 1_795_424_993_395_113_007n;
const TRACE = '0af7651916cd43dd8448eb211c80319c' as TraceId;

let home: string;
let file: string;

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function skua(...args: readonly string[]): Promise<Result> {
  const child = spawn(process.execPath, [CLI, ...args], {
    // No ssh configuration, keys or agent of whoever runs the tests.
    env: { PATH: process.env['PATH'], HOME: home, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: home,
  });
  const out = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => (out[stream] += text));
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, ...out });
    });
  });
}

const common = { traceId: TRACE, service: 'shop', links: [], events: [], status: { code: 'unset' } } as const;
const spans: readonly Span[] = [
  {
    ...common,
    spanId: '00000000000000a1' as SpanId,
    name: 'request',
    kind: 'server',
    origin: 'user',
    startNs: ns(START),
    endNs: ns(START + 1_000_000n),
    attributes: {},
  },
  {
    ...common,
    spanId: '00000000000000b1' as SpanId,
    parentSpanId: '00000000000000a1' as SpanId,
    name: 'openat',
    kind: 'internal',
    origin: 'kernel',
    startNs: ns(START + 1000n),
    endNs: ns(START + 13_000n),
    status: { code: 'error', message: 'ENOENT' },
    attributes: {
      [ATTR.syscallRet]: -1,
      [ATTR.syscallErrno]: 'ENOENT',
      [ATTR.syscallArgs]: ['dfd', 'filename'],
      [`${ATTR.syscallArgPrefix}dfd`]: -100,
      [`${ATTR.syscallArgPrefix}filename`]: '/tmp/x',
      [ATTR.codeFile]: '/src/main.cpp',
      [ATTR.codeLine]: 50,
    },
  },
];
const meta: TraceMeta = {
  title: 'checkout',
  skuaVersion: '0.1.0',
  target: 'sandbox',
  kernelRelease: '6.1.0-56-cloud-amd64',
  exit: { code: 3, signal: null },
  summary: {
    loss: NO_LOSS,
    syscallSpans: 1,
    userSpans: 1,
    traces: 1,
    controlSyscalls: 2,
    notes: ['gettimeofday did not enter the kernel.'],
    clockErrorNs: 1500,
  },
  loss: { ...NO_LOSS, ringBuffer: 12 },
};

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'skua-cli-'));
  file = join(home, 'saved.skua');
  writeFileSync(file, writeTrace({ meta, spans }));
});
afterAll(() => {
  rmSync(home, { recursive: true });
});

describe('skua show', () => {
  it('prints the tree, how the program ended, notes and losses', async () => {
    const { code, stdout, stderr } = await skua('show', file);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      'checkout  sandbox, 6.1.0-56-cloud-amd64',
      `trace ${TRACE}  shop  1 ms  2 spans, 1 system call`,
      '└─ request  1 ms',
      '   └─ openat(dfd=-100, filename="/tmp/x") = -1 ENOENT  12 µs  /src/main.cpp:50',
      '',
      'program exited with code 3',
      '1 traces, 1 user spans, 1 system calls; kernel and user clocks agree within 1.5 µs',
      'note: gettimeofday did not enter the kernel.',
      'lost: 12 events',
      '  12 events lost in full kernel buffers. Make the buffers larger (--buffer-bytes, "bufferSize") or trace fewer tracepoints and system calls.',
      '',
    ]);
  });

  it.each([[['show', '--json']], [['--json', 'show']]])('%j prints one document', async (command) => {
    const { code, stdout, stderr } = await skua(...command, file);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      meta: { title: 'checkout', summary: { notes: meta.summary?.notes }, loss: { ringBuffer: 12 } },
      traces: [
        {
          traceId: TRACE,
          syscallCount: 1,
          roots: [
            {
              name: 'request',
              startNs: String(START),
              durationNs: '1000000',
              children: [{ name: 'openat', attributes: { [ATTR.codeLine]: 50 } }],
            },
          ],
        },
      ],
    });
  });

  it('ends with 4 when the file is not there, or is no trace', async () => {
    const garbage = join(home, 'garbage.skua');
    writeFileSync(garbage, 'not a trace');
    const missing = await skua('show', join(home, 'none.skua'));
    expect([missing.code, missing.stdout]).toEqual([4, '']);
    expect(missing.stderr).toContain('[file-invalid]');
    const wrong = await skua('show', '--json', garbage);
    expect(wrong.code).toBe(4);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'file-invalid' } });
  });
});

describe('wrong usage', () => {
  it.each([
    [['run']],
    [['frobnicate']],
    [['run', '--no-such-option', '--', 'ls']],
    [['doctor', '--target', 'a b']],
    [['run', '--buffers', '-1', '--', 'ls']],
    [['run', '--env', 'NOVALUE', '--', 'ls']],
    [['sandbox', 'start', 'Not A Name']],
  ])('%j ends with 2 and says why', async (args) => {
    const plain = await skua(...args);
    expect([plain.code, plain.stdout]).toEqual([2, '']);
    expect(plain.stderr).toMatch(/error: /);
    const [command = '', ...rest] = args;
    const json = await skua(command, '--json', ...rest);
    expect(json.code).toBe(2);
    const { error } = JSON.parse(json.stdout) as { error: { code: string; message: string } };
    expect(error.code).toBe('config-invalid');
    expect(error.message).not.toMatch(/^error:|^$/);
  });

  it('help and version are no errors', async () => {
    expect(await skua('--version')).toMatchObject({ code: 0 });
    const help = await skua('run', '--help', '--json');
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toContain('--otlp-file');
  });
});

describe('a target that cannot be reached', () => {
  it('ends with 3, and is named as in the README', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));

    const doctor = await skua('doctor', '--target', `me@127.0.0.1:${String(port)}`);
    expect([doctor.code, doctor.stdout]).toEqual([3, '']);
    expect(doctor.stderr).toContain('[host-unreachable]');
    const run = await skua('run', '--json', '--target', `ssh://me@127.0.0.1:${String(port)}`, '--', 'ls');
    expect(run.code).toBe(3);
    expect(JSON.parse(run.stdout)).toMatchObject({ error: { code: 'host-unreachable' } });
  });
});
