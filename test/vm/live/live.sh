#!/bin/bash
# Runs in the guest, as root: a live session through a relay daemon of its own, read by client.js (same folder).
#   live.sh FOLDER SUBBUF_BYTES SUBBUFS STOP_OPTION DEATH
# Bytes are copied one by one by `dd`, whose reads and writes are recorded. With DEATH=kill the relay daemon is killed
# meanwhile. Prints what the client reports; leaves its lines in FOLDER/lines and the daemon's trace below /root/live-relay.
set -euo pipefail

folder=$1 bytes=$2 count=$3 stop=$4 death=$5
here=$(cd "$(dirname "$0")" && pwd)
name='live-test'
control=6342 data=6343 live=6344

rm -rf "$folder"
mkdir -p "$folder"
trap 'lttng destroy --no-wait $name >/dev/null 2>&1 || true' EXIT
# One daemon for all runs: LTTng 2.13's consumer daemon can deadlock when it goes away while a session is being closed.
if ! ss -tln | grep -q ":$live "; then
  setsid lttng-relayd -C "tcp://127.0.0.1:$control" -D "tcp://127.0.0.1:$data" -L "tcp://127.0.0.1:$live" \
    -o /root/live-relay >/root/live-relayd.log 2>&1 </dev/null &
  for _ in $(seq 100); do
    if ss -tln | grep -q ":$live "; then break; fi
    sleep 0.2
  done
fi
rm -rf /root/live-relay/*

node "$here/client.js" "$live" "$name" "$folder/lines" >"$folder/report" &
client=$!

lttng create "$name" --live=20000 -C "tcp://127.0.0.1:$control" -D "tcp://127.0.0.1:$data" >/dev/null
lttng enable-channel -k ch -s "$name" --subbuf-size="$bytes" --num-subbuf="$count" >/dev/null
# Events after the start: data that comes while `lttng start` sets the session up can deadlock LTTng 2.13's consumer daemon
# (its data thread waits for metadata that its command thread, waiting for a lock of the former, has not yet registered).
timeout 60 lttng start "$name" >/dev/null
# shellcheck disable=SC2016 # $ctx is LTTng's
lttng enable-event -k --syscall read,write -s "$name" -c ch --filter '$ctx.procname == "dd"' >/dev/null
# An event that is not counted tells that the client is attached: Node takes its time in an emulated guest.
lttng enable-event -k --syscall sync -s "$name" -c ch >/dev/null
for _ in $(seq 300); do
  sync
  if [ -s "$folder/lines" ]; then break; fi
  sleep 0.2
done
dd if=/dev/zero of=/dev/null bs=1 count=5000 2>/dev/null &
workload=$!
if [ "$death" = kill ]; then
  for _ in $(seq 300); do
    if grep -q _read "$folder/lines"; then break; fi
    sleep 0.1
  done
  pkill -9 -x lttng-relayd # the guest is ours alone
  wait "$workload"
else
  wait "$workload"
  # What was lost is told by the next packet, and only an event that finds room begins one.
  sleep 1
  sync
  # shellcheck disable=SC2086 # empty means: no option
  lttng stop $stop "$name" >/dev/null 2>&1
  # shellcheck disable=SC2086
  lttng destroy $stop "$name" >/dev/null 2>&1
fi
wait "$client"
cat "$folder/report"
