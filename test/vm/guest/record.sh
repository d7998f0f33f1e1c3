#!/bin/bash
# Records a command with a session of stock lttng-tools, as root in the guest.
#   record.sh SESSION FOLDER [-f FILTER] [-e EVENTS] [-s SYSCALLS] [-b SUBBUFFER] -- COMMAND…
# EVENTS: tracepoints, comma-separated ("none" for none); SYSCALLS: names or "-a". The command's output and status are passed on.
set -euo pipefail

session=$1 folder=$2
shift 2
filter='' events='sched_switch,sched_waking,skua_mapping,skua_fd' syscalls=-a subbuffer=1M
while [ "$1" != -- ]; do
  case $1 in
    -f) filter=$2 ;;
    -e) events=$2 ;;
    -s) syscalls=$2 ;;
    -b) subbuffer=$2 ;;
  esac
  shift 2
done
shift

rm -rf "$folder"
lttng -q create "$session" -o "$folder"
trap 'lttng -q destroy "$session"' EXIT
lttng -q enable-channel -s "$session" -k channel --subbuf-size="$subbuffer" --num-subbuf=8
lttng -q add-context -s "$session" -k -c channel -t vpid -t vtid -t procname
if [ -n "$filter" ]; then
  lttng -q enable-event -s "$session" -k -c channel --syscall "$syscalls" --filter "$filter"
else
  lttng -q enable-event -s "$session" -k -c channel --syscall "$syscalls"
fi
[ "$events" = none ] || lttng -q enable-event -s "$session" -k -c channel "$events"
lttng -q start "$session"
status=0
"$@" || status=$?
lttng -q stop "$session"
exit "$status"
