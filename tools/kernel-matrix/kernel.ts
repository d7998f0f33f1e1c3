/** A kernel of Debian's archive, unpacked: its image, headers, and an initrd that boots the sandbox's disk with it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureImage } from '../../src/core/sandbox/build';
import { quietContext } from './context';
import { cpioArchive, type CpioEntry } from './cpio';

export interface Kernel {
  readonly release: string;
  readonly packageVersion: string;
  /** Folder with its headers, below the folder that the packages were unpacked into. */
  readonly headers: string;
  readonly image: string;
  readonly initrd: string;
}

/** What stands between a kernel and the sandbox: its disk, its file system and its network. Built in or modules, as it may be. */
const NEEDED = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_rng', 'crc32c_generic', 'ext4'];

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for m in /mods/*.ko; do /bin/busybox insmod "$m"; done
n=0
while [ ! -b /dev/vda ]; do
  n=$((n + 1))
  [ "$n" -gt 500 ] && { echo 'skua: no disk /dev/vda'; /bin/busybox poweroff -f; }
  /bin/busybox usleep 10000
done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /root || { echo 'skua: /dev/vda cannot be mounted'; /bin/busybox poweroff -f; }
/bin/busybox umount /proc
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
`;

export async function fetchKernel(release: string, work: string): Promise<Kernel> {
  const packages = packagesOf(release);
  const root = join(work, 'root');
  mkdirSync(root);
  execFileSync('apt-get', ['-qq', 'download', ...packages], {
    cwd: work,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for (const file of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
    execFileSync('dpkg-deb', ['-x', join(work, file), root]);
  }
  const initrd = join(work, 'initrd.img');
  const { rootfs } = await ensureImage(quietContext());
  const busybox = readFileSync(join(rootfs, 'bin/busybox'));
  writeFileSync(initrd, initrdArchive(busybox, moduleFiles(join(root, 'lib/modules', release))));
  const show = execFileSync('apt-cache', ['show', packages[0] ?? ''], { encoding: 'utf8' });
  return {
    release,
    packageVersion: /^Version: (\S+)$/m.exec(show)?.[1] ?? 'unknown',
    headers: join(root, 'usr/src', `linux-headers-${release}`),
    image: join(root, 'boot', `vmlinuz-${release}`),
    initrd,
  };
}

/** The kernel, its headers, and what those need. */
function packagesOf(release: string): readonly string[] {
  const headers = `linux-headers-${release}`;
  const show = execFileSync('apt-cache', ['show', headers], { encoding: 'utf8' });
  const depends = /^Depends: (.*)$/m.exec(show)?.[1] ?? '';
  const more = depends.match(/linux-(?:headers-[^ ,]*-common(?:-rt)?|kbuild-[^ ,]*)/g) ?? [];
  return [`linux-image-${release}`, headers, ...more];
}

/** The modules of NEEDED and what they need, in the order of loading, unpacked. What is not a module is built in. */
function moduleFiles(folder: string): readonly { readonly name: string; readonly data: Buffer }[] {
  const paths = new Map<string, string>();
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const name = /([^/]+)\.ko(?:\.xz)?$/.exec(path)?.[1];
    if (name !== undefined) paths.set(name.replaceAll('-', '_'), join(folder, path));
  }
  const loaded = new Map<string, Buffer>();
  const visit = (name: string): void => {
    const path = paths.get(name);
    if (path === undefined || loaded.has(name)) return;
    const data = path.endsWith('.xz')
      ? execFileSync('xz', ['-dc', path], { maxBuffer: 64 * 1024 * 1024 })
      : readFileSync(path);
    const depends = /\0depends=([^\0]*)\0/.exec(data.toString('latin1'))?.[1] ?? '';
    for (const dependency of depends.split(',').filter(Boolean)) visit(dependency.replaceAll('-', '_'));
    loaded.set(name, data);
  };
  for (const name of NEEDED) visit(name);
  return [...loaded].map(([name, data]) => ({ name, data }));
}

function initrdArchive(
  busybox: Buffer,
  modules: readonly { readonly name: string; readonly data: Buffer }[],
): Buffer {
  const folder = (path: string): CpioEntry => ({ path, mode: 0o040755 });
  return cpioArchive([
    ...['bin', 'mods', 'dev', 'proc', 'sys', 'root'].map(folder),
    { path: 'bin/busybox', mode: 0o100755, data: busybox },
    { path: 'init', mode: 0o100755, data: Buffer.from(INIT) },
    ...modules.map(({ name, data }, i) => ({
      path: `mods/${String(i).padStart(2, '0')}-${name}.ko`,
      mode: 0o100644,
      data,
    })),
  ]);
}
