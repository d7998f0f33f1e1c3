import { describe, expect, it } from 'vitest';
import { SkuaError } from '../../common/base/errors';
import { resolveRun, type ResolvedRun, type Surroundings } from './configuration';
import { parseBufferSize } from './bufferSize';

const FILES = new Map<string, 'file' | 'folder'>([
  ['/ws', 'folder'],
  ['/ws/app', 'file'],
  ['/ws/src', 'folder'],
  ['/other', 'folder'],
]);
const around: Surroundings = {
  folder: '/ws',
  kindOf: (path) => FILES.get(path),
  defaults: { target: 'sandbox', otlpEndpoint: '', openTimeline: true },
};

function resolve(config: Record<string, unknown>, over: Partial<Surroundings> = {}): ResolvedRun {
  return resolveRun({ type: 'skua', request: 'launch', ...config }, { ...around, ...over });
}

function refuse(
  config: Record<string, unknown>,
  code: string,
  message: RegExp,
  over: Partial<Surroundings> = {},
): void {
  let thrown: unknown;
  try {
    resolve(config, over);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(SkuaError);
  const error = thrown as SkuaError;
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
  expect(error.remedy).not.toBe('');
}

describe('resolveRun', () => {
  it('uploads a local program alone', () => {
    expect(resolve({ program: '/ws/app', args: ['-n', '3'] }).options).toEqual({
      target: { kind: 'sandbox', name: 'default' },
      session: {},
      upload: { kind: 'file', localPath: '/ws/app' },
      launch: { program: '/ws/app', args: ['-n', '3'], env: {}, vdsoSyscalls: false },
    });
  });

  it('syncs the folder when there is something to build, also before the program exists', () => {
    const { options } = resolve({ program: '/ws/not-built-yet', build: 'make' });
    expect(options.upload).toEqual({ kind: 'folder', localPath: '/ws', exclude: [] });
    expect(options.build).toBe('make');
    expect(options.launch.program).toBe('/ws/not-built-yet');
  });

  it('leaves a program of the target alone', () => {
    for (const program of ['node', '/usr/bin/env']) {
      expect(resolve({ program }).options.upload).toBeUndefined();
      expect(resolve({ program }).options.launch.program).toBe(program);
    }
  });

  it('takes another folder, without what is excluded', () => {
    const { options } = resolve({ program: 'node', upload: { folder: '../other' }, exclude: ['big'] });
    expect(options.upload).toEqual({ kind: 'folder', localPath: '/other', exclude: ['big'] });
    expect(options.launch.program).toBe('node');
  });

  it('means the file of the synced folder when a bare name is one', () => {
    expect(resolve({ program: 'app', upload: 'folder' }).options.launch.program).toBe('./app');
  });

  it('passes on everything else', () => {
    const resolved = resolve({
      name: 'My run',
      program: 'node',
      target: 'ssh://me@example:2222',
      cwd: '/tmp',
      env: { A: '1' },
      vdsoSyscalls: true,
      tracepoints: ['sched_switch'],
      syscalls: ['write'],
      bufferSize: '16M',
      sourceMap: { '/b': '/ws', '/c': '/other' },
      otlpEndpoint: 'http://127.0.0.1:4318',
      otlpFile: 'spans.jsonl',
      openTimeline: false,
      saveTo: 'out/run.skua',
    });
    expect(resolved).toEqual({
      name: 'My run',
      options: {
        target: { kind: 'ssh', host: 'example', port: 2222, user: 'me' },
        session: {
          tracepoints: ['sched_switch'],
          syscalls: ['write'],
          subbufferBytes: 2 * 1024 * 1024,
          subbuffers: 8,
          otlpEndpoint: 'http://127.0.0.1:4318',
          otlpFile: 'spans.jsonl',
        },
        launch: { program: 'node', args: [], cwd: '/tmp', env: { A: '1' }, vdsoSyscalls: true },
      },
      openTimeline: false,
      saveTo: '/ws/out/run.skua',
      sourceMap: [
        ['/b', '/ws'],
        ['/c', '/other'],
      ],
    });
  });

  it.each([
    [{}, 'config-invalid', /no "program"/],
    [{ program: 3 }, 'config-invalid', /"program" is 3/],
    [{ program: '/ws/nothing' }, 'program-not-found', /\/ws\/nothing does not exist/],
    [{ program: 'bin/nothing' }, 'program-not-found', /\/ws\/bin\/nothing does not exist/],
    [{ program: '/ws/src', upload: 'file' }, 'program-not-found', /is a folder/],
    [{ program: 'a', upload: 'file' }, 'program-not-found', /\/ws\/a does not exist/],
    [{ program: 'a', args: 'x' }, 'config-invalid', /"args" is "x"/],
    [{ program: 'a', env: { A: 1 } }, 'config-invalid', /"env"/],
    [{ program: 'a', build: 'make', upload: 'none' }, 'config-invalid', /"build" needs a folder/],
    [{ program: 'a', upload: 'all' }, 'config-invalid', /"upload" is "all"/],
    [{ program: 'a', upload: { folder: 'nowhere' } }, 'config-invalid', /no folder \/ws\/nowhere/],
    [{ program: 'a', target: 'sandbox:' }, 'config-invalid', /names no target/],
    [{ program: 'a', syscalls: 'write' }, 'config-invalid', /"all" or a list|"syscalls" is "write"/],
    [{ program: 'a', otlpEndpoint: 'localhost:4318' }, 'config-invalid', /otlpEndpoint/],
    [{ program: 'a', saveTo: 'x.json' }, 'config-invalid', /saveTo/],
    [{ program: 'a', vdsoSyscalls: 'yes' }, 'config-invalid', /vdsoSyscalls/],
  ])('refuses %j', (config, code, message) => refuse(config, code, message));

  it('needs no folder for a program of the target, but does for a relative sync', () => {
    const empty = { kindOf: around.kindOf, defaults: around.defaults };
    expect(resolveRun({ program: 'node' }, empty).options.upload).toBeUndefined();
    expect(() => resolveRun({ program: 'a', build: 'make' }, empty)).toThrow(/needs an open folder/);
    expect(() => resolveRun({ program: 'node', saveTo: 'a.skua' }, empty)).toThrow(/no folder is open/);
  });
});

describe('parseBufferSize', () => {
  it.each([
    ['2M', 256 * 1024],
    ['512 KiB', 64 * 1024],
    [32768, 4096],
    [3_000_000, 512 * 1024],
    ['1G', 128 * 1024 * 1024],
  ])('%s', (value, subbufferBytes) =>
    expect(parseBufferSize(value)).toEqual({ subbufferBytes, subbuffers: 8 }),
  );

  it.each(['2T', 'M', '', 100, -1, NaN, null, '2G'])('refuses %j', (value) =>
    expect(() => parseBufferSize(value)).toThrow(/no size between/),
  );
});
