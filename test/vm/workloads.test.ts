/**
 * Programs whose trace is known in every kind of thing that it has: tracepoints of each kind, addresses of sockets, a shared library, user
 * spans over OTLP/HTTP and of Node's jaeger-client; and the same runs through the command line.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTrace } from '../../common/file/skua-file';
import { spansFromOtlp } from '../../common/file/otlp';
import { ATTR, type Span } from '../../common/model/span';
import { REPOSITORY } from './guest';
import { SESSION_GUEST } from './instance';
import { openMachine, trace, type Machine } from './machine';
import { nodeSample } from './nodePackage';
import { closeWithoutTrouble } from './trouble';

const GUEST_SOURCES = join(REPOSITORY, 'test/vm/guest');
let machine: Machine;
/** `events` and its library. */
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skua-workloads-'));
  const flags = ['-O2', '-g', '-Wall', '-Wextra', '-Werror'];
  const include = ['-I', join(REPOSITORY, 'clients/c'), '-I', join(REPOSITORY, 'kernel/include')];
  const library = join(folder, 'libevents.so');
  execFileSync('gcc', [...flags, '-fPIC', '-shared', join(GUEST_SOURCES, 'events_library.c'), '-o', library]);
  execFileSync('gcc', [
    ...[...flags, ...include, join(GUEST_SOURCES, 'events.c'), '-o', join(folder, 'events')],
    ...['-L', folder, '-levents', '-Wl,-rpath,$ORIGIN', '-pthread'],
  ]);
  machine = await openMachine();
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await closeWithoutTrouble(machine);
});

const eventNames = (span: Span | undefined): readonly string[] =>
  [...new Set(span?.events.map(({ name }) => name))].sort();

describe('a program that does everything', () => {
  it('has events of each kind at the spans they belong to, sockets by address, library lines, and its own OTLP span', async () => {
    const run = await trace({
      session: {},
      upload: { kind: 'folder', localPath: folder },
      launch: { program: './events', args: [], env: {}, vdsoSyscalls: false },
    });
    expect(run.error).toBeUndefined();
    expect([run.exit?.code, run.stderr]).toEqual([0, 'in the library\n']);
    const { port, line, pid } = JSON.parse(run.stdout) as { port: number; line: number; pid: number };
    const inTrace = run.spans.filter(({ traceId }) => traceId === '000000000000000000000000000000e1');

    const user = inTrace.filter(({ origin }) => origin === 'user');
    expect(user).toHaveLength(1);
    expect(user[0]).toMatchObject({ name: 'everything', service: 'events', spanId: '00000000000000e2' });
    const kernel = inTrace.filter(({ origin }) => origin === 'kernel');
    for (const span of kernel) {
      expect([span.name, span.parentSpanId, span.service]).toEqual([span.name, '00000000000000e2', 'events']);
      expect(span.attributes[ATTR.pid]).toBe(pid);
    }
    const named = (name: string): readonly Span[] => kernel.filter((span) => span.name === name);
    const somewhere = (names: readonly string[]): ReadonlySet<string> =>
      new Set(
        kernel.filter(({ name }) => names.includes(name)).flatMap(({ events }) => events.map((e) => e.name)),
      );

    // Block devices: direct I/O is issued by the call that asks for it.
    expect(named('pwrite64')).toHaveLength(8);
    expect(somewhere(['pwrite64', 'fsync'])).toContain('block_rq_issue');
    // Network: what is sent on loopback is queued by the sender.
    expect(named('sendto')).toHaveLength(50);
    expect(somewhere(['sendto'])).toContain('net_dev_queue');
    // Page faults: in read() the kernel touches the pages, between calls the program does.
    expect(somewhere(['read'])).toContain('x86_exceptions_page_fault_kernel');
    expect(eventNames(user[0])).toContain('x86_exceptions_page_fault_user');
    // Signals.
    const generated = named('tgkill')[0]?.events.find(({ name }) => name === 'signal_generate');
    expect(generated?.attributes).toMatchObject({ sig: 'SIGUSR1' });
    expect(inTrace.some((span) => eventNames(span).includes('signal_deliver'))).toBe(true);
    // Scheduling: sleeping switches away.
    for (const sleep of named('clock_nanosleep')) expect(eventNames(sleep)).toContain('sched_switch');

    // Sockets.
    const address = `127.0.0.1:${String(port)}`;
    expect(JSON.stringify(named('connect')[0]?.attributes)).toContain(address);
    // Its own one is looked up in /proc, which a busy machine may come to too late.
    const sent = named('sendto').at(-1)?.attributes[ATTR.fdPath];
    expect(sent).toMatch(
      new RegExp(`^socket:\\[\\d+\\] (tcp 127\\.0\\.0\\.1:\\d+ )?→ ${address.replaceAll('.', '\\.')}$`),
    );

    // The library's line, and the program's frames above it.
    const written = named('write').find(
      ({ attributes }) => attributes[ATTR.codeFunction] === 'write_in_library',
    );
    expect(written?.attributes).toMatchObject({
      [ATTR.codeFile]: join(GUEST_SOURCES, 'events_library.c'),
      [ATTR.codeLine]: line,
    });
    expect(written?.attributes[ATTR.codeStacktrace]).toMatch(
      /write_in_library .*events_library\.c:\d+\)\nmain .*events\.c:\d+\)/,
    );

    // What glibc names otherwise is said.
    expect(run.summary?.notes.join('\n')).toMatch(
      /open, creat, fopen → openat.*nanosleep, usleep, sleep → clock_nanosleep/,
    );
    expect(run.summary?.loss).toMatchObject({
      ringBuffer: 0,
      packetsMissing: 0,
      receiver: 0,
      entryLost: 0,
      exitLost: 0,
      unexplained: 0,
    });
  });
});

describe('a Node program with jaeger-client', () => {
  it('has its spans, merged with the system calls of its synchronous code', async () => {
    const sample = mkdtempSync(join(tmpdir(), 'skua-notes-'));
    nodeSample(sample);
    const run = await trace({
      session: { tracepoints: [] },
      upload: { kind: 'folder', localPath: sample, exclude: ['!node_modules'] },
      launch: {
        program: 'node',
        args: ['-r', '@skua/jaeger-client/register', 'notes.js'],
        env: {},
        vdsoSyscalls: false,
      },
    });
    rmSync(sample, { recursive: true });
    expect(run.error).toBeUndefined();
    expect(run.exit).toEqual({ code: 0, signal: null });
    const user = run.spans.filter(({ origin }) => origin === 'user');
    const count = (name: string): number => user.filter((span) => span.name === name).length;
    expect([count('visit'), count('save note'), count('list notes'), count('read note')]).toEqual([
      5, 5, 5, 5,
    ]);
    const visits = new Set(user.filter(({ name }) => name === 'visit').map(({ spanId }) => spanId));
    for (const span of user) {
      expect(span.service).toBe('notes');
      expect(span.name === 'visit' || visits.has(span.parentSpanId ?? span.spanId)).toBe(true);
    }
    const calls = (parent: Span, ...names: readonly string[]): readonly string[] =>
      run.spans
        .filter(({ parentSpanId, name }) => parentSpanId === parent.spanId && names.includes(name))
        .sort((a, b) => (a.startNs < b.startNs ? -1 : 1))
        .map(({ name, status }) => (status.code === 'error' ? `${name} failed` : name));
    for (const span of user) {
      if (span.name === 'save note')
        expect(calls(span, 'openat', 'write', 'fsync', 'close')).toEqual([
          'openat',
          'write',
          'fsync',
          'close',
        ]);
      if (span.name === 'read note') {
        expect(span.status.code).toBe('error');
        expect(calls(span, 'openat', 'read')).toEqual(['openat failed']);
      }
    }
  });
});

describe('skua run', () => {
  interface Result {
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
  }

  /** `onStderr` may interrupt it. */
  function skua(
    args: readonly string[],
    onStderr: (soFar: string, interrupt: () => void) => void = () => undefined,
  ): Promise<Result> {
    const cli = join(REPOSITORY, 'dist/cli.js');
    const child = spawn(
      process.execPath,
      [cli, 'run', '--json', '--target', `sandbox:${SESSION_GUEST}`, ...args],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const out = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      out.stderr += text;
      onStderr(out.stderr, () => child.kill('SIGINT'));
    });
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        resolve({ code, ...out });
      });
    });
  }

  it('ends with 0 and writes the trace, also as lines of OTLP JSON on the target', async () => {
    const file = join(folder, 'first.skua');
    const spansFile = `/tmp/skua-test-${String(process.pid)}/spans.jsonl`;
    const run = await skua([
      ...['--output', file, '--otlp-file', spansFile, '--upload', folder],
      ...['--exclude', '*.skua', '--', './events'],
    ]);
    expect([run.code, run.stderr]).toEqual([0, expect.stringContaining('in the library')]);
    const printed = JSON.parse(run.stdout) as {
      readonly exit: unknown;
      readonly traces: readonly { readonly spanCount: number }[];
    };
    expect(printed).toMatchObject({
      version: 1,
      target: `sandbox:${SESSION_GUEST}`,
      exit: { code: 0, signal: null },
      error: null,
      output: 'first.skua',
      traces: [
        { traceId: '000000000000000000000000000000e1', service: 'events', roots: [{ name: 'everything' }] },
      ],
    });
    const saved = readTrace(readFileSync(file));
    expect(saved.meta).toMatchObject({ title: 'events', exit: { code: 0, signal: null } });
    expect(saved.spans).toHaveLength(printed.traces[0]?.spanCount ?? -1);
    const lines = (await machine.must(`cat ${spansFile}; rm -r ${spansFile.replace(/\/[^/]*$/, '')}`))
      .trim()
      .split('\n');
    const exported = lines.flatMap((line) => spansFromOtlp(JSON.parse(line)).spans);
    expect(new Set(exported.map(({ spanId }) => spanId))).toEqual(
      new Set(saved.spans.map(({ spanId }) => spanId)),
    );
  });

  it('ends with 1 when the program fails', async () => {
    const run = await skua(['--output', 'second.skua', '--tracepoint', 'none', '--', 'sh', '-c', 'exit 7']);
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ exit: { code: 7, signal: null }, error: null });
    expect(readTrace(readFileSync(join(folder, 'second.skua'))).meta.exit).toEqual({ code: 7, signal: null });
  });

  it('stops the program at Ctrl-C, and keeps what was recorded', async () => {
    let interrupted = false;
    const run = await skua(
      [
        '--output',
        'third.skua',
        '--tracepoint',
        'none',
        '--',
        'sh',
        '-c',
        'echo running >&2; exec sleep 600',
      ],
      (soFar, interrupt) => {
        if (interrupted || !soFar.includes('running')) return;
        interrupted = true;
        interrupt();
      },
    );
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ exit: { code: null, signal: 'SIGINT' }, error: null });
    expect(readTrace(readFileSync(join(folder, 'third.skua'))).meta.exit).toEqual({
      code: null,
      signal: 'SIGINT',
    });
  });
});
