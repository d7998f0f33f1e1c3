/** Files that a process has mapped, from the text of /proc/PID/maps. */
export interface MappedFile {
  readonly path: string;
  /** Device and inode: what the path meant when it was mapped. */
  readonly identity: string;
  /** Address of the file's first byte, as far as it is mapped. */
  readonly start: number;
}

/**
 * In the order of first appearance; only files of which the beginning is mapped, each at every address where it is. Deleted files are left
 * out: they cannot be opened by name.
 */
export function mappedFiles(maps: string): readonly MappedFile[] {
  const files: MappedFile[] = [];
  for (const line of maps.split('\n')) {
    const match = /^([0-9a-f]+)-[0-9a-f]+ \S+ 0+ ([0-9a-f]+:[0-9a-f]+ \d+) +(\/.*)$/.exec(line);
    const [, start, identity, path] = match ?? [];
    if (start === undefined || identity === undefined || path === undefined || path.endsWith(' (deleted)'))
      continue;
    // The kernel writes a newline in a path as \012.
    files.push({ path: path.replaceAll('\\012', '\n'), identity, start: parseInt(start, 16) });
  }
  return files;
}
