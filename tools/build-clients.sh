#!/usr/bin/env bash
# Builds the C and C++ clients into a tree that can be copied to /usr/local of a Debian 12 machine:
#   DIR/include/{skua,jaegertracing}/  DIR/lib/libskua_jaegertracing.{a,so}  DIR/lib/pkgconfig/jaegertracing.pc
# Quick when nothing changed. Needs make, g++, libopentracing-dev, libyaml-cpp-dev.
# Usage: tools/build-clients.sh [--out DIR]   (default dist/clients)
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/dist/clients
if [[ ${1:-} == --out ]]; then out=$2; fi
mkdir -p "$out"
out=$(cd "$out" && pwd)

export CXXFLAGS="-O2 -g1" # lines for stacks that pass through the client, without its types
make -s -C "$root/clients/cpp" -j "$(nproc)" OUT="$root/out/clients-release" all
make -s -C "$root/clients/cpp" OUT="$root/out/clients-release" PREFIX="$out" install
echo "$out"
