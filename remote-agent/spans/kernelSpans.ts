import type { CtfEvent, CtfItem, CtfLostEvents, CtfLostPackets, CtfValue } from '../../common/ctf/types';
import { SKUA } from '../../common/model/abi';
import {
  ATTR,
  type AttributeValue,
  type Span,
  type SpanEvent,
  type SpanId,
  type SpanLink,
  type TraceId,
} from '../../common/model/span';
import type { Nanoseconds } from '../../common/base/time';
import { decodeEntry, decodeExitArguments, decodeOutcome, type DecodedArguments } from '../syscalls/decode';
import { namedWords, syscallEvent, type SyscallEvent } from '../syscalls/event';
import { eventContext, spanIdOf, traceIdOf, type EventContext } from './context';
import { Descriptors } from './descriptors';
import { AttributeList, KernelSpan } from './kernelSpan';
import { LostStretches } from './lostStretches';
import type { KernelOutput } from './output';
import { addTimes, happensTo, subjectOf, switchedAway, wakerAttributes, wakerOf } from './scheduling';
import { ThreadStates } from './threadStates';
import { tracepointEvent } from './tracepoints';

/** Attribute: tracepoints of a span beyond `MAX_EVENTS`, counted instead of kept. */
export const EVENTS_DROPPED = 'skua.events_dropped';

const NO_LINKS: readonly SpanLink[] = [];

const MAX_EVENTS = 1000;
const MAX_OPEN = 65_536;
const MAX_SEEN_SPANS = 65_536;

export type UnfinishedReason = 'killed' | 'session-stopped' | 'no-exit-event' | 'lost';

export interface KernelCounts {
  /** Syscall spans delivered as final, unfinished ones included. */
  spans: number;
  /** Of these, spans whose exit was never seen. */
  unfinished: number;
  /** Syscalls that wrote a context record: the tracing client's own. */
  control: number;
  /** Exits whose entry was lost: system calls without a span. */
  entryLost: number;
  /** Of the unfinished spans, those whose exit was lost. */
  exitLost: number;
  /** Events left out of spans that have `MAX_EVENTS`. */
  spanEvents: number;
  events: number;
  ringBuffer: number;
  packetsMissing: number;
  /** Events that carry none of Skua's context fields. */
  foreign: number;
}

interface OpenSyscall {
  readonly id: bigint;
  readonly event: SyscallEvent;
  readonly context: EventContext;
  readonly ids: UserSpanIds;
  readonly startNs: Nanoseconds;
  readonly cpu: number;
  readonly decoded: DecodedArguments;
  readonly events: SpanEvent[];
  readonly states: ThreadStates;
  readonly sampled: boolean;
  dropped: number;
  lost: number;
  provisional: boolean;
}

/** A user span in words and as texts. */
interface UserSpanIds {
  readonly traceHi: bigint;
  readonly traceLo: bigint;
  readonly span: bigint;
  readonly traceId: TraceId;
  readonly spanId: SpanId;
}

/** A non-blocking connect() returns before the connection is made. */
const IN_PROGRESS = -115;

/**
 * Pairs syscall entries and exits into spans, and gives tracepoints to the span in whose context they fired. Pure: events in
 * time order go in, outputs come out through `emit`; there is no clock and no I/O.
 *
 *   entry(id 7) ── sched_switch(id 7) ── exit(id 7)   →  one span, id 7, with one event
 *   sched_switch(id 0)                                →  an event of the user span
 *   entry(id 8) … entry(id 9) of the same thread      →  8 lost its exit: delivered as unfinished, counted
 *   sched_waking(id 4, tid of id 7)                   →  an event of both: 4 woke, 7 was woken
 */
export class KernelSpans {
  private readonly open = new Map<bigint, OpenSyscall>();
  private readonly openOfThread = new Map<number, bigint>();
  /** The user span in which a thread entered the kernel last: it often does so many times in one. */
  private readonly idsOfThread = new Map<number, UserSpanIds>();
  /** Events of before this time may be missing. */
  private lostUntilNs = -1n;
  private seenSpans = new Set<string>();
  readonly descriptors = new Descriptors();
  readonly lostStretches = new LostStretches();
  readonly counts: KernelCounts = {
    spans: 0,
    unfinished: 0,
    control: 0,
    entryLost: 0,
    exitLost: 0,
    spanEvents: 0,
    events: 0,
    ringBuffer: 0,
    packetsMissing: 0,
    foreign: 0,
  };

  constructor(
    private readonly emit: (output: KernelOutput) => void,
    /** Whether the session records SCHEDULING_TRACEPOINTS. */
    private readonly scheduling: boolean,
  ) {}

  item(item: CtfItem): void {
    switch (item.kind) {
      case 'event':
        this.counts.events += 1;
        this.event(item);
        return;
      case 'lost':
        this.counts.ringBuffer += item.count;
        this.lostStretches.add(item.beginNs, item.endNs, item.count);
        this.loss(item);
        return;
      case 'lost-packets':
        this.counts.packetsMissing += item.count;
        this.lostStretches.add(item.beginNs, item.endNs, 0);
        this.loss(item);
        return;
    }
  }

  /** Delivers syscalls that are open for longer than `ageNs` as they are now: the live view shows what a thread waits in. */
  showOpen(nowNs: bigint, ageNs: bigint): void {
    for (const open of this.open.values()) {
      if (open.provisional || nowNs - open.startNs < ageNs) continue;
      open.provisional = true;
      this.deliver(open, undefined, {}, { code: 'unset' }, false);
    }
  }

  /** Ends everything still open, at the session's end or after the end of `pid`. */
  finish(reason: UnfinishedReason, pid?: number): void {
    for (const open of [...this.open.values()]) {
      if (pid === undefined || open.context.pid === pid) this.unfinished(open, reason);
    }
  }

  private event(event: CtfEvent): void {
    const context = eventContext(event);
    if (context === undefined) {
      this.counts.foreign += 1;
      return;
    }
    const syscall = syscallEvent(event.name, event.fields);
    if (syscall?.phase === 'entry') this.entry(event, context, syscall);
    else if (syscall?.phase === 'exit') this.exit(event, context, syscall);
    else if (event.name === 'skua_fd') this.fd(event, context);
    else if (event.name === 'skua_mapping') this.mapping(event, context);
    else this.tracepoint(event, context);
  }

  private entry(event: CtfEvent, context: EventContext, syscall: SyscallEvent): void {
    const lost = this.openIn(context.tid);
    if (lost !== undefined) this.unfinished(lost, 'lost');
    // Skua's own call: it says so at its entry, so that it is nobody's span even when its exit is lost. Others may refer to its stack.
    if ((context.flags & SKUA.FLAG_CONTROL) !== 0) {
      if (this.sample(event, context)) this.emit({ kind: 'forget', id: context.syscall });
      return;
    }
    const ids = this.idsOf(event, context);
    const sampled = this.sample(event, context);
    const decoded = decodeEntry(
      syscall.name,
      syscall.unknown ? namedWords(syscall.name, event.fields) : event.fields,
    );
    const open: OpenSyscall = {
      id: context.syscall,
      event: syscall,
      context,
      ids,
      startNs: event.timestampNs,
      cpu: event.cpu,
      decoded,
      events: [],
      states: new ThreadStates(
        event.timestampNs,
        !this.scheduling
          ? 'tracepoints-off'
          : event.timestampNs <= this.lostUntilNs
            ? 'events-lost'
            : undefined,
      ),
      sampled,
      dropped: 0,
      lost: 0,
      provisional: false,
    };
    if (this.open.size >= MAX_OPEN) this.evictOldest();
    this.open.set(open.id, open);
    this.openOfThread.set(context.tid, open.id);
    // It restores the interrupted context and never returns as a call: all there will be to know is known.
    if (syscall.name === 'rt_sigreturn') this.unfinished(open, 'no-exit-event', event.timestampNs);
  }

  /** Hands on the stack of an entry, if it has one. */
  private sample(event: CtfEvent, context: EventContext): boolean {
    const stack = event.context['skua_stack'];
    if (!(stack instanceof Uint8Array) || stack.length === 0) return false;
    this.emit({ kind: 'sample', id: context.syscall, pid: context.pid, stack });
    return true;
  }

  private exit(event: CtfEvent, context: EventContext, syscall: SyscallEvent): void {
    const open = this.open.get(context.syscall);
    const control = (context.flags & SKUA.FLAG_CONTROL) !== 0;
    if (control) this.counts.control += 1;
    if (open === undefined) {
      // The write that arms a thread has an exit only, with id 0 and the control flag. Anything else lost its entry.
      if (!control) this.counts.entryLost += 1;
      return;
    }
    this.close(open);
    if (control) {
      if (open.sampled) this.emit({ kind: 'forget', id: open.id });
      return;
    }
    const outcome = decodeOutcome(syscall.name, event.fields['ret']);
    if (!syscall.unknown) decodeExitArguments(syscall.name, event.fields, open.decoded);
    if (syscall.name.startsWith('exec') && outcome.ret === 0) this.emit({ kind: 'exec', pid: context.pid });
    if (syscall.name === 'connect' && (outcome.ret === 0 || outcome.ret === IN_PROGRESS))
      this.connected(open);
    this.counts.spans += 1;
    this.deliver(open, event.timestampNs, outcome.attributes, outcome.status);
  }

  private connected({ context, decoded }: OpenSyscall): void {
    const peer = decoded.values[decoded.names.indexOf('address')];
    const [fd] = decoded.fds;
    if (typeof peer === 'string' && fd !== undefined) this.descriptors.connected(context.tid, fd, peer);
  }

  private fd(event: CtfEvent, context: EventContext): void {
    const path = event.fields['path'];
    if (typeof path === 'string') this.descriptors.report(context.tid, Number(event.fields['fd']), path);
  }

  private mapping(event: CtfEvent, context: EventContext): void {
    const f = event.fields;
    const word = (name: string): bigint => BigInt((f[name] as bigint | number | undefined) ?? 0n);
    const path: CtfValue | undefined = f['path'];
    this.emit({
      kind: 'mapping',
      pid: context.pid,
      mapping: {
        start: word('start'),
        end: word('end'),
        pgoff: word('pgoff'),
        ino: word('ino'),
        devMajor: Number(f['dev_major']),
        devMinor: Number(f['dev_minor']),
        path: typeof path === 'string' ? path : '',
      },
    });
  }

  private tracepoint(event: CtfEvent, context: EventContext): void {
    const open = context.syscall === 0n ? undefined : this.open.get(context.syscall);
    const control = (context.flags & SKUA.FLAG_CONTROL) !== 0;
    const waker = wakerOf(event, context, open !== undefined && !control);
    const record = tracepointEvent(event, context.flags);
    const about: SpanEvent =
      waker === undefined
        ? record
        : { ...record, attributes: { ...record.attributes, ...wakerAttributes(waker) } };
    const subject = subjectOf(event, context);
    const other = subject === 'own' ? open : subject && this.openIn(subject.tid);
    const own = subject === 'own' || (other !== undefined && other === open) ? about : record;
    if (open !== undefined) {
      this.addEvent(open, own);
      switchedAway(event, context, open.states);
    } else if (!control) {
      // Also when the syscall's entry was lost: the event then still belongs to the user span.
      this.emit({ kind: 'user-event', event: this.userEvent(event, context, own) });
    }
    if (other !== undefined) {
      happensTo(event, waker, other.states);
      if (other !== open) this.addEvent(other, about);
    }
    if (event.name === 'sched_process_exit') this.threadEnded(event, context);
  }

  private addEvent(open: OpenSyscall, event: SpanEvent): void {
    if (open.events.length < MAX_EVENTS) {
      open.events.push(event);
      return;
    }
    open.dropped += 1;
    this.counts.spanEvents += 1;
  }

  private openIn(tid: number): OpenSyscall | undefined {
    const id = this.openOfThread.get(tid);
    return id === undefined ? undefined : this.open.get(id);
  }

  private threadEnded(event: CtfEvent, context: EventContext): void {
    const open = this.openIn(context.tid);
    if (open !== undefined) {
      const expected = open.event.name === 'exit' || open.event.name === 'exit_group';
      this.unfinished(open, expected ? 'no-exit-event' : 'killed', event.timestampNs);
    }
    this.descriptors.threadEnded(context.tid);
    this.idsOfThread.delete(context.tid);
  }

  private loss({ cpu, count, endNs }: CtfLostEvents | CtfLostPackets): void {
    if (endNs > this.lostUntilNs) this.lostUntilNs = endNs;
    for (const open of this.open.values()) {
      if (open.cpu === cpu || cpu < 0) open.lost += count;
      // Whatever is about a thread may be recorded on any CPU.
      open.states.lost();
    }
    this.descriptors.forgetAll();
  }

  /** The user span of an entry. The first event of one tells that it exists, long before its client reports it. */
  private idsOf(event: CtfEvent, context: EventContext): UserSpanIds {
    const { traceHi, traceLo, span, tid } = context;
    const last = this.idsOfThread.get(tid);
    if (last?.span === span && last.traceLo === traceLo && last.traceHi === traceHi) return last;
    const ids = { traceHi, traceLo, span, traceId: traceIdOf(traceHi, traceLo), spanId: spanIdOf(span) };
    if (this.idsOfThread.size >= MAX_OPEN) this.idsOfThread.clear();
    this.idsOfThread.set(tid, ids);
    const key = ids.traceId + ids.spanId;
    if (!this.seenSpans.has(key)) {
      if (this.seenSpans.size >= MAX_SEEN_SPANS) this.seenSpans = new Set();
      this.seenSpans.add(key);
      this.emit({ kind: 'user-event', event: this.userEvent(event, context) });
    }
    return ids;
  }

  private userEvent(
    event: CtfEvent,
    context: EventContext,
    own?: SpanEvent,
  ): (KernelOutput & { kind: 'user-event' })['event'] {
    return {
      traceId: traceIdOf(context.traceHi, context.traceLo),
      spanId: spanIdOf(context.span),
      // Of an event about the thread, process and name are those of somebody else.
      ...((context.flags & SKUA.FLAG_SUBJECT) !== 0
        ? {}
        : { pid: context.pid, processName: context.processName }),
      timeNs: event.timestampNs,
      ...(own === undefined ? {} : { event: own }),
    };
  }

  private unfinished(open: OpenSyscall, reason: UnfinishedReason, endNs?: Nanoseconds): void {
    this.close(open);
    this.counts.spans += 1;
    this.counts.unfinished += 1;
    if (reason === 'lost') this.counts.exitLost += 1;
    this.deliver(open, endNs, { [ATTR.unfinished]: reason }, { code: 'unset' });
  }

  private close(open: OpenSyscall): void {
    this.open.delete(open.id);
    if (this.openOfThread.get(open.context.tid) === open.id) this.openOfThread.delete(open.context.tid);
  }

  private evictOldest(): void {
    for (const open of this.open.values()) {
      this.unfinished(open, 'lost');
      return;
    }
  }

  private deliver(
    open: OpenSyscall,
    endNs: Nanoseconds | undefined,
    outcome: Record<string, AttributeValue>,
    status: Span['status'],
    final = true,
  ): void {
    const { context, decoded, event } = open;
    const attributes = new AttributeList();
    attributes.add(ATTR.pid, context.pid);
    attributes.add(ATTR.osTid, context.tid);
    attributes.add(ATTR.cpu, open.cpu);
    if (event.nr !== undefined) attributes.add(ATTR.syscallNr, event.nr);
    if (context.processName !== '') attributes.add(ATTR.processName, context.processName);
    attributes.addPairs(decoded.attributes, decoded.values);
    if (decoded.names.length > 0)
      attributes.add(ATTR.syscallArgs, final ? decoded.names : [...decoded.names]);
    if (decoded.fds.length > 0) {
      const files = decoded.fds
        .map((fd) => this.descriptors.name(context.tid, fd))
        .filter((path) => path !== undefined);
      if (files.length > 0) attributes.add(ATTR.fdPath, files.length === 1 ? (files[0] ?? '') : files);
    }
    attributes.addAll(outcome);
    const links = endNs === undefined ? NO_LINKS : addTimes(attributes, open.states, endNs);
    if (open.lost > 0) attributes.add(ATTR.lostEvents, open.lost);
    if (open.dropped > 0) attributes.add(EVENTS_DROPPED, open.dropped);
    const parts = {
      id: open.id,
      pid: context.pid,
      traceId: open.ids.traceId,
      parentSpanId: open.ids.spanId,
      name: event.name,
      processName: context.processName,
      startNs: open.startNs,
      endNs,
      status,
      // What is final does not change any more.
      events: final ? open.events : [...open.events],
      links,
    };
    this.emit({ kind: 'span', span: new KernelSpan(parts, attributes), final });
  }
}
