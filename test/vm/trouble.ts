import { afterEach, expect } from 'vitest';

/** What a guest's kernel says when something is wrong with it. Every file of this folder ends by looking for it on the guest's console. */
const KERNEL_TROUBLE =
  /BUG:|WARNING:|Oops|general protection|possible recursive locking|lockdep|KASAN|UBSAN|soft lockup|RCU.*stall|rcu:.*stall|kmemleak|scheduling while atomic|list_(?:add|del) corruption/;

interface Console {
  /** What the guest's kernel has printed. */
  console(): Promise<string>;
  close(): Promise<void>;
}

/** The lines that say so. */
export function kernelTrouble(console: string): readonly string[] {
  return console.split('\n').filter((line) => KERNEL_TROUBLE.test(line));
}

/** The end of a file of tests: closes its guest and fails if the kernel has complained. One that was not opened is not the failure to show. */
export async function closeWithoutTrouble(guest: Console | undefined): Promise<void> {
  if (guest === undefined) return;
  const console = await guest.console();
  await guest.close();
  expect(kernelTrouble(console), 'the guest kernel complains').toEqual([]);
}

/** Looks after each test for complaints since the one before, so that it is known which test they came from. */
export function watchTrouble(guest: () => Console): void {
  let seen = 0;
  afterEach(async () => {
    const console = await guest().console();
    const trouble = kernelTrouble(console.slice(seen));
    seen = console.length;
    expect(trouble, 'the guest kernel complains').toEqual([]);
  });
}
