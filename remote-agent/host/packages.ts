import type { PackageManager } from './verbs';

/** Package manager of a distribution by its os-release ids, or undefined when none of the known ones fits. */
export function packageManager(ids: readonly string[]): PackageManager | undefined {
  if (ids.some((id) => id === 'debian' || id === 'ubuntu')) return 'apt-get';
  if (ids.some((id) => id === 'fedora' || id === 'rhel' || id === 'centos')) return 'dnf';
  if (ids.some((id) => id.includes('suse'))) return 'zypper';
  return undefined;
}

/** Packages of the tracing tools. */
export function lttngPackages(manager: PackageManager): readonly string[] {
  switch (manager) {
    case 'apt-get':
    case 'dnf':
    case 'zypper':
      return ['lttng-tools'];
  }
}

/** Packages with which modules can be built for `release`. */
export function buildPackages(manager: PackageManager, release: string): readonly string[] {
  switch (manager) {
    case 'apt-get':
      return [`linux-headers-${release}`, 'gcc', 'make', 'patch', 'binutils'];
    case 'dnf':
      return [
        `kernel-devel-${release}`,
        'gcc',
        'make',
        'patch',
        'binutils',
        'tar',
        'xz',
        'elfutils-libelf-devel',
      ];
    case 'zypper':
      return ['kernel-default-devel', 'gcc', 'make', 'patch', 'binutils', 'tar', 'xz'];
  }
}

/** Asks whether a package is installed, by exit status and, for dpkg, by the status it prints. */
export function installedQuery(manager: PackageManager, name: string): readonly [string, ...string[]] {
  return manager === 'apt-get' ? ['dpkg-query', '-W', '-f', '${Status}', name] : ['rpm', '-q', name];
}
