// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-site-table.c
 *
 * The call sites whose full stack is in a session's trace already. Read and written by any CPU without locks: an entry is
 * one word, and an entry that is lost or evicted only means that the stack is sent in full once more.
 */

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "skua-internal.h"

/* Sites with the same lower bits share a set, a cache line on most machines. */
#define WAYS 8

/* Sessions that have a table; without any, sites need not be calculated. */
static atomic_t tables = ATOMIC_INIT(0);

struct skua_sites {
	size_t bytes;
	u64 set_mask;
	u64 site[] ____cacheline_aligned; /* WAYS for each set; 0: free */
};

static u64 *set_of(struct skua_sites *sites, u64 site)
{
	return &sites->site[(site & sites->set_mask) * WAYS];
}

/* NULL when the table is turned off (skua_sites=0) or there is no memory; then every stack is sent in full. */
struct skua_sites *skua_sites_create(void)
{
	struct skua_sites *sites;
	size_t entries;

	if (!skua_max_sites)
		return NULL;
	entries = roundup_pow_of_two(clamp_t(size_t, READ_ONCE(skua_max_sites), WAYS, SKUA_SITES_MAX));
	sites = kvzalloc(struct_size(sites, site, entries), GFP_KERNEL_ACCOUNT);
	if (!sites)
		return NULL;
	sites->bytes = entries * sizeof(u64);
	sites->set_mask = entries / WAYS - 1;
	skua_memos_create();
	atomic_inc(&tables);
	return sites;
}
EXPORT_SYMBOL_GPL(skua_sites_create);

/* For a session that starts anew: what it recorded before may have been cleared away. */
void skua_sites_clear(struct skua_sites *sites)
{
	if (sites)
		memset(sites->site, 0, sites->bytes);
}
EXPORT_SYMBOL_GPL(skua_sites_clear);

void skua_sites_destroy(struct skua_sites *sites)
{
	if (sites)
		atomic_dec(&tables);
	kvfree(sites);
}
EXPORT_SYMBOL_GPL(skua_sites_destroy);

bool skua_sites_wanted(void)
{
	return atomic_read(&tables);
}

bool skua_sites_have(struct skua_sites *sites, u64 site)
{
	const u64 *set = set_of(sites, site);
	int i;

	for (i = 0; i < WAYS; i++)
		if (READ_ONCE(set[i]) == site)
			return true;
	return false;
}

/* Preemption is off, so that the set's entries are not changed by this CPU meanwhile; other CPUs may. */
void skua_sites_add(struct skua_sites *sites, u64 site)
{
	u64 *set = set_of(sites, site);
	int i;

	for (i = 0; i < WAYS; i++) {
		u64 old = READ_ONCE(set[i]);

		if (!old)
			old = cmpxchg64(&set[i], 0, site);
		if (!old || old == site)
			return;
	}
	/* Which one has to go is decided by bits of the new site that do not name the set: as good as random. */
	WRITE_ONCE(set[site >> 61], site);
	skua_count(sites_evicted);
}
