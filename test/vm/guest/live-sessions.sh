#!/bin/bash
# Starts and destroys live sessions one after another, as root in the guest; their timer ticks as often as LTTng allows.
#   live-sessions.sh COUNT
# The ticks fall between the streams that are handed to the consumer daemon at the start, and between the session's end and that of
# its streams. Both once brought LTTng down: docs/kernel-abi.md, "Mended in LTTng".
set -euo pipefail

folder=$(mktemp -d)
lttng-relayd --daemonize --output "$folder" \
  --control-port tcp://127.0.0.1:15342 --data-port tcp://127.0.0.1:15343 --live-port tcp://127.0.0.1:15344
trap 'pkill -f "^lttng-relayd .*$folder"; rm -rf "$folder"' EXIT

ask() {
  timeout 60 lttng -q --no-sessiond "$@" || { echo "lttng $* ended with $? in session $i" && exit 1; }
}

for i in $(seq "$1"); do
  ask create "live-$i" --live=1000 --ctrl-url=tcp://127.0.0.1:15342 --data-url=tcp://127.0.0.1:15343
  ask enable-event --kernel --session "live-$i" sched_switch
  ask start "live-$i"
  ask stop --no-wait "live-$i"
  ask destroy --no-wait "live-$i"
done
