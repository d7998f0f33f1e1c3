#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds Skua's LTTng modules: unmodified lttng-modules + kernel/patches + kernel/overlay.
#
#   build.sh --source DIR_OR_DEB --headers KERNEL_BUILD_DIR --out DIR [--work DIR] [--jobs N] [--stock]
#   build.sh [--stock] --hash
#
#   --source   the lttng-modules tree of UPSTREAM (verified by checksum), or the Debian package it comes in
#   --headers  the kernel's build folder (/lib/modules/RELEASE/build), or one below another root folder
#   --out      receives *.ko and manifest.json; replaced only when the build succeeds
#   --work     where to build; kept afterwards, so that a second build compiles only what changed (default: temporary)
#   --stock    builds the unmodified modules instead, same probes but Skua's: what tests and benchmarks compare with
#   --hash     prints the hash of everything that goes into the modules but the kernel: a cache key, and the second word of
#              /proc/skua/abi. After --stock: that of the unmodified modules
#
# Needs bash, make, gcc, patch and coreutils; dpkg-deb, or ar, tar and xz, when the source is a package. Runs as any user.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$here/UPSTREAM"

die() {
  echo "build.sh: $*" >&2
  exit 1
}

# Hash of a folder's files, names included, whatever their order, owner or time.
tree_hash() {
  (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
}

source_hash() {
  {
    echo "$TREE_SHA256"
    if [ -n "$stock" ]; then
      sha256sum <"$here/overlay/src/probes/Kbuild"
      sha256sum <"$here/build.sh"
      return
    fi
    tree_hash "$here/patches"
    tree_hash "$here/overlay"
    tree_hash "$here/include"
    sha256sum <"$here/build.sh"
  } | sha256sum | cut -c1-16
}

# A Debian package, also where there is no dpkg: it is an ar archive with the files in data.tar.xz.
unpack_package() {
  local archive=$1 to=$2
  mkdir -p "$to"
  if command -v dpkg-deb >/dev/null; then
    dpkg-deb -x "$archive" "$to"
  elif command -v ar >/dev/null && command -v xz >/dev/null; then
    ar p "$archive" data.tar.xz | xz -dc | tar -x -C "$to" --no-same-owner
  else
    die "neither dpkg-deb nor ar and xz are installed: $archive cannot be unpacked"
  fi
}

# A folder with the source in it, checked against UPSTREAM.
unpack_source() {
  local from=$1 to=$2 actual
  mkdir -p "$to"
  if [ -f "$from" ]; then
    actual=$(sha256sum <"$from" | cut -d' ' -f1)
    [ "$actual" = "$PACKAGE_SHA256" ] || die "$from is not $PACKAGE $PACKAGE_VERSION (sha256 $actual)"
    unpack_package "$from" "$to.deb"
    cp -R "$to.deb/usr/src/lttng-modules-$UPSTREAM_VERSION/." "$to"
    rm -rf "$to.deb"
  elif [ -d "$from" ]; then
    cp -R "$from/." "$to"
  else
    die "no such source: $from"
  fi
  actual=$(tree_hash "$to")
  [ "$actual" = "$TREE_SHA256" ] || die "$from is not the unmodified lttng-modules $UPSTREAM_VERSION (tree $actual)"
}

# Debian's header folders name each other by absolute path. Below another root (a guest's image), a folder of links with a
# corrected Makefile stands in for them.
usable_headers() {
  local headers=$1 stand_in=$2 root common entry
  [ -f "$headers/Makefile" ] || die "no kernel headers at $headers: install the linux-headers package of that kernel"
  common=$(sed -n 's|^include \(/usr/src/[^ ]*\)/Makefile$|\1|p' "$headers/Makefile")
  if [ -z "$common" ] || [ -d "$common" ]; then
    echo "$headers"
    return
  fi
  root=${headers%/usr/src/*}
  [ -d "$root$common" ] || die "$headers needs $common, which is neither installed nor below $root"
  rm -rf "$stand_in"
  mkdir -p "$stand_in"
  for entry in "$headers"/* "$headers"/.[a-z]*; do
    [ "${entry##*/}" = Makefile ] || ln -s "$entry" "$stand_in/"
  done
  echo "include $root$common/Makefile" >"$stand_in/Makefile"
  echo "$stand_in"
}

# Copies a file only when it differs, so that make's timestamps stay meaningful.
place() {
  cmp -s "$1" "$2" || { mkdir -p "$(dirname "$2")" && cp "$1" "$2"; }
}

# Fixes for kernels that are newer than the source: patches/compat/VERSION-*.patch is for that kernel and later ones.
add_compat() {
  local fresh=$1 headers=$2 code file version major minor
  code=$(sed -n 's/^#define LINUX_VERSION_CODE //p' "$headers/include/generated/uapi/linux/version.h")
  find "$here/patches/compat" -name '*.patch' | sort -V | while IFS= read -r file; do
    version=${file##*/}
    version=${version%%-*}
    major=${version%%.*} minor=${version#*.}
    [ "$code" -ge $(((major << 16) + (minor << 8))) ] || continue
    apply "$fresh" "$file"
  done
}

apply() {
  patch --quiet --no-backup-if-mismatch --directory="$1" --strip=1 <"$2" || die "${2##*/} does not apply"
}

prepare_tree() {
  local source=$1 headers=$2 tree=$3 fresh=$4 file
  unpack_source "$source" "$fresh"
  add_compat "$fresh" "$headers"
  if [ -n "$stock" ]; then
    grep -v probe-skua "$here/overlay/src/probes/Kbuild" >"$fresh/src/probes/Kbuild"
  else
    add_skua "$fresh"
  fi
  mkdir -p "$tree"
  (cd "$fresh" && find . -type f -print0) | while IFS= read -r -d '' file; do
    place "$fresh/$file" "$tree/$file"
  done
}

add_skua() {
  local fresh=$1 file
  for file in "$here"/patches/*.patch; do
    apply "$fresh" "$file"
  done
  cp -R "$here/overlay/." "$fresh"
  cp "$here/include/skua_abi.h" "$fresh/include/skua/skua_abi.h"
  echo "#define SKUA_SOURCE_HASH \"$(source_hash)\"" >"$fresh/include/skua/skua_source.h"
}

# Each module after those it needs, by the "depends" that modpost wrote into it.
load_order() {
  local folder=$1 name rest done_list=' ' progress
  local -A needs=()
  for name in "$folder"/*.ko; do
    name=${name##*/}
    needs[$name]=$(tr '\0' '\n' <"$folder/$name" | sed -n 's/^depends=//p' | head -n 1 | tr ',_' ' -')
  done
  while [ "${#needs[@]}" -gt 0 ]; do
    progress=
    for name in $(printf '%s\n' "${!needs[@]}" | LC_ALL=C sort); do
      for rest in ${needs[$name]}; do
        # What is not ours is part of the kernel.
        [ -f "$folder/$rest.ko" ] || continue
        case $done_list in *" $rest.ko "*) ;; *) continue 2 ;; esac
      done
      echo "$name"
      done_list="$done_list$name "
      unset "needs[$name]"
      progress=1
    done
    [ -n "$progress" ] || die 'modules need each other in a circle'
  done
}

write_manifest() {
  local folder=$1 vermagic release first=1 name
  vermagic=$(tr '\0' '\n' <"$folder/lttng-tracer.ko" | sed -n 's/^vermagic=//p' | head -n 1)
  release=${vermagic%% *}
  {
    printf '{\n  "kernelRelease": "%s",\n  "vermagic": "%s",\n' "$release" "$vermagic"
    printf '  "sourceHash": "%s",\n' "$(if [ -n "$stock" ]; then echo stock; else source_hash; fi)"
    printf '  "upstream": "%s",\n' "$UPSTREAM_VERSION"
    printf '  "abiVersion": %s,\n' "$(sed -n 's/^#define SKUA_ABI_VERSION //p' "$here/include/skua_abi.h")"
    printf '  "modules": ['
    for name in $(load_order "$folder"); do
      [ -n "$first" ] || printf ','
      first=
      printf '\n    "%s"' "$name"
    done
    printf '\n  ]\n}\n'
  } >"$folder/manifest.json"
}

source='' headers='' out='' work='' stock='' jobs=$(nproc)
while [ $# -gt 0 ]; do
  case $1 in
    --hash) source_hash && exit ;;
    --stock) stock=1 && shift && continue ;;
    --source) source=$2 ;;
    --headers) headers=$2 ;;
    --out) out=$2 ;;
    --work) work=$2 ;;
    --jobs) jobs=$2 ;;
    *) die "unknown option $1" ;;
  esac
  shift 2
done
if [ -z "$source" ] || [ -z "$headers" ] || [ -z "$out" ]; then
  die 'usage: --source DIR_OR_DEB --headers DIR --out DIR'
fi
for tool in make gcc patch; do
  command -v "$tool" >/dev/null || die "$tool is not installed"
done

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
work=${work:-$temporary/work}
mkdir -p "$work"
headers=$(cd "$headers" && pwd -P)
headers=$(usable_headers "$headers" "$work/headers")
prepare_tree "$source" "$headers" "$work/tree" "$temporary/fresh"
# Without debug information, which nobody would load: a quarter less to compile. BTF would need pahole.
make -s -j "$jobs" -C "$headers" M="$work/tree/src" CONFIG_LTTNG=m KCFLAGS=-g0 CONFIG_DEBUG_INFO_BTF_MODULES= modules

mkdir -p "$temporary/out" "$(dirname "$out")"
find "$work/tree/src" -name '*.ko' -exec cp -t "$temporary/out" {} +
write_manifest "$temporary/out"
# In one step at the end: an interrupted build must not look like modules.
rm -rf "$out.new"
cp -R "$temporary/out" "$out.new"
rm -rf "$out"
mv "$out.new" "$out"
echo "built $(find "$out" -name '*.ko' | wc -l) modules for $(sed -n 's/.*"kernelRelease": "\(.*\)",/\1/p' "$out/manifest.json") in $out"
