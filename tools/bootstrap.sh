#!/usr/bin/env bash
# Brings a fresh Debian 12 machine with Node 20 to the point where everything can be built: system packages, npm packages, bundles,
# native helpers, clients. Every step is skipped when its result is there. Called by `npm run demo`, `npm run package` and `npm test`.
#
#   tools/bootstrap.sh [package|demo|test]   what it is for: see tools/setup-debian.sh (default test)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m▸ %s\033[0m\n' "$*"; }

node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$node_major" -lt 20 ]; then
	echo "Skua needs Node 20 or later to build; this machine has $(node --version 2>/dev/null || echo none)." >&2
	exit 1
fi

bash tools/setup-debian.sh --for "${1:-test}"

lock_hash=$(sha256sum package-lock.json | cut -c1-16)
if [ ! -f "node_modules/.skua-$lock_hash" ]; then
	say "Installing npm packages (about 30 s)"
	npm ci --no-audit --no-fund --loglevel=error
	touch "node_modules/.skua-$lock_hash"
fi

say "Building"
node tools/build.mjs
bash tools/build-native.sh --out dist/native
bash tools/build-clients.sh --out dist/clients
