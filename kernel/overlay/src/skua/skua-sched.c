// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-sched.c
 *
 * Why an armed thread waited is told by events that happen elsewhere: somebody, armed or not, wakes it; a CPU switches to it.
 * Around the probes of such an event stands who it is about:
 *
 *	sched_waking(task): …_begin, LTTng's probes, …_end	all with interrupts off on one CPU
 *
 * so that sessions can admit it and give it the ids of that thread when the current one has none.
 *
 * prev_state does not always tell whether a thread that is switched away sleeps: up to Linux 6.13 it is the state that the
 * thread asked for, also when a pending signal made the scheduler keep it runnable. The thread itself shows it, between the
 * two hooks: its state is that of a sleeper, or of one being woken up, unless it never left the run queue.
 */

#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <asm/barrier.h>
#include <asm/processor.h>

#include "skua-internal.h"

#define SNAPSHOT_TRIES 16

static DEFINE_PER_CPU(struct skua_subject, subjects);
static DEFINE_PER_CPU(bool, stays_runnable);

const struct skua_subject *skua_subject(void)
{
	const struct skua_subject *subject = this_cpu_ptr(&subjects);

	/* An NMI between the two hooks is not about the thread. */
	return subject->valid && !in_nmi() ? subject : NULL;
}

bool skua_switched_runnable(void)
{
	return this_cpu_read(stays_runnable) && !in_nmi();
}

static void copy_values(const struct skua_state *state, struct skua_subject *subject)
{
	struct skua_values *values = &subject->values;
	u64 syscall = READ_ONCE(state->syscall);
	const struct skua_ids *ids = &state->ids;

	subject->syscall_generation = 0;
	subject->valid = READ_ONCE(state->armed);
	values->syscall = 0;
	values->flags = SKUA_FLAG_SAMPLED | SKUA_FLAG_SUBJECT;
	if (syscall && state->hook_generation == READ_ONCE(skua_hook_generation)) {
		subject->valid = true;
		subject->syscall_generation = state->syscall_generation;
		values->syscall = syscall;
		values->flags |= SKUA_FLAG_IN_SYSCALL;
		ids = &state->syscall_ids;
	}
	values->trace_hi = ids->trace_hi;
	values->trace_lo = ids->trace_lo;
	values->span = ids->span;
}

/* A thread that is about to sleep is done writing in a few nanoseconds. Whoever cannot wait that out counts it. */
static void take_snapshot(const struct skua_state *state, struct skua_subject *subject)
{
	u32 version;
	int i;

	for (i = 0; i < SNAPSHOT_TRIES; i++) {
		version = smp_load_acquire(&state->version); /* pairs with skua_write_end() */
		if (!(version & 1)) {
			copy_values(state, subject);
			smp_rmb(); /* pairs with skua_write_begin() */
			if (READ_ONCE(state->version) == version)
				return;
		}
		cpu_relax();
	}
	subject->valid = false;
	skua_count(subjects_missed);
}

static void begin(const struct task_struct *task)
{
	const struct skua_state *state = task == current ? NULL : skua_state_awake(task);

	if (unlikely(state))
		take_snapshot(state, this_cpu_ptr(&subjects));
}

static void end(void)
{
	this_cpu_write(subjects.valid, false);
}

/*
 * A thread that leaves the CPU says what its context is: from now on others may ask (copy_values()), who never look into its
 * memory.
 */
static void refresh_leaving(void)
{
	struct skua_state *state = skua_state_current();

	if (state && !skua_in_syscall(state))
		skua_refresh(state);
}

void skua_sched_switch_begin(void *data, bool preempt, struct task_struct *prev, struct task_struct *next,
			     unsigned int prev_state)
{
	if (unlikely(atomic_read(&skua_threads_in_memory)))
		refresh_leaving();
	begin(next);
	this_cpu_write(stays_runnable, preempt || READ_ONCE(prev->__state) == TASK_RUNNING);
}

void skua_sched_switch_end(void *data, bool preempt, struct task_struct *prev, struct task_struct *next,
			   unsigned int prev_state)
{
	this_cpu_write(stays_runnable, false);
	end();
}

void skua_sched_wake_begin(void *data, struct task_struct *task)
{
	begin(task);
}

void skua_sched_wake_end(void *data, struct task_struct *task)
{
	end();
}
