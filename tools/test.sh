#!/usr/bin/env bash
# npm test: installs what is missing, then checks the tree and runs every suite.
#   npm test                     everything
#   npm test -- unit vm          only these suites (check, unit, clients, integration, vm, e2e, pending)
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/bootstrap.sh test
exec node tools/test.mjs "$@"
