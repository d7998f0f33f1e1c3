#!/bin/bash
# Loads or unloads a folder of modules that kernel/build.sh made, as root in the guest.
#   modules.sh load FOLDER [skua.ko parameters…]   unloads whatever LTTng modules are there first
#   modules.sh unload
set -euo pipefail

unload() {
  systemctl stop lttng-sessiond 2>/dev/null || true
  pkill -x lttng-sessiond 2>/dev/null || true
  local left before=-1
  # In any order that works: each round removes those that nobody uses any more.
  while left=$(lsmod | awk '/^lttng|^skua/ { n++ } END { print n + 0 }') && [ "$left" -gt 0 ]; do
    [ "$left" != "$before" ] || { echo "still in use:" >&2 && lsmod | grep -E '^lttng|^skua' >&2 && exit 1; }
    before=$left
    lsmod | awk '/^lttng|^skua/ && $3 == 0 { print $1 }' | xargs -r rmmod
  done
}

load() {
  local folder=$1 name
  shift
  unload
  sed -n 's/^ *"\(.*\.ko\)",\{0,1\}$/\1/p' "$folder/manifest.json" | while read -r name; do
    if [ "$name" = skua.ko ]; then insmod "$folder/$name" "$@"; else insmod "$folder/$name"; fi
  done
  systemctl start lttng-sessiond
  # It is started long before it answers.
  for _ in $(seq 100); do
    if lttng --no-sessiond list >/dev/null 2>&1; then return; fi
    sleep 0.3
  done
  echo 'lttng-sessiond does not answer' >&2
  exit 1
}

"$@"
