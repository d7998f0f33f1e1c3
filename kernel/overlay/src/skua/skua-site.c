// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-site.c
 *
 * The call site of a syscall: a keyed hash of everything that unwinding its stack can depend on. Equal sites mean equal call
 * stacks and lines; why that is so is argued in docs/decisions/0018-call-sites.md.
 *
 * What goes in, besides the mappings' epoch, the instruction pointer and the length of the piece, is for each register and
 * each word of the piece
 *
 *	its value, when it points into executable memory (a return address, or one that could be taken for one)
 *	its distance from sp, when it points into the piece or near it (a frame pointer, or one that could be taken for one)
 *	that it is zero, when it is (the return address that ends a stack)
 *
 * and its position. Other words are data: buffers, counters, heap pointers. They differ from call to call and do not count.
 */

#include <linux/random.h>
#include <linux/siphash.h>

#include "skua-internal.h"

static siphash_key_t site_key __read_mostly;

/* SipHash-2-4 of 64-bit words as they come, without a buffer. */
struct sip {
	u64 v0, v1, v2, v3;
	u64 bytes;
};

static __always_inline void sip_begin(struct sip *sip)
{
	sip->v0 = SIPHASH_CONST_0 ^ site_key.key[0];
	sip->v1 = SIPHASH_CONST_1 ^ site_key.key[1];
	sip->v2 = SIPHASH_CONST_2 ^ site_key.key[0];
	sip->v3 = SIPHASH_CONST_3 ^ site_key.key[1];
	sip->bytes = 0;
}

static __always_inline void sip_add(struct sip *sip, u64 word)
{
	sip->v3 ^= word;
	SIPHASH_PERMUTATION(sip->v0, sip->v1, sip->v2, sip->v3);
	SIPHASH_PERMUTATION(sip->v0, sip->v1, sip->v2, sip->v3);
	sip->v0 ^= word;
	sip->bytes += sizeof(word);
}

static __always_inline u64 sip_end(struct sip *sip)
{
	int i;

	sip_add(sip, sip->bytes << 56);
	sip->v2 ^= 0xff;
	for (i = 0; i < 4; i++)
		SIPHASH_PERMUTATION(sip->v0, sip->v1, sip->v2, sip->v3);
	return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
}

/*
 * What is hashed of one word tells its position and kind, so that the sequence of them can be read in one way only:
 *
 *	bit 63      0                                  1
 *	bits 48-62  position                           number of the group of 32 words
 *	bit 47      0: code address, 1: distance
 *	bits 0-46   address, or distance + margin      which words of the group are zero (bits 0-31)
 */
#define KIND_DISTANCE BIT_ULL(47)
#define KIND_ZEROS BIT_ULL(63)
#define POSITION_SHIFT 48

/*
 * The site of a capture: registers and stack words one after the other, as they are sent. 0 when there is none, because the
 * stack is unaligned (its words are then not those that the unwinder reads) or ip is in no executable memory that is known.
 * The memo, when there is one, learns which words are part of it.
 */
u64 skua_site_of(const struct skua_ranges *ranges, const u64 *words, size_t bytes, struct skua_memo *memo)
{
	const size_t count = bytes / sizeof(u64);
	const u64 ip = words[SKUA_REG_IP], sp = words[SKUA_REG_SP];
	const u64 near = sp - SKUA_SITE_MARGIN;
	const u64 near_bytes = bytes - SKUA_REGS_BYTES + 2 * SKUA_SITE_MARGIN;
	struct sip sip;
	u32 zeros = 0;
	size_t i;
	u64 site;

	if (sp % sizeof(u64) || !skua_ranges_have(ranges, ip))
		return 0;
	sip_begin(&sip);
	sip_add(&sip, ranges->epoch);
	sip_add(&sip, bytes);
	for (i = 0; i < count; i++) {
		const u64 word = words[i];
		bool counts = false;

		if (i % 32 == 0) {
			if (zeros)
				sip_add(&sip, KIND_ZEROS | (u64)(i / 32) << POSITION_SHIFT | zeros);
			zeros = 0;
		}
		if (!word) {
			zeros |= 1u << i % 32;
			if (memo)
				skua_memo_add(memo, i, word);
			continue;
		}
		if (i == SKUA_REG_SP)
			continue;
		if (word - near < near_bytes) {
			sip_add(&sip, (u64)i << POSITION_SHIFT | KIND_DISTANCE | (word - near));
			counts = true;
		}
		if (skua_ranges_have(ranges, word)) {
			sip_add(&sip, (u64)i << POSITION_SHIFT | word);
			counts = true;
		}
		if (counts && memo)
			skua_memo_add(memo, i, word);
	}
	if (zeros)
		sip_add(&sip, KIND_ZEROS | (u64)(DIV_ROUND_UP(count, 32)) << POSITION_SHIFT | zeros);
	site = sip_end(&sip);
	if (!site)
		site = 1;
	if (memo)
		skua_memo_end(memo, site);
	return site;
}

void skua_site_init(void)
{
	get_random_bytes(&site_key, sizeof(site_key));
}
