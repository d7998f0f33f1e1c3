// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-stack.c
 *
 * User registers and a piece of the user stack, taken at syscall entry without ever faulting: a page that is not there is
 * not brought in, the piece is short instead. The call site stands in front, so that a reference to it is the beginning of
 * its definition:
 *
 *	scratch: │ site │ ip sp bp bx r12 r13 r14 r15 │ stack from sp up … │
 *	         └─ reference ─┘
 *	         └─ definition ───────────────────────────────────────────┘
 */

#include <linux/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>
#include <asm/ptrace.h>

#include "skua-internal.h"

#ifndef CONFIG_X86_64
#error "Skua reads x86-64 registers; another architecture needs its own SKUA_REGS"
#endif

/* Bytes wanted from sp up. The main thread's stack ends below the environment strings; a thread's end is not known here. */
static size_t wanted(const struct mm_struct *mm, unsigned long sp)
{
	size_t bytes = skua_stack_limit;
	unsigned long end;

	if (sp > mm->start_stack || sp < mm->start_stack - rlimit(RLIMIT_STACK))
		return bytes;
	end = PAGE_ALIGN(READ_ONCE(mm->env_end));
	return end > sp ? min_t(size_t, bytes, end - sp) : bytes;
}

/* Where the thread's executable memory is, when sites are wanted and it is known. Preemption is off, and RCU waits for it. */
static const struct skua_ranges *ranges_of(const struct skua_state *state)
{
	if (!skua_sites_wanted() || !state->mappings_known || !state->process)
		return NULL;
	return rcu_dereference_sched(state->process->ranges);
}

/* Takes the site alone when the call is remembered, else everything. */
void skua_stack_take(struct skua_state *state)
{
	const struct pt_regs *regs = task_pt_regs(current);
	const struct skua_ranges *ranges = ranges_of(state);
	u64 *site = (u64 *)state->scratch;
	u64 *out = site + 1;

	*site = 0;
	out[0] = regs->ip;
	out[1] = regs->sp;
	out[2] = regs->bp;
	out[3] = regs->bx;
	out[4] = regs->r12;
	out[5] = regs->r13;
	out[6] = regs->r14;
	out[7] = regs->r15;
	BUILD_BUG_ON(SKUA_REGS_COUNT * sizeof(u64) != SKUA_REGS_BYTES);

	if (!current->mm) {
		state->stack_bytes = SKUA_SITE_BYTES + SKUA_REGS_BYTES;
		return;
	}
	if (ranges)
		*site = skua_memo_find(ranges, out);
	if (!*site) {
		skua_stack_take_rest(state);
		return;
	}
	state->stack_bytes = SKUA_SITE_BYTES;
	skua_count(sites_remembered);
}

/* Takes the piece of the stack after the registers, which have been taken, and calculates the site. */
void skua_stack_take_rest(struct skua_state *state)
{
	const struct skua_ranges *ranges = ranges_of(state);
	u64 *site = (u64 *)state->scratch;
	const u64 *words = site + 1;
	const unsigned long sp = words[SKUA_REG_SP];
	u8 *piece = state->scratch + SKUA_SITE_BYTES + SKUA_REGS_BYTES;
	size_t bytes = wanted(current->mm, sp);
	size_t left = bytes;

	pagefault_disable();
	if (access_ok((const void __user *)sp, bytes))
		left = __copy_from_user_inatomic(piece, (const void __user *)sp, bytes);
	pagefault_enable();
	if (left) {
		state->stack_short = true;
		if (left == bytes)
			skua_count(stack_unreadable);
		else
			skua_count(stack_short);
	}
	state->stack_bytes = SKUA_SITE_BYTES + SKUA_REGS_BYTES + bytes - left;
	*site = 0;
	/* A piece that is short now may be whole the next time: it is not remembered. */
	if (ranges)
		*site = skua_site_of(ranges, words, state->stack_bytes - SKUA_SITE_BYTES,
				     left ? NULL : skua_memo_begin(ranges->epoch, words));
}
