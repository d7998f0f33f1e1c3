#!/bin/bash
# Runs the web server for one measurement, as root in the guest.
#   serve.sh start ARGUMENTS…    in the background; returns when it listens. Environment goes to the server.
#   serve.sh stop                prints what it counted
#   serve.sh used                processor time of the server's threads so far, ns
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

start() {
  [ -f "$here/page.html" ] || head -c 4096 /dev/zero | tr '\0' x >"$here/page.html"
  setsid "$here/webserver" 8080 "$here/page.html" "$@" >"$here/webserver.out" 2>&1 </dev/null &
  echo $! >"$here/webserver.pid"
  for _ in $(seq 100); do
    if (: </dev/tcp/127.0.0.1/8080) 2>/dev/null; then return; fi
    sleep 0.1
  done
  cat "$here/webserver.out" >&2
  exit 1
}

stop() {
  local pid
  pid=$(cat "$here/webserver.pid")
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  cat "$here/webserver.out"
}

used() {
  cat /proc/"$(pgrep -nx webserver)"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

"$@"
