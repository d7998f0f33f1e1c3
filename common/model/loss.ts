import { syscallsIn, type KernelAccount } from './kernelAccount';
import type { Span } from './span';

/**
 * Loss accounting of one session. Two equations hold when it has ended; docs/loss.md explains them hop by hop.
 *
 *   events    eventsOffered = eventsDecoded + ringBuffer + stream
 *   syscalls  issued = spans delivered + entryLost + bothLost + ssh + store + unexplained
 *
 * While the session runs, what is on its way is in none of the counts. Counts are never negative.
 */
export interface LossReport {
  /** Events that the kernel module offered to the session's buffers. 0 while that is not known. */
  readonly eventsOffered: number;
  /** Event records that reached the agent's decoder. */
  readonly eventsDecoded: number;
  /** System calls made inside spans, by the kernel's count, without Skua's own. 0 while that is not known. */
  readonly issued: number;
  /** System calls of Skua's own test at the session's start: in none of the other counts of system calls. */
  readonly ownSyscalls: number;

  /** Events discarded because the kernel's buffers were full. */
  readonly ringBuffer: number;
  /** Events that were recorded and never arrived: LTTng's daemons, their disk, or the live stream lost them. */
  readonly stream: number;
  /** Packets missing from the sequence (`packet_seq_num`); their events are part of `stream`. */
  readonly packetsMissing: number;

  /** System calls without a span, because only their exit arrived. */
  readonly entryLost: number;
  /** System calls without a span, because neither entry nor exit arrived. Known when the session has ended. */
  readonly bothLost: number;
  /** Spans delivered as unfinished, because their exit was lost. */
  readonly exitLost: number;

  /** Kernel events left out of a span that has as many as it may have. */
  readonly spanEvents: number;
  /** Spans without a source line, because too many stacks waited for theirs. */
  readonly stacks: number;
  /** Syscall spans dropped because the connection to the client could not take them in time. */
  readonly ssh: number;
  /** User spans dropped for the same reason. */
  readonly sshUser: number;
  /** Syscall spans refused by the client, which holds as many spans as it may. */
  readonly store: number;
  /** User spans refused for the same reason. */
  readonly storeUser: number;
  /** Spans that could not be exported to the OTLP endpoint or file. */
  readonly export: number;
  /** Reports of the program's tracing client that were malformed or over a limit. */
  readonly receiver: number;
  /** Datagrams of the program's tracing client that the receiver's socket had no room for. */
  readonly receiverFull: number;

  /** Context records or user stacks that the kernel module could not read. */
  readonly kernelUnreadable: number;
  /** Context records that the kernel module refused: the thread was not traced as it asked to be. */
  readonly kernelRefused: number;
  /** Scheduling events that the kernel module could not attribute. */
  readonly kernelMissed: number;

  /** System calls that were issued and neither delivered nor lost to a cause above, when the session has ended. */
  readonly unexplained: number;
}

export const NO_LOSS: LossReport = {
  eventsOffered: 0,
  eventsDecoded: 0,
  issued: 0,
  ownSyscalls: 0,
  ringBuffer: 0,
  stream: 0,
  packetsMissing: 0,
  entryLost: 0,
  bothLost: 0,
  exitLost: 0,
  spanEvents: 0,
  stacks: 0,
  ssh: 0,
  sshUser: 0,
  store: 0,
  storeUser: 0,
  export: 0,
  receiver: 0,
  receiverFull: 0,
  kernelUnreadable: 0,
  kernelRefused: 0,
  kernelMissed: 0,
  unexplained: 0,
};

/** What the client has taken and refused of the spans that were final. */
export interface Received {
  /** Final syscall spans held. */
  readonly syscalls: number;
  /** Final syscall and user spans refused because of the limit. */
  readonly refusedSyscalls: number;
  readonly refusedUser: number;
}

/** Counts the final spans that a client has taken or refused. */
export class ReceivedCount {
  private readonly finals = { syscalls: 0, refusedSyscalls: 0, refusedUser: 0 };

  get received(): Received {
    return { ...this.finals };
  }

  count(span: Span, held: boolean): void {
    if (span.origin === 'kernel') this.finals[held ? 'syscalls' : 'refusedSyscalls'] += 1;
    else if (!held) this.finals.refusedUser += 1;
  }
}

/** System calls that were issued and have no span. */
export function lostSyscalls(loss: LossReport): number {
  return loss.entryLost + loss.bothLost + loss.ssh + loss.store + loss.unexplained;
}

/** Adds the client's own counts to what the agent has reported. */
export function withStore(loss: LossReport, received: Omit<Received, 'syscalls'>): LossReport {
  return {
    ...loss,
    store: loss.store + received.refusedSyscalls,
    storeUser: loss.storeUser + received.refusedUser,
  };
}

/** System calls made inside spans by the kernel's count, without the `ownSyscalls` of the session's test; 0 without an account. */
export function issuedIn(account: KernelAccount | undefined, ownSyscalls: number): number {
  return account === undefined ? 0 : Math.max(0, syscallsIn(account) - ownSyscalls);
}

/** What the kernel counted up to now, in a report that was made without it or before. */
export function withAccount(loss: LossReport, account: KernelAccount): LossReport {
  return {
    ...loss,
    eventsOffered: account.events,
    issued: issuedIn(account, loss.ownSyscalls),
    ringBuffer: account.lost,
  };
}

/** The same at the end of the session: what is missing from the balance then has no known cause. */
export function settled(loss: LossReport, received: Received): LossReport {
  const all = withStore(loss, received);
  const explained = received.syscalls + all.entryLost + all.bothLost + all.ssh + all.store;
  return { ...all, unexplained: all.issued === 0 ? 0 : Math.max(0, all.issued - explained) };
}

/** A stretch of time in which events were lost in the buffers of one processor. */
export interface LostStretch {
  /** Since the Unix epoch. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly events: number;
}
