#!/usr/bin/env bash
# Builds the C and C++ clients with warnings as errors and AddressSanitizer and UndefinedBehaviorSanitizer, and runs their tests.
# Needs gcc, g++, cmake, libopentracing-dev, libyaml-cpp-dev. The Node client's tests run with the unit tests.
# Usage: clients/test.sh [--build DIR]   (default: out/clients in the checkout; reused, so that a second run is quick)
set -euo pipefail

clients=$(cd "$(dirname "$0")" && pwd)
build=$clients/../out/clients
if [[ ${1:-} == --build ]]; then build=$2; fi
mkdir -p "$build"
build=$(cd "$build" && pwd)

flags=(-Wall -Wextra -Wpedantic -Werror -g "-fsanitize=address,undefined" -fno-sanitize-recover=all
	-I"$clients/c" -I"$clients/../kernel/include")
gcc -std=c11 -D_GNU_SOURCE "${flags[@]}" "$clients/c/test/skua_test.c" -o "$build/skua_test_c" -pthread
g++ -std=c++17 -x c++ "${flags[@]}" "$clients/c/test/skua_test.c" -o "$build/skua_test_cpp" -pthread
# A strict C11 without POSIX names, for programs that are compiled so.
echo '#include "skua.h"' | gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$clients/c" -I"$clients/../kernel/include" \
	-fsyntax-only -x c -
"$build/skua_test_c"
"$build/skua_test_cpp"

cmake -S "$clients/cpp" -B "$build/cpp" -DSKUA_BUILD_TESTS=ON -DSKUA_SANITIZE=ON -DCMAKE_BUILD_TYPE=Debug >"$build/cmake.log"
cmake --build "$build/cpp" -j "$(nproc)" >"$build/make.log" 2>&1 || {
	cat "$build/make.log"
	exit 1
}
ctest --test-dir "$build/cpp" --output-on-failure

# Many threads at once, under ThreadSanitizer: the correctness program, its contexts going to a plain file.
sources=()
for source in "$clients"/cpp/src/*.cpp; do
	[[ $source == */ConfigYaml.cpp || $source == */DynamicLoad.cpp ]] || sources+=("$source")
done
g++ -std=c++17 -O1 -g -fsanitize=thread -I"$clients/cpp/include" -I"$clients/cpp/src" -I"$clients/c" -I"$clients/../kernel/include" \
	"${sources[@]}" "$clients/../examples/correctness/correctness.cpp" -o "$build/correctness_tsan" -lopentracing -pthread
: >"$build/context"
SKUA_CONTEXT=$build/context "$build/correctness_tsan" --threads 20 --works 20 | tail -1 | grep '"dropped":0'
# 400 works and 20 requests, each attached, detached for the tracer's work, and back: see docs/clients.md.
[[ $(stat -c %s "$build/context") == $(((20 * 2 + 400 * 4) * 28)) ]]
