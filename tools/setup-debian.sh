#!/usr/bin/env bash
# Installs the Debian 12 packages that Skua needs on this machine. Says what it does; does nothing when all of them are there. Uses sudo
# when not root.
#
#   tools/setup-debian.sh [--for PURPOSE] [--print]
#
#   --for package   to build what `npm run package` packs
#   --for demo      that, and what the sandbox needs
#   --for test      all of it, and what only checks and tests call (default)
#   --print         only list the packages that are missing, one a line
set -euo pipefail

# Native helpers, clients and examples.
build=(
  gcc g++ make patch libc6-dev
  libdw-dev libelf-dev zlib1g-dev liblzma-dev libbz2-dev libzstd-dev
  libopentracing-dev libyaml-cpp-dev
)
# Building the virtual machine's image and booting it.
sandbox=(qemu-system-x86 qemu-utils mmdebstrap e2fsprogs uidmap util-linux openssh-client tar gzip)
tests=(
  # npm run check
  git shellcheck clang-format
  # the clients' own tests
  cmake
  # source lines: another compiler with its linker (for LTO), split debug information, another symbolizer
  clang lld libclang-rt-14-dev binutils elfutils
  # traces: another reader of CTF; Python for another reader of .skua files and for the Go that builds a Jaeger
  babeltrace2 python3 python3-venv
  # the editor tests' browser
  chromium fonts-dejavu-core
)

usage() {
  echo "usage: tools/setup-debian.sh [--for package|demo|test] [--print]" >&2
  exit 2
}
print_only=
purpose='test'
while [ $# -gt 0 ]; do
  case $1 in
    --print) print_only=1 ;;
    --for)
      purpose=${2:-}
      shift
      ;;
    *) usage ;;
  esac
  shift
done
case $purpose in
  package) packages=("${build[@]}") ;;
  demo) packages=("${build[@]}" "${sandbox[@]}") ;;
  test) packages=("${build[@]}" "${sandbox[@]}" "${tests[@]}") ;;
  *) usage ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "This is not a Debian system. Install what corresponds to: ${packages[*]}" >&2
  exit 69
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ -n "$print_only" ]; then
  [ ${#missing[@]} -eq 0 ] || printf '%s\n' "${missing[@]}"
  exit 0
fi
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "These packages are missing, and there is no sudo to install them with: ${missing[*]}" >&2
    echo "As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 77
  fi
  as_root=(sudo)
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
