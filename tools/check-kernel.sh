#!/usr/bin/env bash
# checkpatch and sparse on Skua's kernel sources. Both come with the debug kernel: its source has checkpatch, its build folder the headers.
#   tools/check-kernel.sh [DEBUG_KERNEL_FOLDER]      default: what tools/debug-kernel.sh prints
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-$(bash tools/debug-kernel.sh)}

# Lists of macros (X macros) are not expressions; the ABI header is for user space too, which has no __packed; files of a
# tree that is patched have no history.
ignored=COMPLEX_MACRO,PREFER_DEFINED_ATTRIBUTE_MACRO,FILE_PATH_CHANGES,SPDX_LICENSE_TAG
checkpatch() {
  perl "$folder/build/scripts/checkpatch.pl" --no-tree --terse --no-summary --max-line-length=120 --ignore "$ignored${1:+,$1}" "${@:2}"
}

status=0
find kernel/include kernel/overlay -name '*.[ch]' -not -path '*/instrumentation/*' -print0 | sort -z |
  while IFS= read -r -d '' file; do checkpatch LINUX_VERSION_CODE,CONSTANT_COMPARISON -f "$file" || echo "$file" >&2; done |
  grep . && status=1
for file in kernel/patches/*.patch; do
  # A patch without a commit around it; empty context lines are not ours.
  checkpatch TRAILING_WHITESPACE,MISSING_SIGN_OFF,COMMIT_MESSAGE "$file" || status=1
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$(bash kernel/fetch-source.sh "${XDG_CACHE_HOME:-$HOME/.cache}/skua")
bash kernel/build.sh --source "$package" --headers "$folder/build" --out "$work/out" --work "$work/tree" >/dev/null
# Only what sparse says of our own files: the rest is LTTng's and the kernel's.
touch "$work"/tree/tree/src/skua/*.c "$work"/tree/tree/src/lttng-context-skua.c "$work"/tree/tree/src/probes/lttng-probe-skua.c
ours='^[^ ]*/(skua/[^ /]+|lttng-(context|probe)-skua\.c):[0-9]'
if make -s -C "$folder/build" M="$work/tree/tree/src" CONFIG_LTTNG=m C=1 CHECK=sparse modules 2>&1 | grep -E "$ours"; then status=1; fi
exit "$status"
