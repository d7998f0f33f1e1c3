// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-account.c
 *
 * What each recording of a Skua session was offered, from its start to its stop: the left side of
 *
 *	offered = recorded + lost in the ring buffer
 *
 * so that whoever reads the trace can tell what is missing, wherever on the way it was lost, and also when the session, its
 * daemons or the reader have ended before it arrived. /proc/skua/sessions shows the accounts; the format is in
 * docs/kernel-abi.md.
 *
 * A recording has the account whose place is its generation modulo ACCOUNTS, so that counting needs no look-up. Those of
 * recordings that have stopped stay until their place is needed again.
 */

#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "skua-internal.h"

#define ACCOUNTS 32
#define NAME_BYTES 128

struct account {
	char name[NAME_BYTES];
	u32 generation; /* 0: not used yet */
	const struct skua_recorder *recorder; /* NULL once stopped; then lost is final */
	const void *session;
	struct skua_lost lost;
};

/* Of the accounts, not of the counters. Taken inside LTTng's sessions lock. */
static DEFINE_MUTEX(lock);
static struct account accounts[ACCOUNTS];
static DEFINE_PER_CPU(u64 [ACCOUNTS][SKUA_OFFERED_COUNT], offered);

void skua_account_add(u32 generation, enum skua_offered what)
{
	this_cpu_inc(offered[generation % ACCOUNTS][what]);
}

static u64 sum(const struct account *account, enum skua_offered what)
{
	u64 total = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		total += READ_ONCE(per_cpu(offered, cpu)[account - accounts][what]);
	return total;
}

/*
 * Opens an account. Returns the generation of the recording, the first one from `generation` on that has a free place, or 0
 * when there are as many recordings as accounts.
 */
u32 skua_account_open(u32 generation, const char *name, const void *session, const struct skua_recorder *recorder)
{
	struct account *account;
	unsigned int tries;
	int cpu;

	mutex_lock(&lock);
	for (tries = 0; tries < ACCOUNTS; tries++, generation++) {
		account = &accounts[generation % ACCOUNTS];
		if (account->recorder)
			continue;
		/* Nobody counts there any more: skua_account_close() is called when everybody has ended. */
		for_each_possible_cpu(cpu)
			memset(per_cpu(offered, cpu)[generation % ACCOUNTS], 0, sizeof(u64) * SKUA_OFFERED_COUNT);
		strscpy(account->name, name, sizeof(account->name));
		account->generation = generation;
		account->session = session;
		account->recorder = recorder;
		mutex_unlock(&lock);
		return generation;
	}
	mutex_unlock(&lock);
	return 0;
}

/* The recording has stopped, and what it admitted has been recorded or lost. */
void skua_account_close(u32 generation)
{
	struct account *account = &accounts[generation % ACCOUNTS];

	mutex_lock(&lock);
	account->recorder->lost(account->session, &account->lost);
	account->recorder = NULL;
	account->session = NULL;
	mutex_unlock(&lock);
}

static void show(struct seq_file *seq, const struct account *account)
{
	struct skua_lost lost = account->lost;
	u64 entries, exits, others;

	/* Before what was offered: a reading in the middle never shows more lost than offered. */
	if (account->recorder)
		account->recorder->lost(account->session, &lost);
	exits = sum(account, SKUA_OFFERED_EXITS);
	entries = sum(account, SKUA_OFFERED_ENTRIES);
	others = sum(account, SKUA_OFFERED_OTHERS);
	seq_printf(seq, "%u %s %llu %llu %llu %llu %llu %llu %llu ", account->generation,
		   account->recorder ? "running" : "stopped", entries + exits + others, entries, exits,
		   sum(account, SKUA_OFFERED_CONTROL), lost.full, lost.wrap, lost.big);
	seq_escape(seq, account->name, " \t\n\\");
	seq_putc(seq, '\n');
}

int skua_accounts_show(struct seq_file *seq, void *v)
{
	const struct account *account;

	seq_puts(seq, "generation state events entries exits control lost_full lost_wrap lost_big name\n");
	mutex_lock(&lock);
	for (account = accounts; account < accounts + ACCOUNTS; account++)
		if (account->generation)
			show(seq, account);
	mutex_unlock(&lock);
	return 0;
}
