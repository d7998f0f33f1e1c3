/**
 * From a launch configuration, as it stands in launch.json after variables were replaced, to what the core runs. Pure but for the two
 * questions it asks the file system through `Surroundings`.
 */
import path from 'node:path';
import { SkuaError } from '../../common/base/errors';
import type { RunOptions, SourceMap } from '../core/api';
import { parseBufferSize } from './bufferSize';
import { parseTarget } from '../core/target-spec';

export interface Surroundings {
  /** The workspace folder of the configuration, or the only one; absent in an empty window. */
  readonly folder?: string;
  readonly kindOf: (path: string) => 'file' | 'folder' | undefined;
  readonly defaults: {
    readonly target: string;
    readonly otlpEndpoint: string;
    readonly openTimeline: boolean;
  };
}

export interface ResolvedRun {
  readonly name: string;
  readonly options: RunOptions;
  readonly openTimeline: boolean;
  readonly saveTo?: string;
  /** The configuration's own source map; the run's is added when it is known. */
  readonly sourceMap: SourceMap;
}

/** The core leaves out `.git` and `node_modules` by itself. */
const DEFAULT_EXCLUDE: readonly string[] = [];

/** Throws SkuaError `config-invalid` or `program-not-found`, naming the attribute. */
export function resolveRun(config: Readonly<Record<string, unknown>>, around: Surroundings): ResolvedRun {
  const program = text(config, 'program');
  if (program === undefined) {
    throw configInvalid(
      'The launch configuration has no "program".',
      'Add "program": the path of the program to run.',
    );
  }
  const build = text(config, 'build');
  const local = path.resolve(around.folder ?? '/', program);
  const upload = resolveUpload(config, build, program, local, around);
  const cwd = text(config, 'cwd');
  const otlpEndpoint = endpoint(config, around.defaults.otlpEndpoint);
  const otlpFile = text(config, 'otlpFile');
  const saveTo = text(config, 'saveTo');
  const tracepoints = config['tracepoints'] === undefined ? undefined : strings(config, 'tracepoints');
  return {
    name: text(config, 'name') ?? path.basename(program),
    options: {
      target: parseTarget(config['target'] ?? around.defaults.target),
      session: {
        ...(tracepoints === undefined ? {} : { tracepoints }),
        ...syscalls(config),
        ...(config['bufferSize'] === undefined ? {} : parseBufferSize(config['bufferSize'])),
        ...(otlpEndpoint === '' ? {} : { otlpEndpoint }),
        ...(otlpFile === undefined ? {} : { otlpFile }),
      },
      ...(upload === undefined ? {} : { upload }),
      ...(build === undefined ? {} : { build }),
      launch: {
        program: upload === undefined ? program : programIn(upload, program, local, around),
        args: strings(config, 'args'),
        ...(cwd === undefined ? {} : { cwd }),
        env: stringMap(config, 'env'),
        vdsoSyscalls: flag(config, 'vdsoSyscalls', false),
      },
    },
    openTimeline: flag(config, 'openTimeline', around.defaults.openTimeline),
    ...(saveTo === undefined ? {} : { saveTo: traceFile(saveTo, around) }),
    sourceMap: Object.entries(stringMap(config, 'sourceMap')),
  };
}

type Upload = NonNullable<RunOptions['upload']>;

function resolveUpload(
  config: Readonly<Record<string, unknown>>,
  build: string | undefined,
  program: string,
  local: string,
  around: Surroundings,
): Upload | undefined {
  const isFile = around.kindOf(local) === 'file';
  const asked = config['upload'] ?? (build !== undefined ? 'folder' : isFile ? 'file' : 'none');
  if (asked === 'none') {
    if (build !== undefined) {
      throw configInvalid(
        '"build" needs a folder on the target, but "upload" is "none".',
        'Remove "upload", or set it to "folder"; or build on the target yourself.',
      );
    }
    // A relative path can only mean a file that should have been here; on the target it would mean the login folder.
    if (config['upload'] === undefined && program.includes('/') && insideFolder(local, around))
      throw notFound(program, local, around);
    return undefined;
  }
  if (asked === 'file') {
    if (!isFile) throw notFound(program, local, around);
    return { kind: 'file', localPath: local };
  }
  const exclude = config['exclude'] === undefined ? DEFAULT_EXCLUDE : strings(config, 'exclude');
  if (asked === 'folder') {
    if (around.folder === undefined) {
      throw configInvalid(
        '"upload": "folder" needs an open folder.',
        'Open the folder, or name it: "upload": { "folder": "/path" }.',
      );
    }
    return { kind: 'folder', localPath: around.folder, exclude };
  }
  const named = typeof asked === 'object' ? (asked as { folder?: unknown } | null)?.folder : undefined;
  if (typeof named !== 'string' || named === '') {
    throw configInvalid(
      `"upload" is ${JSON.stringify(asked)}.`,
      'Write "file", "folder", "none", or { "folder": "/path" }.',
    );
  }
  const folder = path.resolve(around.folder ?? '/', named);
  if (around.kindOf(folder) !== 'folder')
    throw configInvalid(`There is no folder ${folder} to upload.`, 'Correct "upload".');
  return { kind: 'folder', localPath: folder, exclude };
}

/** A bare name that is no file here is looked up in the target's PATH; a path stays a path. */
function programIn(upload: Upload, program: string, local: string, around: Surroundings): string {
  if (upload.kind === 'file') return local;
  if (!program.includes('/'))
    return around.kindOf(path.resolve(upload.localPath, program)) === 'file' ? `./${program}` : program;
  return program;
}

function insideFolder(local: string, around: Surroundings): boolean {
  return around.folder !== undefined && (local === around.folder || local.startsWith(`${around.folder}/`));
}

function notFound(program: string, local: string, around: Surroundings): SkuaError {
  const folder = around.kindOf(local) === 'folder';
  return new SkuaError({
    code: 'program-not-found',
    message: folder ? `"program" is a folder: ${local}.` : `The program ${local} does not exist.`,
    remedy: folder
      ? 'Name the program inside it.'
      : `Build it first, correct "program" (${JSON.stringify(program)}), or let "build" make it on the target; for a program that is on the target already set "upload": "none".`,
  });
}

function syscalls(config: Readonly<Record<string, unknown>>): {
  readonly syscalls?: 'all' | readonly string[];
} {
  const value = config['syscalls'];
  if (value === undefined) return {};
  if (value === 'all') return { syscalls: 'all' };
  return { syscalls: strings(config, 'syscalls', '"all" or a list of names') };
}

function endpoint(config: Readonly<Record<string, unknown>>, fallback: string): string {
  const value = text(config, 'otlpEndpoint') ?? fallback;
  if (value !== '' && !/^https?:\/\/[^\s/]+/.test(value)) {
    throw configInvalid(
      `"otlpEndpoint" is ${JSON.stringify(value)}.`,
      'Write an address such as "http://127.0.0.1:4318".',
    );
  }
  return value;
}

function traceFile(saveTo: string, around: Surroundings): string {
  const file = path.resolve(around.folder ?? '/', saveTo);
  if (!file.endsWith('.skua'))
    throw configInvalid(`"saveTo" is ${JSON.stringify(saveTo)}.`, 'Trace files end in ".skua".');
  if (around.folder === undefined && !path.isAbsolute(saveTo)) {
    throw configInvalid(
      '"saveTo" is relative, but no folder is open.',
      'Write an absolute path, or open a folder.',
    );
  }
  return file;
}

function text(config: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = config[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string')
    throw configInvalid(`"${name}" is ${JSON.stringify(value)}.`, `"${name}" is a string.`);
  return value;
}

function flag(config: Readonly<Record<string, unknown>>, name: string, fallback: boolean): boolean {
  const value = config[name];
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean')
    throw configInvalid(`"${name}" is ${JSON.stringify(value)}.`, `"${name}" is true or false.`);
  return value;
}

function strings(
  config: Readonly<Record<string, unknown>>,
  name: string,
  form = 'a list of strings',
): readonly string[] {
  const value = config[name];
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) {
    throw configInvalid(`"${name}" is ${JSON.stringify(value)}.`, `"${name}" is ${form}.`);
  }
  return value;
}

function stringMap(
  config: Readonly<Record<string, unknown>>,
  name: string,
): Readonly<Record<string, string>> {
  const value = config[name];
  if (value === undefined) return {};
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    !Object.values(value).every((v) => typeof v === 'string')
  ) {
    throw configInvalid(`"${name}" is ${JSON.stringify(value)}.`, `"${name}" maps strings to strings.`);
  }
  return value as Record<string, string>;
}

function configInvalid(message: string, remedy: string): SkuaError {
  return new SkuaError({ code: 'config-invalid', message, remedy });
}
