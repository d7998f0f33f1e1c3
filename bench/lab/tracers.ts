/**
 * perf and bpftrace for the guest, to compare with. They are no part of the sandbox's image: Debian's packages are fetched here, once,
 * and unpacked into the image of a disk, from which the guest runs them.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheRoot } from '../../src/core/paths';
import { searchPath } from '../../src/core/sandbox/tools';
import type { Guest } from '../../test/vm/guest';

/** With those libraries that the sandbox's image does not have. */
const PACKAGES = [
  'bpftrace',
  'linux-perf',
  ...[
    'libaudit1',
    'libbabeltrace1',
    'libbpf1',
    'libbpfcc',
    'libclang1-14',
    'libedit2',
    'libllvm14',
    'libnuma1',
  ],
  ...['libopencsd1', 'libperl5.36', 'libpython3.11', 'libslang2', 'libtraceevent1', 'libunwind8', 'libz3-4'],
  ...[
    'libbsd0',
    'libmd0',
    'libxml2',
    'libicu72',
    'libtinfo6',
    'libbz2-1.0',
    'libdw1',
    'libcrypt1',
    'libglib2.0-0',
    'libpcre2-8-0',
    'libuuid1',
    'libexpat1',
  ],
];

const DISK_BYTES = 512 * 1024 * 1024;
const FOLDER = '/opt/skua-bench';

export interface Tracers {
  /** perf itself, without a subcommand. */
  readonly perf: string;
  /** Shell commands to which the traced command is appended. */
  readonly perfTrace: string;
  readonly bpftrace: (command: string) => string;
}

/** Makes the disk of `tracersDisk` usable in a guest that was started with it as its only further one. */
export async function mountTracers(guest: Guest): Promise<Tracers> {
  await guest.must(`mkdir -p ${FOLDER} && { mountpoint -q ${FOLDER} || mount -o ro /dev/vdb ${FOLDER}; }`);
  const library = `LD_LIBRARY_PATH=${FOLDER}/usr/lib/x86_64-linux-gnu:${FOLDER}/lib/x86_64-linux-gnu`;
  const perf = `${library} ${FOLDER}/usr/bin/perf`;
  const probes =
    'tracepoint:raw_syscalls:sys_enter /comm == "writes"/ { @since[tid] = nsecs; } ' +
    'tracepoint:raw_syscalls:sys_exit /comm == "writes" && @since[tid]/ ' +
    '{ printf("%d %d %d %d\\n", tid, args->id, args->ret, nsecs - @since[tid]); delete(@since[tid]); }';
  return {
    perf,
    perfTrace: `${perf} trace -o /dev/null`,
    bpftrace: (command) =>
      `${library} ${FOLDER}/usr/bin/bpftrace -o /dev/null -e '${probes}' -c "${command}"`,
  };
}

/**
 * A disk image with both programs. A disk, because sending a quarter of a gigabyte into an emulated guest takes minutes. Throws when the
 * archive cannot be reached and nothing is cached.
 */
export function tracersDisk(): string {
  const disk = join(cacheRoot(), 'bench-tracers.img');
  if (existsSync(disk)) return disk;
  const work = mkdtempSync(join(tmpdir(), 'skua-tracers-'));
  const [packages, folder] = [join(work, 'packages'), join(work, 'files')];
  for (const path of [packages, folder]) mkdirSync(path);
  try {
    execFileSync('apt-get', ['-q', 'download', ...PACKAGES], {
      cwd: packages,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    for (const name of readdirSync(packages)) execFileSync('dpkg-deb', ['-x', join(packages, name), folder]);
    for (const path of ['usr/share', 'usr/lib/x86_64-linux-gnu/perl'])
      rmSync(join(folder, path), { recursive: true, force: true });
    writeFileSync(`${disk}.partial`, '');
    truncateSync(`${disk}.partial`, DISK_BYTES);
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', folder, `${disk}.partial`], {
      env: { ...process.env, PATH: searchPath() },
    });
    renameSync(`${disk}.partial`, disk);
  } finally {
    rmSync(work, { recursive: true });
  }
  return disk;
}
