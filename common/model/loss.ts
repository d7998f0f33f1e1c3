/**
 * Loss accounting of one session. `issued = delivered + Σ dropped` holds for syscalls, or `unknown` says that it cannot be checked.
 * All counts are of events unless a name says otherwise, and only ever grow.
 */
export interface LossReport {
  /** Event records that reached the agent's decoder. */
  readonly eventsDecoded: number;
  /** Records the kernel counted as discarded because a sub-buffer was full (CTF `events_discarded`). */
  readonly ringBuffer: number;
  /** Packets missing from the sequence (`packet_seq_num`), events in them unknown. */
  readonly packetsMissing: number;
  /** Spans refused by the agent's bounded queue. */
  readonly agentQueue: number;
  /** Spans dropped because the SSH connection could not take them in time. */
  readonly ssh: number;
  /** Spans refused by the client's store limit. */
  readonly store: number;
  /** Spans that could not be exported to the OTLP endpoint or file. */
  readonly export: number;
  /** Datagrams or requests of the receivers that were malformed or over the limit. */
  readonly receiver: number;
  /** Context records or user stacks that the kernel module could not read (from /proc/skua/stats). */
  readonly kernelUnreadable: number;
  /** Syscall entries without an exit, or exits without an entry, by the agent's pairing. */
  readonly unpaired: number;
}

export const NO_LOSS: LossReport = {
  eventsDecoded: 0,
  ringBuffer: 0,
  packetsMissing: 0,
  agentQueue: 0,
  ssh: 0,
  store: 0,
  export: 0,
  receiver: 0,
  kernelUnreadable: 0,
  unpaired: 0,
};

/** What the user is told was lost: everything but `eventsDecoded`. */
export function totalLost(report: LossReport): number {
  const { eventsDecoded: _decoded, ...lost } = report;
  return Object.values(lost).reduce((sum: number, n: number) => sum + n, 0);
}
