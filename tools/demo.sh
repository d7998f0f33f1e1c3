#!/usr/bin/env bash
# npm run demo: from a fresh Debian 12 machine with Node 20 to a traced program in the editor.
#   npm run demo                  everything, then VS Code in the browser until Ctrl-C
#   npm run demo -- --headless    stop after the tree
set -euo pipefail
cd "$(dirname "$0")/.."

headless=no
for arg in "$@"; do
	case "$arg" in
	--headless) headless=yes ;;
	*)
		echo "usage: npm run demo [-- --headless]" >&2
		exit 2
		;;
	esac
done

say() { printf '\033[1m▸ %s\033[0m\n' "$*"; }

bash tools/bootstrap.sh demo

mkdir -p out/demo
trace=$PWD/out/demo/sample.skua
say "Building examples/sample"
make -s -C examples/sample
say "Tracing examples/sample in the sandbox (the first time builds the virtual machine: a few minutes)"
node dist/cli.js run --target sandbox --upload examples/sample --output "$trace" -- ./checkout

if [ "$headless" = yes ]; then
	say "The trace is in out/demo/sample.skua. Look at it again with: node dist/cli.js show out/demo/sample.skua"
	exit 0
fi
say "Starting VS Code in the browser"
exec node tools/editor/serve.mjs --workspace "$PWD/examples/sample" --open "$trace"
