// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-stats.c
 *
 * Counters since load, per CPU. Safe in any context; a sum read while they move may be off by what is in flight.
 */

#include <linux/percpu.h>
#include <linux/stringify.h>

#include "skua-internal.h"

static DEFINE_PER_CPU(u64 [SKUA_COUNTER_COUNT], counters);

#define SKUA_COUNTER_NAME(_name) __stringify(_name),
static const char * const names[] = { SKUA_COUNTERS(SKUA_COUNTER_NAME) };

void skua_count_add(enum skua_counter counter, u64 n)
{
	this_cpu_add(counters[counter], n);
}

u64 skua_count_read(enum skua_counter counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(counters, cpu)[counter]);
	return sum;
}

const char *skua_counter_name(enum skua_counter counter)
{
	return names[counter];
}
