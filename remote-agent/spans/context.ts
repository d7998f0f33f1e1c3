/** The context fields of kernel/include/skua_abi.h and of the session's own `add-context`, read from an event. */
import type { CtfEvent, CtfFields, CtfValue } from '../../common/ctf/types';
import type { SpanId, TraceId } from '../../common/model/span';

export interface EventContext {
  readonly traceHi: bigint;
  readonly traceLo: bigint;
  /** The user span. */
  readonly span: bigint;
  /** Id of the system call in progress, 0 outside of one. */
  readonly syscall: bigint;
  readonly flags: number;
  readonly pid: number;
  readonly tid: number;
  readonly processName: string;
}

/** Undefined when the event lacks Skua's fields: the session then runs on modules that are not Skua's. */
export function eventContext(event: CtfEvent): EventContext | undefined {
  const c = event.context;
  const hi = c['skua_trace_hi'];
  const lo = c['skua_trace_lo'];
  const span = c['skua_span'];
  const syscall = c['skua_syscall'];
  if (hi === undefined || lo === undefined || span === undefined || syscall === undefined) return undefined;
  return {
    traceHi: word(hi),
    traceLo: word(lo),
    span: word(span),
    syscall: word(syscall),
    flags: integer(c, 'skua_flags'),
    pid: integer(c, 'pid', 'vpid'),
    tid: integer(c, 'tid', 'vtid'),
    processName: typeof c['procname'] === 'string' ? c['procname'] : '',
  };
}

/** 64 bits; what is smaller in the metadata comes as a number. */
const word = (value: CtfValue): bigint => (typeof value === 'bigint' ? value : BigInt(value as number));

function integer(fields: CtfFields, ...names: readonly string[]): number {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  }
  return 0;
}

export const hex64 = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, '0');
export const spanIdOf = (value: bigint): SpanId => hex64(value) as SpanId;
export const traceIdOf = (hi: bigint, lo: bigint): TraceId => (hex64(hi) + hex64(lo)) as TraceId;
