#!/usr/bin/env bash
# Installs the Debian 12 packages that building, testing and running Skua's sandbox need. Says what it does; does nothing when all of
# them are there. Uses sudo when not root.
#
#   tools/setup-debian.sh [--print]     --print: only list the packages that are missing, one a line
set -euo pipefail

packages=(
  # the sandbox: builds its image and boots it
  qemu-system-x86 qemu-utils mmdebstrap e2fsprogs uidmap util-linux openssh-client tar gzip
  # native helpers, clients and examples
  gcc g++ make patch libc6-dev
  libdw-dev libelf-dev zlib1g-dev liblzma-dev libbz2-dev libzstd-dev
  libopentracing-dev libyaml-cpp-dev
  # npm run check
  git shellcheck clang-format
  # tests: another reader of traces to compare with, another symbolizer
  babeltrace2 elfutils
  # the editor in the browser, for the demo and the editor tests
  chromium fonts-dejavu-core
)

print_only=
case ${1:-} in
  --print) print_only=1 ;;
  '') ;;
  *)
    echo "usage: tools/setup-debian.sh [--print]" >&2
    exit 2
    ;;
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
