// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-account.c
 *
 * What each recording of a Skua session was asked to keep, from its start to its stop, and what of that it kept:
 *
 *	offered    an event is admitted, and accepted by the session's filters and trackers: space is about to be reserved
 *	recorded   it got the space; the others were lost in the ring buffer
 *
 * so that whoever reads the trace can tell what is missing, wherever on the way it was lost, and also when the session, its
 * daemons or the reader have ended before it arrived. /proc/skua/sessions shows the accounts; the format is in
 * docs/kernel-abi.md.
 *
 * The amounts are per CPU and never freed, so that any context may count. Accounts of recordings that have stopped stay until
 * their place is needed again.
 */

#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "skua-internal.h"

#define ACCOUNTS 32
#define NAME_BYTES 256 /* as many as LTTng allows */

/* Exits are those of syscalls with an id; control are the syscalls among the entries that are Skua's own. */
enum amount {
	AMOUNT_RECORDED,
	AMOUNT_ENTRIES,
	AMOUNT_EXITS,
	AMOUNT_OTHERS,
	AMOUNT_CONTROL,
	AMOUNT_COUNT,
};

struct skua_account {
	char name[NAME_BYTES];
	u32 generation; /* 0: never used */
	bool running;
};

/* Of the accounts, not of the amounts. Taken inside LTTng's sessions lock. */
static DEFINE_MUTEX(lock);
static struct skua_account accounts[ACCOUNTS];
static DEFINE_PER_CPU(u64 [ACCOUNTS][AMOUNT_COUNT], amounts);

static void count(const struct skua_account *account, enum amount amount)
{
	this_cpu_inc(amounts[account - accounts][amount]);
}

static u64 sum(const struct skua_account *account, enum amount amount)
{
	u64 total = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		total += READ_ONCE(per_cpu(amounts, cpu)[account - accounts][amount]);
	return total;
}

/* A syscall is counted as Skua's own once: with its entry when that can tell, else with its exit. */
void skua_account_offered(struct skua_account *account, enum skua_event event)
{
	const struct skua_state *state = event == SKUA_EVENT_OTHER ? NULL : skua_state_current();

	if (!state || !skua_in_syscall(state)) {
		count(account, AMOUNT_OTHERS);
	} else if (event == SKUA_EVENT_ENTRY) {
		count(account, AMOUNT_ENTRIES);
		if (state->control_at_entry)
			count(account, AMOUNT_CONTROL);
	} else {
		count(account, AMOUNT_EXITS);
		if (skua_is_control(state) && !state->control_at_entry)
			count(account, AMOUNT_CONTROL);
	}
}
EXPORT_SYMBOL_GPL(skua_account_offered);

void skua_account_recorded(struct skua_account *account)
{
	count(account, AMOUNT_RECORDED);
}
EXPORT_SYMBOL_GPL(skua_account_recorded);

/* Opens an account in the place of the oldest that has stopped. NULL: as many recordings run as there are places. */
struct skua_account *skua_account_open(u32 generation, const char *name)
{
	struct skua_account *account, *oldest = NULL;
	int cpu;

	mutex_lock(&lock);
	for (account = accounts; account < accounts + ACCOUNTS; account++)
		if (!account->running && (!oldest || account->generation < oldest->generation))
			oldest = account;
	if (oldest) {
		/* Nobody counts there any more: skua_account_close() is called when everybody has ended. */
		for_each_possible_cpu(cpu)
			memset(per_cpu(amounts, cpu)[oldest - accounts], 0, sizeof(u64) * AMOUNT_COUNT);
		strscpy(oldest->name, name, sizeof(oldest->name));
		oldest->generation = generation;
		oldest->running = true;
	}
	mutex_unlock(&lock);
	return oldest;
}

/* The recording has stopped, and nothing that it admitted is in progress any more. */
void skua_account_close(struct skua_account *account)
{
	mutex_lock(&lock);
	account->running = false;
	mutex_unlock(&lock);
}

static void show(struct seq_file *seq, const struct skua_account *account)
{
	/* In this order, so that a reading in the middle shows neither more recorded than offered nor more exits than entries. */
	u64 recorded = sum(account, AMOUNT_RECORDED);
	u64 control = sum(account, AMOUNT_CONTROL);
	u64 exits = sum(account, AMOUNT_EXITS);
	u64 entries = sum(account, AMOUNT_ENTRIES);
	u64 others = sum(account, AMOUNT_OTHERS);

	seq_printf(seq, "%u %s %llu %llu %llu %llu %llu ", account->generation, account->running ? "running" : "stopped",
		   entries + exits + others, recorded, entries, exits, control);
	seq_escape(seq, account->name, " \t\n\\");
	seq_putc(seq, '\n');
}

int skua_accounts_show(struct seq_file *seq, void *v)
{
	const struct skua_account *account;

	seq_puts(seq, "generation state events recorded entries exits control name\n");
	mutex_lock(&lock);
	for (account = accounts; account < accounts + ACCOUNTS; account++)
		if (account->generation)
			show(seq, account);
	mutex_unlock(&lock);
	return 0;
}
