#!/usr/bin/env bash
# Builds the C programs that go to the target with the agent: skua-symbols (stacks and source lines) and skua-launch. Both are static, so
# that nothing has to be installed there. Needs gcc, g++ (its libstdc++.a demangles) and the packages named below.
#
#   tools/build-native.sh --out DIR [--sanitize]
#
# Does nothing when DIR already holds what these sources make. --sanitize builds for tests, with AddressSanitizer and UBSan, not static.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source_dir=$root/remote-agent/native
packages="gcc g++ libc6-dev libdw-dev libelf-dev zlib1g-dev liblzma-dev libbz2-dev libzstd-dev"
out=
sanitize=
while [ $# -gt 0 ]; do
  case $1 in
    --out)
      out=${2:?--out needs a folder}
      shift 2
      ;;
    --sanitize)
      sanitize=1
      shift
      ;;
    *)
      echo "usage: tools/build-native.sh --out DIR [--sanitize]" >&2
      exit 64
      ;;
  esac
done
[ -n "$out" ] || { echo "usage: tools/build-native.sh --out DIR [--sanitize]" >&2; exit 64; }

CC=${CC:-gcc}
if ! command -v "$CC" >/dev/null || [ ! -e /usr/include/elfutils/libdwfl.h ]; then
  echo "build-native: a compiler or libdw's headers are missing. On Debian: apt-get install $packages" >&2
  exit 69
fi

mkdir -p "$out"
stamp=$(cat "$source_dir"/symbols/*.[ch] "$source_dir"/*.c "$root/kernel/include/skua_abi.h" "${BASH_SOURCE[0]}" <("$CC" -dumpfullversion) <(echo "$sanitize") |
  sha256sum | cut -d' ' -f1)
if [ -x "$out/skua-symbols" ] && [ -x "$out/skua-launch" ] && [ "$(cat "$out/native.stamp" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi

flags=(-std=gnu11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -I"$root/kernel/include")
libraries=(-ldw -lelf -lz -llzma -lbz2 -lzstd -lstdc++ -lm -lpthread)
if [ -n "$sanitize" ]; then
  flags+=(-O1 -g -fno-omit-frame-pointer -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all)
  "$CC" "${flags[@]}" -o "$out/skua-symbols.new" "$source_dir"/symbols/*.c "${libraries[@]}"
  "$CC" "${flags[@]}" -o "$out/skua-launch.new" "$source_dir"/skua-launch.c
else
  flags+=(-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -static -s)
  "$CC" "${flags[@]}" -o "$out/skua-symbols.new" "$source_dir"/symbols/*.c "${libraries[@]}"
  "$CC" "${flags[@]}" -o "$out/skua-launch.new" "$source_dir"/skua-launch.c
fi
# Renamed into place: a running helper keeps its own file.
mv "$out/skua-symbols.new" "$out/skua-symbols"
mv "$out/skua-launch.new" "$out/skua-launch"
echo "$stamp" >"$out/native.stamp"
