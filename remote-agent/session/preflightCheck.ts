import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CtfItem } from '../../common/ctf/types';
import { SKUA } from '../../common/model/abi';
import { syscallsIn, type KernelAccount } from '../../common/model/kernelAccount';
import { armHelper, preflightId } from '../lttng/preflight';

/**
 * The one test that a session makes of itself: a helper arms itself and makes a system call, which must arrive. Its events are
 * nobody's: they are taken out of the stream, and counted.
 */
export class PreflightCheck {
  private readonly id = preflightId(randomBytes(8).readBigUInt64BE());
  private found: () => void = () => undefined;
  private readonly seen = new Promise<true>((resolve) => {
    this.found = () => {
      resolve(true);
    };
  });
  /** Of the helper, seen so far. */
  events = 0;
  private entries = 0;
  /** Of the helper too, by the kernel's count: set when some of its events did not fit into the buffers. */
  private made: number | undefined;

  constructor(private readonly account: () => Promise<KernelAccount | undefined>) {}

  /** The helper's system calls, but for those that are Skua's own anyway. */
  get syscalls(): number {
    return this.made ?? this.entries;
  }

  /** The items that are not the helper's. */
  filter(items: readonly CtfItem[]): readonly CtfItem[] {
    return items.filter((item) => {
      if (item.kind !== 'event') return true;
      const { context } = item;
      if (context['skua_trace_hi'] !== this.id.hi || context['skua_trace_lo'] !== this.id.lo) return true;
      this.events += 1;
      // A write's exit shows that the context works; a syscall's entry, that recording does.
      if (/^(compat_)?syscall_entry_/.test(item.name)) {
        if ((Number(context['skua_flags'] ?? 0) & SKUA.FLAG_CONTROL) === 0) this.entries += 1;
        this.found();
      }
      return false;
    });
  }

  /** Makes the test. Resolves to `seen`, or to `late` after `patienceMs`, or to what `given up` resolves to. */
  async make<T>(patienceMs: number, givenUp: Promise<T>): Promise<'seen' | 'late' | T> {
    await armHelper(this.id);
    const account = await this.account();
    if (account !== undefined && account.lost > 0) this.made = syscallsIn(account);
    return Promise.race([this.seen.then(() => 'seen' as const), givenUp, sleep(patienceMs, 'late' as const)]);
  }
}
