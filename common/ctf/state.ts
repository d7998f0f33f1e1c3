import { ns, type Nanoseconds } from '../base/time';
import type { StringTable } from './strings';
import type { ClockClass } from './types';

const NO_BYTES = new Uint8Array(0);
const HALF = 2 ** 32;
const NS_PER_S = 1_000_000_000n;

/** Cycles to nanoseconds as babeltrace2 does it: exact at 1 GHz, else through a double. */
function cyclesToNs(cycles: bigint, frequency: bigint): bigint {
  if (frequency === NS_PER_S) return cycles;
  return BigInt(Math.trunc((1e9 * Number(cycles)) / Number(frequency)));
}

/** Nanoseconds from the Unix epoch to the clock's zero. */
export function clockOffsetNs(clock: ClockClass): bigint {
  // Whole seconds are taken out of the cycles first, so that little goes through the double.
  const seconds = clock.offsetCycles / clock.frequency;
  const cycles = clock.offsetCycles - seconds * clock.frequency;
  return (clock.offsetSeconds + seconds) * NS_PER_S + cyclesToNs(cycles, clock.frequency);
}

/**
 * What changes while the packets of one stream are decoded. The clock is kept as two 32-bit halves, so that the usual event
 * costs one bigint addition; the generated code calls the methods below.
 */
export class StreamState {
  /** Bits from the start of the packet. */
  pos = 0;
  id = 0;
  cpu = -1;
  /** Elements without size that the packet may still have; see codegen.ts. */
  budget = 0;
  /** The value of every empty byte array: most events of a trace have one. */
  readonly noBytes = NO_BYTES;
  private high = 0;
  private low = 0;
  private baseNs = 0n;
  private readonly exact: boolean;
  private readonly offsetNs: bigint;

  constructor(
    readonly strings: StringTable,
    private readonly clock: ClockClass | undefined,
  ) {
    this.exact = clock === undefined || clock.frequency === NS_PER_S;
    this.offsetNs = clock === undefined ? 0n : clockOffsetNs(clock);
    this.rebase(0);
  }

  private rebase(high: number): void {
    this.high = high;
    this.baseNs = this.offsetNs + (BigInt(high) << 32n);
  }

  setClock(high: number, low: number): void {
    if (high !== this.high) this.rebase(high);
    this.low = low;
  }

  setClockCycles(cycles: bigint): void {
    this.setClock(Number((cycles >> 32n) & 0xffff_ffffn), Number(cycles & 0xffff_ffffn));
  }

  /** The clock's low bits are now `value`; the clock never goes back, so a smaller value means one wrap of `span` = 2^bits. */
  advanceClock(value: number, span: number): void {
    const part = this.low % span;
    let next = this.low - part + value;
    if (value < part) next += span;
    if (next >= HALF) {
      next -= HALF;
      this.rebase((this.high + 1) % HALF);
    }
    this.low = next;
  }

  /** The same for 33 to 64 bits. */
  advanceClockWide(value: bigint, bits: number): void {
    const now = (BigInt(this.high) << 32n) | BigInt(this.low);
    const span = 1n << BigInt(bits);
    const part = now % span;
    this.setClockCycles(BigInt.asUintN(64, now - part + value + (value < part ? span : 0n)));
  }

  nowNs(): Nanoseconds {
    if (this.exact) return ns(this.baseNs + BigInt(this.low));
    return this.toNs((BigInt(this.high) << 32n) | BigInt(this.low));
  }

  toNs(cycles: bigint): Nanoseconds {
    return ns(this.offsetNs + cyclesToNs(cycles, this.clock?.frequency ?? NS_PER_S));
  }
}
