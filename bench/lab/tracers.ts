/**
 * perf and bpftrace for the guest, to compare with. They are no part of the sandbox's image: Debian's packages are fetched here, once,
 * and unpacked; the guest gets their files in a folder and runs them from there.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheRoot } from '../../src/core/paths';
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

const FOLDER = '/opt/skua-bench';

export interface Tracers {
  /** Shell commands to which the traced command is appended. */
  readonly perf: string;
  readonly bpftrace: (command: string) => string;
}

/** Throws when the archive cannot be reached and nothing is cached. */
export async function installTracers(guest: Guest): Promise<Tracers> {
  const present = await guest.run(`test -x ${FOLDER}/usr/bin/bpftrace`);
  if (present.code !== 0) await guest.upload(unpacked(), FOLDER);
  const library = `LD_LIBRARY_PATH=${FOLDER}/usr/lib/x86_64-linux-gnu:${FOLDER}/lib/x86_64-linux-gnu`;
  const probes =
    'tracepoint:raw_syscalls:sys_enter /comm == "writes"/ { @since[tid] = nsecs; } ' +
    'tracepoint:raw_syscalls:sys_exit /comm == "writes" && @since[tid]/ ' +
    '{ printf("%d %d %d %d\\n", tid, args->id, args->ret, nsecs - @since[tid]); delete(@since[tid]); }';
  return {
    perf: `${library} ${FOLDER}/usr/bin/perf trace -o /dev/null`,
    bpftrace: (command) =>
      `${library} ${FOLDER}/usr/bin/bpftrace -o /dev/null -e '${probes}' -c "${command}"`,
  };
}

function unpacked(): string {
  const folder = join(cacheRoot(), 'bench-tracers');
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial`;
  const packages = `${folder}.debs`;
  for (const path of [partial, packages]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
  }
  execFileSync('apt-get', ['-q', 'download', ...PACKAGES], {
    cwd: packages,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (const name of readdirSync(packages)) execFileSync('dpkg-deb', ['-x', join(packages, name), partial]);
  for (const path of ['usr/share', 'usr/lib/python3', 'usr/lib/debug'])
    rmSync(join(partial, path), { recursive: true, force: true });
  renameSync(partial, folder);
  rmSync(packages, { recursive: true });
  return folder;
}
