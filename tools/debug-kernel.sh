#!/usr/bin/env bash
# Builds a Linux kernel that watches itself: KASAN, lockdep, PROVE_RCU, kmemleak and other checks that Debian's kernels are built without. The
# source is Debian's own (linux-source-6.1), the configuration is tools/kernel/debug.config on top of tinyconfig. The result is kept in the
# user's cache, named by a hash of what goes in: about ten minutes on two cores the first time. Prints the folder:
#
#   bzImage    boots the sandbox's image without an initrd
#   build/     headers for kernel/build.sh
#
#   tools/debug-kernel.sh [--if-cached]     --if-cached: print the folder if it is there, else fail at once
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

package=linux-source-6.1
config=tools/kernel/debug.config
cache=${XDG_CACHE_HOME:-$HOME/.cache}/skua/debug-kernel

version=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
if [ -z "$version" ] || [ "$version" = '(none)' ]; then
  echo "apt does not know $package: run apt-get update, on Debian 12." >&2
  exit 1
fi
hash=$({ echo "$version"; cat "$config" "$0"; gcc -dumpfullversion; } | sha256sum | cut -c1-16)
folder=$cache/$hash
if [ -f "$folder/bzImage" ]; then
  echo "$folder"
  exit
fi
if [ "${1:-}" = --if-cached ]; then exit 1; fi

say() { printf '%s\n' "$*" >&2; }

mkdir -p "$cache"
exec 9>"$cache/lock"
if ! flock --nonblock 9; then
  say 'Waiting for another process that builds the debug kernel'
  flock 9
  [ ! -f "$folder/bzImage" ] || { echo "$folder" && exit; }
fi
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "Downloading $package $version (140 MB)"
# apt downloads as a user of its own, who may not write here; root downloads as root.
(cd "$work" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$package=$version") >&2
dpkg-deb -x "$work"/*.deb "$work/package"
say 'Unpacking'
mkdir "$work/build"
tar -xf "$work/package/usr/src/$package.tar.xz" -C "$work/build" --strip-components=1
rm -rf "$work/package" "$work"/*.deb

say 'Building the debug kernel (about ten minutes on two cores)'
log=$cache/build.log
build() {
  make -s tinyconfig
  scripts/kconfig/merge_config.sh -m .config "$root/$config"
  make -s olddefconfig
  for option in KASAN PROVE_LOCKING PROVE_RCU DEBUG_KMEMLEAK DEBUG_ATOMIC_SLEEP KPROBES UPROBES FTRACE_SYSCALLS; do
    grep -q "^CONFIG_$option=y" .config || { echo "CONFIG_$option could not be set" && return 1; }
  done
  make -s -j"$(nproc)" bzImage modules
}
if ! (cd "$work/build" && set -e && build) >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  say "The debug kernel could not be built; the whole log is $log."
  exit 1
fi
cp "$work/build/arch/x86/boot/bzImage" "$work/bzImage"
# What modules are built with stays: scripts, headers, symbol versions.
rm "$work/build/vmlinux"
find "$work/build" -type f \( -name '*.o' -o -name '*.a' -o -name '*.cmd' -o -name '*.c' -o -name '*.S' -o -name '*.rst' \) -not -path '*/scripts/*' -not -path '*/tools/*' -delete
mv "$work" "$folder"
trap - EXIT
echo "$folder"
