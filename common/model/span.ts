import type { Nanoseconds } from '../base/time';

/** 32 lowercase hexadecimal digits, W3C Trace Context order. Jaeger's 64-bit ids are padded with leading zeros. */
export type TraceId = string & { readonly __id: 'trace' };
/** 16 lowercase hexadecimal digits. */
export type SpanId = string & { readonly __id: 'span' };

export type AttributeValue =
  string | number | bigint | boolean | readonly (string | number | bigint | boolean)[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface SpanEvent {
  readonly timeNs: Nanoseconds;
  /** Tracepoint name (`sched_switch`) or the user's log name. */
  readonly name: string;
  readonly attributes: Attributes;
}

export interface SpanLink {
  readonly traceId: TraceId;
  readonly spanId: SpanId;
  readonly attributes: Attributes;
}

/** Where a span comes from: reported by the program's tracing client, or built from kernel events. */
export type SpanOrigin = 'user' | 'kernel';

/**
 * A span as OpenTelemetry defines it (https://opentelemetry.io/docs/specs/otel/trace/api/#span). A span may be delivered again
 * under the same (traceId, spanId); the later delivery replaces the earlier one (an unfinished span that finishes, a syscall
 * whose source line is known a moment later).
 */
export interface Span {
  readonly traceId: TraceId;
  readonly spanId: SpanId;
  readonly parentSpanId?: SpanId;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly origin: SpanOrigin;
  /** service.name of the resource; kernel spans carry that of the program they ran in. */
  readonly service: string;
  readonly startNs: Nanoseconds;
  /** Absent while the span is unfinished; `skua.unfinished` then says why once it is known ("killed", "session-stopped"). */
  readonly endNs?: Nanoseconds;
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message?: string };
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
}

/** One frame of a user call stack, innermost first. Inlined frames precede the frame they were inlined into. */
export interface StackFrame {
  /** Absolute address in the process, `0x…`. */
  readonly address: string;
  readonly function?: string;
  /** Path as the compiler recorded it (made absolute with DW_AT_comp_dir). */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly inlined: boolean;
  /** Path of the ELF file; absent for anonymous memory. */
  readonly module?: string;
}

/** Attribute names that Skua itself writes. One list, so that agent, views and tests cannot disagree. */
export const ATTR = {
  syscallNr: 'skua.syscall.nr',
  syscallRet: 'skua.syscall.ret',
  syscallErrno: 'skua.syscall.errno',
  /** Each decoded argument is `skua.syscall.arg.<name>`; its order is in `skua.syscall.args` (a string list of names). */
  syscallArgs: 'skua.syscall.args',
  syscallArgPrefix: 'skua.syscall.arg.',
  fdPath: 'skua.fd.path',
  osTid: 'skua.os.tid',
  pid: 'process.pid',
  processName: 'process.executable.name',
  cpu: 'skua.cpu',
  /** True on a span that Skua put in place of one that the program's client has not reported (yet). */
  placeholder: 'skua.placeholder',
  /** "killed", "session-stopped", "no-exit-event" (exit, exit_group), "lost". */
  unfinished: 'skua.unfinished',
  /** Number of kernel events known to be lost while this span was open on its CPU(s). */
  lostEvents: 'skua.lost_events',
  /** Nanoseconds of a system call's duration on a CPU, waiting for one, and asleep. They add up to the duration exactly. */
  onCpuNs: 'skua.time.on_cpu_ns',
  runnableNs: 'skua.time.runnable_ns',
  blockedNs: 'skua.time.blocked_ns',
  /** Instead of these three: why they are not known (`TimesUnknown` in waiting.ts). */
  timesUnknown: 'skua.time.unknown',
  /** The states one after the other with their lengths in ns, `c1200 b15200000 r4000 c300`; absent when it never left its CPU. */
  states: 'skua.time.states',
  /** Who ended the longest time asleep, also on each event `sched_waking`: the thread's name, or "interrupt" without pid and tid. */
  wakerName: 'skua.waker.name',
  wakerPid: 'skua.waker.pid',
  wakerTid: 'skua.waker.tid',
  /** The span that the waker was in when its thread was traced too: the system call's where there is one; and the user span. */
  wakerTraceId: 'skua.waker.trace_id',
  wakerSpanId: 'skua.waker.span_id',
  wakerUserSpanId: 'skua.waker.user_span_id',
  /** Of a span link that Skua made: what it means. "waker": a thread in that span woke this one. */
  link: 'skua.link',
  /** Why no source line is known: "no-debug-info", "unwind-failed", "module-changed", … */
  sourceUnknown: 'skua.source.unknown',
  codeFile: 'code.file.path',
  codeLine: 'code.line.number',
  codeColumn: 'code.column.number',
  codeFunction: 'code.function.name',
  /** Text, one frame a line, innermost first: `function (file:line)` or `0xADDR (module)`; inlined ones end in ` [inlined]`. */
  codeStacktrace: 'code.stacktrace',
  /** Upper bound in ns of the error between kernel and user timestamps, measured, on the first user span of each process. */
  clockErrorNs: 'skua.clock.error_ns',
} as const;
