// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-memo.c
 *
 * Captures that this CPU has made lately, so that a call from the same place with the same stack pointer needs its stack
 * neither copied nor hashed. A memo has the words of its capture that are part of the site: what unwinding it used is among
 * them. Where they have their values still, unwinding would use the same words again, and come to the same frames; so the
 * site is the same, whatever the other words are. docs/decisions/0018-call-sites.md tells where this ends.
 *
 * Of each CPU, used with preemption off and by syscall entries only, so that nobody else is in the middle of it.
 */

#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/uaccess.h>

#include "skua-internal.h"

#define MEMO_BITS 8
/* A capture of which more words count is not remembered. */
#define MEMO_WORDS 96

struct skua_memo {
	u64 ip, sp, epoch;
	u64 site; /* 0: empty */
	unsigned int registers, count; /* of the words, those that are registers come first */
	u16 at[MEMO_WORDS];	       /* number of the register, or of the word from sp up */
	u64 word[MEMO_WORDS];
};

static DEFINE_PER_CPU(struct skua_memo *, memos);

/* May sleep. A CPU without memory for memos, or that comes later, does without. */
void skua_memos_create(void)
{
	int cpu;

	for_each_online_cpu(cpu) {
		if (!per_cpu(memos, cpu))
			WRITE_ONCE(per_cpu(memos, cpu),
				   kvzalloc_node(sizeof(struct skua_memo) << MEMO_BITS, GFP_KERNEL, cpu_to_node(cpu)));
	}
}

/* When nobody can use them any more. */
void skua_memos_destroy(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		kvfree(per_cpu(memos, cpu));
		per_cpu(memos, cpu) = NULL;
	}
}

static struct skua_memo *memo_of(u64 epoch, u64 ip, u64 sp)
{
	struct skua_memo *table = __this_cpu_read(memos);

	return table ? &table[hash_64(ip + sp + epoch, MEMO_BITS)] : NULL;
}

/* The site of a call with these registers, or 0 when it is not remembered. Never faults. */
u64 skua_memo_find(const struct skua_ranges *ranges, const u64 *registers)
{
	const u64 ip = registers[SKUA_REG_IP], sp = registers[SKUA_REG_SP];
	const struct skua_memo *memo = memo_of(ranges->epoch, ip, sp);
	const u64 __user *stack = (const u64 __user *)sp;
	unsigned int i;
	u64 word, site = 0;

	if (!memo || !memo->site || memo->ip != ip || memo->sp != sp || memo->epoch != ranges->epoch)
		return 0;
	for (i = 0; i < memo->registers; i++)
		if (registers[memo->at[i]] != memo->word[i])
			return 0;
	if (i == memo->count)
		return memo->site;
	pagefault_disable();
	/* The words are in order. */
	if (user_access_begin(stack, (memo->at[memo->count - 1] + 1) * sizeof(u64))) {
		for (; i < memo->count; i++) {
			unsafe_get_user(word, stack + memo->at[i], unreadable);
			if (word != memo->word[i])
				break;
		}
		if (i == memo->count)
			site = memo->site;
unreadable:
		user_access_end();
	}
	pagefault_enable();
	return site;
}

/* Begins to remember a capture, in the place of another. NULL: it is not to be remembered. */
struct skua_memo *skua_memo_begin(u64 epoch, const u64 *words)
{
	struct skua_memo *memo = memo_of(epoch, words[SKUA_REG_IP], words[SKUA_REG_SP]);

	if (!memo)
		return NULL;
	memo->site = 0;
	memo->ip = words[SKUA_REG_IP];
	memo->sp = words[SKUA_REG_SP];
	memo->epoch = epoch;
	memo->registers = 0;
	memo->count = 0;
	return memo;
}

/* The word at this place of the capture is part of its site. In order. */
void skua_memo_add(struct skua_memo *memo, size_t place, u64 word)
{
	const bool is_register = place < SKUA_REGS_COUNT;

	if (memo->count < MEMO_WORDS) {
		memo->at[memo->count] = is_register ? place : place - SKUA_REGS_COUNT;
		memo->word[memo->count] = word;
		memo->registers += is_register;
	}
	memo->count++;
}

void skua_memo_end(struct skua_memo *memo, u64 site)
{
	if (memo->count <= MEMO_WORDS)
		memo->site = site;
}
