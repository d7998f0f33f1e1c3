/** What a guest's kernel says when something is wrong with it. Every file of this folder ends by looking for it on the guest's console. */
export const KERNEL_TROUBLE =
  /BUG:|WARNING:|Oops|general protection|possible recursive locking|lockdep|KASAN|UBSAN|soft lockup|RCU.*stall|rcu:.*stall|kmemleak|scheduling while atomic|list_(?:add|del) corruption/;

/** The lines that say so. */
export function kernelTrouble(console: string): readonly string[] {
  return console.split('\n').filter((line) => KERNEL_TROUBLE.test(line));
}
