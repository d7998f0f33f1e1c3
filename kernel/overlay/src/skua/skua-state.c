// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-state.c
 *
 * The table of thread states: bounded, keyed by task, read under RCU (every tracepoint probe runs with preemption off).
 * A state is made when a thread first arms, and removed by that thread at its exit, so a task pointer in the table is
 * always that of a living thread.
 */

#include <linux/slab.h>
#include <linux/spinlock.h>

#include "skua-internal.h"

DEFINE_HASHTABLE(skua_states, SKUA_STATE_TABLE_BITS);
static DEFINE_RAW_SPINLOCK(states_lock);
static unsigned int states_live; /* under states_lock */

/* Every system call and every event looks at it; nothing else is to lie beside it. */
atomic_t skua_awake ____cacheline_aligned_in_smp = ATOMIC_INIT(0);

/* Makes the state of the current thread. -ENOSPC: too many threads have one. -ENOMEM. */
struct skua_state *skua_state_create(gfp_t gfp)
{
	struct skua_state *state;
	unsigned long flags;
	bool room;

	if (!skua_may_allocate(gfp))
		return ERR_PTR(-ENOMEM);
	state = kzalloc(struct_size(state, scratch, skua_scratch_bytes()), gfp | __GFP_ACCOUNT);
	if (!state)
		return ERR_PTR(-ENOMEM);
	state->task = current;
	state->stack_bytes = SKUA_STACK_NOT_TAKEN;

	raw_spin_lock_irqsave(&states_lock, flags);
	room = states_live < skua_max_states;
	if (room) {
		states_live++;
		atomic_inc(&skua_awake);
		hlist_add_head_rcu(&state->node, &skua_states[hash_ptr(state->task, SKUA_STATE_TABLE_BITS)]);
	}
	raw_spin_unlock_irqrestore(&states_lock, flags);
	if (!room) {
		kfree(state);
		skua_count(states_refused);
		return ERR_PTR(-ENOSPC);
	}
	skua_count(states_allocated);
	return state;
}

void skua_state_rest(struct skua_state *state, bool rest)
{
	if (state->resting == rest)
		return;
	WRITE_ONCE(state->resting, rest);
	atomic_add(rest ? -1 : 1, &skua_awake);
}

/* Forgets the thread that the state belongs to. Called by that thread, or when nothing can look states up any more. */
void skua_state_drop(struct skua_state *state)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&states_lock, flags);
	hlist_del_rcu(&state->node);
	states_live--;
	raw_spin_unlock_irqrestore(&states_lock, flags);
	skua_state_rest(state, true);
	skua_set_source(state, SKUA_FROM_WRITES);
	if (state->process)
		skua_process_put(state->process);
	kfree_rcu(state, rcu);
	skua_count(states_freed);
}

/* The state of the current thread, made if need be, with its address space's entry. -ENOSPC: too many states. -ENOMEM. */
struct skua_state *skua_state_ready(void)
{
	struct skua_state *state = skua_state_current();

	if (!state) {
		state = skua_state_create(GFP_KERNEL);
		if (IS_ERR(state))
			return state;
	}
	if (!state->process) {
		state->process = skua_process_get(GFP_KERNEL);
		if (!state->process)
			return ERR_PTR(-ENOMEM);
	}
	return state;
}

/*
 * Arms the current thread with these ids. -ENOSPC: too many armed threads. -ENOMEM.
 * An interrupt in between sees the thread unarmed, never a mixture of two records.
 */
int skua_state_arm(const struct skua_ids *ids)
{
	struct skua_state *state = skua_state_ready();

	if (IS_ERR(state))
		return PTR_ERR(state);
	skua_write_begin(state);
	WRITE_ONCE(state->armed, false);
	barrier();
	skua_set_source(state, SKUA_FROM_WRITES);
	state->ids = *ids;
	state->exec = false;
	skua_state_rest(state, false);
	skua_mark_control(state);
	barrier();
	WRITE_ONCE(state->armed, true);
	skua_write_end(state);
	skua_process_report(state, true);
	return 0;
}

/*
 * Detaches the current thread; remembers an unsampled record so that it can be read back. A thread of a registered process
 * needs a state for that: what it says itself beats the registration. -ENOSPC, -ENOMEM as for arming.
 */
int skua_state_disarm(const struct skua_ids *ids)
{
	struct skua_state *state = skua_state_current();

	if (!state) {
		if (!skua_process_is_registered())
			return 0;
		state = skua_state_create(GFP_KERNEL);
		if (IS_ERR(state))
			return PTR_ERR(state);
	}
	skua_write_begin(state);
	WRITE_ONCE(state->armed, false);
	barrier();
	skua_set_source(state, SKUA_FROM_WRITES);
	state->ids = *ids;
	skua_write_end(state);
	return 0;
}

void skua_states_destroy(void)
{
	struct skua_state *state;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(skua_states, bucket, next, state, node)
		skua_state_drop(state);
}
