import type { StackFrame } from '../../common/model/span';

/** An executable file mapping as the kernel event `skua_mapping` reports it. Addresses and `pgoff` in bytes. */
export interface ExecutableMapping {
  readonly start: bigint;
  readonly end: bigint;
  readonly pgoff: bigint;
  readonly ino: bigint;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly path: string;
}

/** Registers and stack of one thread at a syscall entry. */
export interface StackSample {
  /** Process (thread group) id. */
  readonly pid: number;
  /** Eight registers (kernel/include/skua_abi.h), then the stack from sp up. */
  readonly bytes: Uint8Array;
}

/** Why a stack has no more frames. Only `complete` reached the outermost one. */
export const STACK_ENDS = [
  'complete',
  'stack-truncated',
  'no-cfi',
  'bad-cfi',
  'unmapped-code',
  'module-changed',
  'module-missing',
  'module-invalid',
  'frame-limit',
  'no-stack',
  'helper-failed',
  'queue-full',
] as const;
export type StackEnd = (typeof STACK_ENDS)[number];

export type SourcePosition =
  /** `frame` is an index into `frames`; that frame has a file and a line. */
  | { readonly known: true; readonly frame: number }
  /** Why no line is claimed: see docs/source-lines.md. */
  | { readonly known: false; readonly reason: string };

export interface SymbolizedStack {
  /** Innermost first. */
  readonly frames: readonly StackFrame[];
  readonly end: StackEnd;
  readonly source: SourcePosition;
  /** Whether every syscall with the same call site has this stack. */
  readonly reusable: boolean;
}

export const failedStack = (end: StackEnd): SymbolizedStack => ({
  frames: [],
  end,
  source: { known: false, reason: end },
  // Nothing was looked at, and nothing else will be known about the site.
  reusable: true,
});
