/**
 * From the path a compiler recorded to a file that the editor can open. Pure: the file system is asked through `exists`.
 *
 * Tried in this order, the first existing file wins:
 *   1. the launch configuration's `sourceMap`
 *   2. the run's own map: remote work folder → local folder of the upload
 *   3. the setting `skua.sourceMap` (what "Pick File…" remembered)
 *   4. the path as it is (a program built on this machine)
 *   5. workspace folders, by the longest suffix of the path that exists below one of them
 * A prefix ends at a path separator: `/build/app` maps `/build/app/a.c`, never `/build/application/a.c`.
 */
import type { SourceMap } from '../core/api';

export interface MappingInput {
  /** Pairs of prefixes in the order they are to be tried (steps 1 to 3 joined). */
  readonly sourceMap: SourceMap;
  /** Local folders of the workspace. */
  readonly folders: readonly string[];
  readonly exists: (path: string) => boolean | Promise<boolean>;
}

/** Returns the local path, or undefined when nothing that exists matches. */
export async function mapSource(recorded: string, input: MappingInput): Promise<string | undefined> {
  const path = normalize(recorded);
  for (const [from, to] of input.sourceMap) {
    const mapped = replacePrefix(path, from, to);
    if (mapped !== undefined && (await input.exists(mapped))) return mapped;
  }
  if (path.startsWith('/') && (await input.exists(path))) return path;
  return longestSuffix(path, input);
}

/**
 * The mapping that makes `recorded` open `picked`: both without the parts their ends have in common, so that neighbours of the file are
 * found as well. Returns undefined when not even the file names agree (then only the file itself can be mapped: `[recorded, picked]`).
 */
export function mappingFor(recorded: string, picked: string): readonly [string, string] {
  const from = normalize(recorded).split('/');
  const to = normalize(picked).split('/');
  let common = 0;
  while (
    common < Math.min(from.length, to.length) - 1 &&
    from[from.length - 1 - common] === to[to.length - 1 - common]
  ) {
    common += 1;
  }
  // At least one named folder must remain on each side: a mapping of "/" would catch every path.
  while (common > 0 && (isRoot(from.slice(0, -common)) || isRoot(to.slice(0, -common)))) common -= 1;
  if (common === 0) return [from.join('/'), to.join('/')];
  return [from.slice(0, -common).join('/'), to.slice(0, -common).join('/')];
}

const isRoot = (segments: readonly string[]): boolean => segments.every((segment) => segment === '');

async function longestSuffix(path: string, input: MappingInput): Promise<string | undefined> {
  const segments = path.split('/').filter((segment) => segment !== '');
  for (let start = 0; start < segments.length; start += 1) {
    const suffix = segments.slice(start);
    for (const folder of input.folders) {
      const direct = [trimEnd(folder), ...suffix].join('/');
      if (await input.exists(direct)) return direct;
    }
  }
  return undefined;
}

function replacePrefix(path: string, from: string, to: string): string | undefined {
  const prefix = trimEnd(normalize(from));
  if (path === prefix) return to;
  return path.startsWith(`${prefix}/`) ? trimEnd(to) + path.slice(prefix.length) : undefined;
}

/** Removes `.` and resolves `..` as far as it can; compilers record paths such as `/src/build/../a.c`. */
export function normalize(path: string): string {
  const out: string[] = [];
  for (const segment of path.replaceAll('\\', '/').split('/')) {
    if (segment === '.' || (segment === '' && out.length > 0)) continue;
    if (segment === '..' && out.length > 0 && out[out.length - 1] !== '..') {
      if (out.length > 1 || out[0] !== '') out.pop();
    } else {
      out.push(segment);
    }
  }
  return out.length === 1 && out[0] === '' ? '/' : out.join('/');
}

const trimEnd = (path: string): string => (path.length > 1 ? path.replace(/\/+$/, '') : path);
