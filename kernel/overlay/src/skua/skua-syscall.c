// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-syscall.c
 *
 * What happens to a thread's state at syscall entry and exit and at exec, and which events a session admits.
 *
 *	entry of an armed thread    the syscall gets an id and a copy of the thread's ids
 *	until its exit event        events carry that id and that copy, whatever is written, to memory too, meanwhile
 *	after its exit event        id 0, the thread's ids
 *
 * Events about an armed thread that another one causes (waking it, switching to it) are admitted too, see skua-sched.c.
 *
 * Probes of Skua sessions are called from here, so that an unarmed thread pays for one look at the table of states and no more.
 *
 * So a syscall whose entry was recorded has its exit recorded under the same ids, also when it is the write that
 * detaches the thread, or an exec. skua_sys_enter() runs before and skua_sys_exit() after every probe of other
 * LTTng sessions, whose filters may ask for the context.
 */

#include <linux/atomic.h>
#include <linux/export.h>
#include <linux/preempt.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <asm/thread_info.h>

#include "skua-internal.h"

/* One of a channel, at one end of the syscalls. Changed under the tracer's sessions lock. */
struct skua_probe {
	struct hlist_node node;
	void (*call)(void *data, struct pt_regs *regs, long value);
	void *data;
	struct rcu_head rcu;
};

static struct hlist_head probes[2]; /* at entry, at exit */

/* Syscall ids are handed to threads in blocks, so that CPUs do not share a cache line at every syscall. */
#define ID_BLOCK 256

static atomic64_t next_block = ATOMIC64_INIT(0);

/* Ids are unique per boot, across reloads too: they start at the age of the system in ns, and are used up more slowly. */
void skua_ids_init(u64 first)
{
	atomic64_set(&next_block, first);
}

static u64 take_id(struct skua_state *state)
{
	if (state->next_id == state->end_id) {
		state->next_id = atomic64_fetch_add(ID_BLOCK, &next_block);
		state->end_id = state->next_id + ID_BLOCK;
	}
	return state->next_id++;
}

int skua_probe_register(bool at_exit, void (*call)(void *data, struct pt_regs *regs, long value), void *data)
{
	struct skua_probe *probe = kmalloc(sizeof(*probe), GFP_KERNEL);

	if (!probe)
		return -ENOMEM;
	probe->call = call;
	probe->data = data;
	hlist_add_head_rcu(&probe->node, &probes[at_exit]);
	return 0;
}
EXPORT_SYMBOL_GPL(skua_probe_register);

int skua_probe_unregister(bool at_exit, void *data)
{
	struct skua_probe *probe;

	hlist_for_each_entry(probe, &probes[at_exit], node) {
		if (probe->data != data)
			continue;
		hlist_del_rcu(&probe->node);
		kfree_rcu(probe, rcu);
		return 0;
	}
	return -ENOENT;
}
EXPORT_SYMBOL_GPL(skua_probe_unregister);

/* Preemption is off, and RCU waits for that. */
static void call_probes(bool at_exit, struct pt_regs *regs, long value)
{
	struct skua_probe *probe;

	hlist_for_each_entry_rcu_notrace(probe, &probes[at_exit], node)
		probe->call(probe->data, regs, value);
}

static noinline void enter_syscall(struct skua_state *state, struct pt_regs *regs, long nr)
{
	if (!state) {
		state = skua_state_from_process();
		if (!state)
			return;
	}
	WRITE_ONCE(state->syscall, 0);
	state->control = 0;
	state->control_at_entry = false;
	WRITE_ONCE(state->unarmed_syscall, 0);
	skua_refresh(state);
	if (!state->armed) {
		WRITE_ONCE(state->unarmed_syscall, READ_ONCE(skua_hook_generation));
		return;
	}
	skua_write_begin(state);
	state->syscall_ids = state->ids;
	/* Pairs with the release in skua_session_start(): a session that this syscall counts for sees its entry. */
	state->syscall_generation = smp_load_acquire(&skua_generation);
	state->hook_generation = READ_ONCE(skua_hook_generation);
	state->stack_bytes = SKUA_STACK_NOT_TAKEN;
	state->stack_short = false;
	state->mappings_known = false;
	barrier();
	WRITE_ONCE(state->syscall, take_id(state));
	skua_write_end(state);
	skua_count(syscalls);
	state->mappings_known = skua_process_report(state, false);
	skua_fd_report(state, regs, nr);
	call_probes(false, regs, nr);
}

/*
 * Every system call of the host comes here while a session runs. Most go at once; what the others need is in a function of its
 * own, so that these save no registers for it. Probes of tracepoints run with preemption off.
 */
void skua_sys_enter(void *data, struct pt_regs *regs, long nr)
{
	struct skua_state *state;

	if (!skua_anybody_awake())
		return;
	state = skua_state_of(current);
	if (unlikely(state ? !state->resting : atomic_read(&skua_processes_registered)))
		enter_syscall(state, regs, nr);
}

/*
 * An exit without an entry is recorded only of the write or registration that armed the thread, which carries
 * SKUA_FLAG_CONTROL.
 */
static bool exit_matters(const struct skua_state *state)
{
	return skua_in_syscall(state) || (state->armed && skua_is_control(state));
}

static bool may_change_mappings(const struct pt_regs *regs)
{
	/* x32 calls have the numbers of native ones. */
	return in_ia32_syscall() || skua_may_change_mappings(regs->orig_ax & ~__X32_SYSCALL_BIT);
}

static noinline void exit_syscall(struct skua_state *state, struct pt_regs *regs, long ret)
{
	if (may_change_mappings(regs))
		skua_process_changing(regs, in_ia32_syscall());
	if (!state)
		return;
	if (exit_matters(state))
		call_probes(true, regs, ret);
	WRITE_ONCE(state->syscall, 0);
	WRITE_ONCE(state->unarmed_syscall, 0);
	state->control = 0;
	if (state->exec)
		skua_state_drop(state);
	else
		skua_state_rest(state, state->source == SKUA_FROM_WRITES && !state->armed);
}

void skua_sys_exit(void *data, struct pt_regs *regs, long ret)
{
	struct skua_state *state = skua_state_awake(current);

	if (unlikely(state || may_change_mappings(regs)))
		exit_syscall(state, regs, ret);
}

/* A new program is not the one that armed the thread. The execve itself still belongs to it. */
void skua_process_exec(void *data, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct skua_state *state = skua_state_current();

	if (atomic_read(&skua_processes_registered))
		skua_process_executes(bprm);
	if (!state)
		return;
	if (!skua_in_syscall(state)) {
		skua_state_drop(state);
		return;
	}
	skua_write_begin(state);
	WRITE_ONCE(state->armed, false);
	skua_set_source(state, SKUA_FROM_WRITES);
	state->ids.valid = false;
	state->exec = true;
	skua_write_end(state);
	if (state->process) {
		skua_process_put(state->process);
		state->process = NULL;
	}
}

/* Whether the current thread, which is not in a syscall that has an id, is armed now. An NMI sees what was known last. */
static bool is_armed(struct skua_state *state)
{
	if (!in_nmi())
		skua_refresh(state);
	return READ_ONCE(state->armed);
}

bool skua_admits(u32 generation)
{
	const struct skua_subject *subject;
	struct skua_state *state;

	if (!skua_anybody_awake() || generation == SKUA_NOT_STARTED)
		return false;
	state = skua_state_current();
	if (state && !READ_ONCE(state->resting)) {
		if (unlikely(skua_is_reading(state)))
			return false;
		if (skua_in_syscall(state) ? state->syscall_generation >= generation : is_armed(state))
			return true;
	}
	subject = skua_subject();
	return unlikely(subject) && (!subject->syscall_generation || subject->syscall_generation >= generation);
}
EXPORT_SYMBOL_GPL(skua_admits);

bool skua_admits_entry(u32 generation)
{
	const struct skua_state *state = skua_state_current();

	return state && skua_in_syscall(state) && state->syscall_generation >= generation;
}
EXPORT_SYMBOL_GPL(skua_admits_entry);

bool skua_admits_exit(u32 generation)
{
	const struct skua_state *state = skua_state_current();

	if (likely(!state) || generation == SKUA_NOT_STARTED || !exit_matters(state))
		return false;
	return !skua_in_syscall(state) || state->syscall_generation >= generation;
}
EXPORT_SYMBOL_GPL(skua_admits_exit);

/* For filters, which may ask in any session and before skua_admits() did. */
void skua_refresh_current(void)
{
	struct skua_state *state = skua_state_current();

	if (state && !skua_in_syscall(state) && !in_nmi())
		skua_refresh(state);
}
EXPORT_SYMBOL_GPL(skua_refresh_current);

void skua_current_values(struct skua_values *values)
{
	const struct skua_state *state = skua_state_current();
	const struct skua_subject *subject;
	const struct skua_ids *ids;

	memset(values, 0, sizeof(*values));
	if (state && skua_in_syscall(state)) {
		ids = &state->syscall_ids;
		values->syscall = state->syscall;
		values->flags |= SKUA_FLAG_IN_SYSCALL;
		if (state->stack_short)
			values->flags |= SKUA_FLAG_STACK_SHORT;
	} else if (state && READ_ONCE(state->armed)) {
		ids = &state->ids;
	} else {
		subject = skua_subject();
		if (!subject)
			return;
		*values = subject->values;
		if (!in_task())
			values->flags |= SKUA_FLAG_INTERRUPT;
		return;
	}
	values->trace_hi = ids->trace_hi;
	values->trace_lo = ids->trace_lo;
	values->span = ids->span;
	values->flags |= SKUA_FLAG_SAMPLED;
	if (skua_is_control(state))
		values->flags |= SKUA_FLAG_CONTROL;
	if (!in_task())
		values->flags |= SKUA_FLAG_INTERRUPT;
	if (skua_switched_runnable())
		values->flags |= SKUA_FLAG_RUNNABLE;
}
EXPORT_SYMBOL_GPL(skua_current_values);

/*
 * Registers and user stack of the current thread's syscall are taken once and shared by all sessions; which of them get
 * a reference is decided for each event. To be called only for the event of a syscall's entry; preemption is off.
 */
size_t skua_entry_stack_size(struct skua_sites *sites)
{
	struct skua_state *state = skua_state_current();
	u64 site;

	if (!state || !skua_in_syscall(state))
		return 0;
	if (state->stack_bytes == SKUA_STACK_NOT_TAKEN)
		skua_stack_take(state);
	site = *(const u64 *)state->scratch;
	if (site && sites && skua_sites_have(sites, site)) {
		state->stack_sent = SKUA_SITE_BYTES;
	} else {
		/* Remembered, but this session does not have it. */
		if (state->stack_bytes == SKUA_SITE_BYTES)
			skua_stack_take_rest(state);
		state->stack_sent = state->stack_bytes;
	}
	return state->stack_sent;
}
EXPORT_SYMBOL_GPL(skua_entry_stack_size);

const u8 *skua_entry_stack(size_t *bytes)
{
	const struct skua_state *state = skua_state_current();

	*bytes = state && skua_in_syscall(state) ? state->stack_sent : 0;
	return *bytes ? state->scratch : NULL;
}
EXPORT_SYMBOL_GPL(skua_entry_stack);

void skua_entry_stack_recorded(struct skua_sites *sites)
{
	const struct skua_state *state = skua_state_current();
	u64 site = *(const u64 *)state->scratch;

	if (state->stack_sent == SKUA_SITE_BYTES) {
		skua_count(sites_known);
	} else if (!site || !sites) {
		skua_count(sites_none);
	} else {
		skua_sites_add(sites, site);
		skua_count(sites_new);
	}
}
EXPORT_SYMBOL_GPL(skua_entry_stack_recorded);
