import type { Span } from '../../common/model/span';
import type { KernelSpan } from './kernelSpan';

/** An executable mapping of a process, as recorded in a `skua_mapping` event. */
export interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
  /** Bytes. */
  readonly pgoff: bigint;
  readonly ino: bigint;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly path: string;
}

/**
 * What the kernel span builder tells, in the order of the events: samples, mappings and execs must reach the symbolizer in this
 * very order.
 */
export type KernelOutput =
  /** The user stack at a syscall's entry. The span with `id` follows later. */
  | { readonly kind: 'sample'; readonly id: bigint; readonly pid: number; readonly stack: Uint8Array }
  | { readonly kind: 'mapping'; readonly pid: number; readonly mapping: Mapping }
  /** The process' mappings are void: it executed another program, or ended. */
  | { readonly kind: 'exec'; readonly pid: number }
  /** `final` is false for a span still open; its final version follows under the same span id. */
  | { readonly kind: 'span'; readonly span: KernelSpan; readonly final: boolean }
  /** A syscall whose sample will not be asked for any more (Skua's own, or lost). */
  | { readonly kind: 'forget'; readonly id: bigint }
  /** A kernel event belongs to a user span: it fired outside of any system call, or is its first sign of life. */
  | { readonly kind: 'user-event'; readonly event: UserSpanEvent };

/** The user span that a kernel event names, and the event when it is one of its own. */
export interface UserSpanEvent {
  readonly traceId: string;
  readonly spanId: string;
  /** Of its thread; unknown when the event was recorded on another one's time. */
  readonly pid?: number;
  readonly processName?: string;
  readonly timeNs: bigint;
  readonly event?: Span['events'][number];
}
