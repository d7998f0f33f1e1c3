// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-main.c
 *
 * The skua module: per-thread trace context for LTTng. Loading, parameters, and the hooks it puts on kernel tracepoints:
 * exec and thread exit always, syscall entry and exit and scheduling only while a Skua session runs (they cost every thread
 * of the host).
 */

#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include <skua/skua-trace.h>
#include <skua/skua_source.h>
#include <wrapper/tracepoint.h>

#include "skua-internal.h"

LTTNG_DEFINE_TRACE(skua_mapping,
	TP_PROTO(const struct skua_mapping *mapping, const char *path),
	TP_ARGS(mapping, path));

LTTNG_DEFINE_TRACE(skua_fd,
	TP_PROTO(int fd, u64 ino, const char *path),
	TP_ARGS(fd, ino, path));

#define STACK_LIMIT_MAX 16384

static unsigned int gid;
module_param(gid, uint, 0444);
MODULE_PARM_DESC(gid, "Group that may write records to /proc/skua/context (default 0)");

unsigned int skua_stack_limit = 1024;
module_param_named(skua_stack_bytes, skua_stack_limit, uint, 0444);
MODULE_PARM_DESC(skua_stack_bytes, "Bytes of user stack recorded at syscall entry (default 1024, at most 16384)");

unsigned int skua_max_sites = 8192;
module_param_named(skua_sites, skua_max_sites, uint, 0644);
MODULE_PARM_DESC(skua_sites,
		 "Call sites that a session started from now on remembers, at most 65536; 0: every stack in full (default 8192)");

unsigned int skua_max_states = 8192;
module_param_named(max_states, skua_max_states, uint, 0444);
MODULE_PARM_DESC(max_states, "Most threads that may have a context at a time (default 8192)");

u32 skua_generation = 1;
u32 skua_hook_generation = 1;
unsigned int skua_sessions;

size_t skua_scratch_bytes(void)
{
	return max_t(size_t, SKUA_SCRATCH_MIN_BYTES, SKUA_SITE_BYTES + SKUA_REGS_BYTES + skua_stack_limit);
}

static void thread_exit(void *data, struct task_struct *task)
{
	struct skua_state *state = skua_state_current();

	if (state)
		skua_state_drop(state);
	/* The process ends with its last thread; skua_register_process() tells how the two cannot miss each other. */
	if (atomic_read(&skua_processes_registered) && !atomic_read(&current->signal->live))
		skua_process_unregister(current->signal);
}

struct hook {
	const char *name;
	void *probe;
	int priority; /* LTTng's probes have the default, 10; higher ones run first */
	struct tracepoint *tracepoint;
	bool set;
};

static struct hook thread_hooks[] = {
	{ .name = "sched_process_exit", .probe = thread_exit, .priority = 0 },
	{ .name = "sched_process_exec", .probe = skua_process_exec, .priority = 0 },
};

static struct hook syscall_hooks[] = {
	{ .name = "sys_enter", .probe = skua_sys_enter, .priority = INT_MAX },
	{ .name = "sys_exit", .probe = skua_sys_exit, .priority = 0 },
};

/*
 * An event about a thread lies between two hooks, see skua-sched.c. The end is set first and cleared last: a beginning
 * without an end would leave the thread noted for the events that follow.
 */
static struct hook sched_hooks[] = {
	{ .name = "sched_switch", .probe = skua_sched_switch_end, .priority = 0 },
	{ .name = "sched_switch", .probe = skua_sched_switch_begin, .priority = INT_MAX },
	{ .name = "sched_waking", .probe = skua_sched_wake_end, .priority = 0 },
	{ .name = "sched_waking", .probe = skua_sched_wake_begin, .priority = INT_MAX },
	{ .name = "sched_wakeup", .probe = skua_sched_wake_end, .priority = 0 },
	{ .name = "sched_wakeup", .probe = skua_sched_wake_begin, .priority = INT_MAX },
};

static void clear_hooks(struct hook *hooks, size_t count)
{
	while (count--) {
		if (hooks[count].set)
			tracepoint_probe_unregister(hooks[count].tracepoint, hooks[count].probe, NULL);
		hooks[count].set = false;
	}
}

static int set_hooks(struct hook *hooks, size_t count)
{
	size_t i;
	int ret;

	for (i = 0; i < count; i++) {
		ret = tracepoint_probe_register_prio(hooks[i].tracepoint, hooks[i].probe, NULL, hooks[i].priority);
		if (ret) {
			clear_hooks(hooks, i);
			return ret;
		}
		hooks[i].set = true;
	}
	return 0;
}

static void match_tracepoint(struct tracepoint *tracepoint, void *data)
{
	struct hook *hook = data;

	if (!strcmp(tracepoint->name, hook->name))
		hook->tracepoint = tracepoint;
}

static int find_tracepoints(struct hook *hooks, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		for_each_kernel_tracepoint(match_tracepoint, &hooks[i]);
		if (!hooks[i].tracepoint) {
			pr_err("skua: this kernel has no tracepoint %s\n", hooks[i].name);
			return -ENODEV;
		}
	}
	return 0;
}

/*
 * A session begins to record. Its generation is set before it is published to syscall entries, so that a syscall either
 * began too early for the session (whole syscall not admitted) or its entry was admitted. -ENOSPC: too many sessions run.
 */
int skua_session_start(u32 *generation, struct skua_account **account, const char *name)
{
	u32 next = skua_generation + 1;
	struct skua_account *opened;
	int ret;

	if (!skua_sessions) {
		ret = set_hooks(syscall_hooks, ARRAY_SIZE(syscall_hooks));
		if (ret)
			return ret;
		ret = set_hooks(sched_hooks, ARRAY_SIZE(sched_hooks));
		if (ret) {
			clear_hooks(syscall_hooks, ARRAY_SIZE(syscall_hooks));
			return ret;
		}
		/* Only now: what is marked with the new number is also cleared, because the hook at syscall exit is there. */
		WRITE_ONCE(skua_hook_generation, skua_hook_generation + 1);
	}
	opened = skua_account_open(next, name);
	if (!opened)
		return -ENOSPC; /* So others run, and the hooks are theirs. */
	WRITE_ONCE(skua_sessions, skua_sessions + 1);
	WRITE_ONCE(*account, opened);
	/* Pairs with the acquire in skua_session_admits(): whatever is admitted has an account. */
	smp_store_release(generation, next);
	/* Pairs with the acquire in skua_sys_enter(). */
	smp_store_release(&skua_generation, next);
	return 0;
}
EXPORT_SYMBOL_GPL(skua_session_start);

/* A session stops. Safe to call for one that has not started. */
void skua_session_stop(u32 *generation, struct skua_account *account)
{
	if (*generation == SKUA_NOT_STARTED)
		return;
	WRITE_ONCE(*generation, SKUA_NOT_STARTED);
	WRITE_ONCE(skua_sessions, skua_sessions - 1);
	if (!skua_sessions) {
		clear_hooks(syscall_hooks, ARRAY_SIZE(syscall_hooks));
		clear_hooks(sched_hooks, ARRAY_SIZE(sched_hooks));
	}
	/* What was admitted has been recorded or lost when the account is closed. */
	tracepoint_synchronize_unregister();
	skua_account_close(account);
}
EXPORT_SYMBOL_GPL(skua_session_stop);

static int __init skua_init(void)
{
	int ret;

	if (skua_stack_limit > STACK_LIMIT_MAX || skua_max_sites > SKUA_SITES_MAX)
		return -EINVAL;
	skua_site_init();
	skua_ids_init(ktime_get_boottime_ns() + 1);
	ret = find_tracepoints(thread_hooks, ARRAY_SIZE(thread_hooks));
	if (ret)
		return ret;
	ret = find_tracepoints(syscall_hooks, ARRAY_SIZE(syscall_hooks));
	if (ret)
		return ret;
	ret = find_tracepoints(sched_hooks, ARRAY_SIZE(sched_hooks));
	if (ret)
		return ret;
	ret = set_hooks(thread_hooks, ARRAY_SIZE(thread_hooks));
	if (ret)
		return ret;
	ret = skua_proc_init(gid);
	if (ret) {
		clear_hooks(thread_hooks, ARRAY_SIZE(thread_hooks));
		tracepoint_synchronize_unregister();
	}
	return ret;
}
module_init(skua_init);

static void __exit skua_exit(void)
{
	skua_proc_exit();
	clear_hooks(thread_hooks, ARRAY_SIZE(thread_hooks));
	tracepoint_synchronize_unregister();
	skua_states_destroy();
	skua_registrations_destroy();
	WARN_ON(atomic_read(&skua_awake));
	skua_memos_destroy();
	pr_info("skua: unloaded, states allocated %llu freed %llu\n",
		skua_count_read(SKUA_COUNT_states_allocated), skua_count_read(SKUA_COUNT_states_freed));
}
module_exit(skua_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Per-thread trace context for LTTng");
MODULE_INFO(skua_source, SKUA_SOURCE_HASH);
