import { issuedIn, NO_LOSS, type LossReport } from '../../common/model/loss';
import type { KernelAccount } from '../../common/model/kernelAccount';
import type { KernelCounts } from '../spans/kernelSpans';
import type { KernelTroubles } from './kernelCounters';
import type { Dropped } from './spanSender';

/** The counters of every hop up to the client, as they stand. */
export interface LossSources {
  /** Of the kernel module for this session; undefined when it does not say. */
  readonly account: KernelAccount | undefined;
  /** Since the session began. */
  readonly troubles: KernelTroubles;
  readonly counts: KernelCounts;
  readonly leftOut: { readonly spanEvents: number; readonly stacks: number };
  /** Events and syscalls of the session's own test, which are nobody's spans. */
  readonly own: { readonly events: number; readonly syscalls: number };
  readonly dropped: Dropped;
  readonly exported: number;
  readonly rejected: number;
  readonly receiverFull: number;
  /** Everything that can arrive has arrived: what is missing is lost, not late. */
  readonly ended: boolean;
}

/** The loss report of a session. Pure. */
export function lossReport(sources: LossSources): LossReport {
  const { account, counts, own, troubles, ended } = sources;
  const decoded = counts.events + own.events;
  // The kernel's own count is complete, also for packets that never came; while it runs, events on their way are in it.
  const ringBuffer = account?.running === false ? account.lost : counts.ringBuffer;
  const issued = issuedIn(account, own.syscalls);
  const missing = (all: number, ...known: readonly number[]): number =>
    account === undefined || !ended
      ? 0
      : Math.max(
          0,
          known.reduce((rest, n) => rest - n, all),
        );
  return {
    ...NO_LOSS,
    eventsOffered: account?.events ?? 0,
    eventsDecoded: decoded,
    issued,
    ownSyscalls: own.syscalls,
    ringBuffer,
    stream: missing(account?.events ?? 0, decoded, ringBuffer),
    packetsMissing: counts.packetsMissing,
    entryLost: counts.entryLost,
    bothLost: missing(issued, counts.spans, counts.entryLost),
    exitLost: counts.exitLost,
    ...sources.leftOut,
    ssh: sources.dropped.syscalls,
    sshUser: sources.dropped.user,
    export: sources.exported,
    receiver: sources.rejected,
    receiverFull: sources.receiverFull,
    kernelUnreadable: troubles.unreadable,
    kernelRefused: troubles.refused,
    kernelMissed: troubles.missed,
  };
}
