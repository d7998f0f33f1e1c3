#!/bin/bash
# A recording session as Skua's agent makes one (remote-agent/lttng/control.ts), written to files that nobody reads. As root in the guest.
#   session.sh start NAME [bare]   a Skua session when the name begins with "skua", an ordinary one of the whole system otherwise; bare:
#                                  without LTTng's own fields
#   session.sh stop NAME
# In all cases all system calls and Skua's default tracepoints, in the same buffers.
set -euo pipefail

tracepoints=sched_switch,sched_waking,sched_process_fork,sched_process_exit,block_rq_issue,block_rq_complete,net_dev_queue
tracepoints+=,net_if_receive_skb,x86_exceptions_page_fault_user,x86_exceptions_page_fault_kernel,signal_generate,signal_deliver

start() {
  local name=$1
  case $name in skua*) tracepoints+=,skua_mapping,skua_fd ;; esac
  lttng -q create "$name" -o "/dev/shm/$name"
  # The files are written over when they are full, so that a long run does not fill the memory.
  lttng -q enable-channel -s "$name" -k channel --discard --subbuf-size=256K --num-subbuf=8 --read-timer=100000 \
    --tracefile-size=16M --tracefile-count=2
  [ "${2:-}" = bare ] || lttng -q add-context -s "$name" -k -c channel -t pid -t tid -t procname
  lttng -q enable-event -s "$name" -k -c channel --syscall -a
  lttng -q enable-event -s "$name" -k -c channel "$tracepoints"
  lttng -q start "$name"
}

stop() {
  lttng -q destroy "$1"
  rm -rf "/dev/shm/$1"
}

"$@"
