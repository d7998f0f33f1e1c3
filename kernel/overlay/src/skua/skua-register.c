// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-register.c
 *
 * Contexts that are read from memory instead of being written to /proc/skua/context:
 *
 *	address of the pointer ──► otel_thread_ctx_v1 ──► record (struct skua_record)
 *
 * The address is one that the thread registered, or follows from the thread's FS base and what was registered for its
 * process. All of it belongs to the program, which may change or unmap it at any time; it is read on the thread itself,
 * never faulting a page in, and nothing that is found there is believed (skua-record.h).
 *
 * When: at each syscall entry, at each event outside a syscall, and when the thread leaves the CPU.
 */

#include <linux/binfmts.h>
#include <linux/capability.h>
#include <linux/compiler.h>
#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <asm/fsgsbase.h>

#include "skua-internal.h"

#define REGISTRATION_TABLE_BITS 6

/*
 * glibc's dynamic thread vector, found at FS base + 8: an array of 16-byte entries, of which entry n begins with the
 * address of module n's block or GLIBC_DTV_UNALLOCATED. Entry -1 holds their number.
 */
#define GLIBC_TCB_DTV 8
#define GLIBC_DTV_ENTRY 16
#define GLIBC_DTV_UNALLOCATED (~0ULL)

/* A process is known by its signal_struct, which all of its threads share and an exec keeps. */
struct registration {
	struct hlist_node node;
	const struct signal_struct *process;
	u32 kind;
	bool after_exec; /* not in force yet */
	u64 module;
	s64 offset;
	struct rcu_head rcu;
};

static DEFINE_HASHTABLE(registrations, REGISTRATION_TABLE_BITS);
static DEFINE_RAW_SPINLOCK(registrations_lock);

atomic_t skua_threads_in_memory = ATOMIC_INIT(0);
atomic_t skua_processes_registered = ATOMIC_INIT(0);

static struct registration *find_registration(const struct signal_struct *process)
{
	struct registration *registration;

	hash_for_each_possible_rcu_notrace(registrations, registration, node, (unsigned long)process) {
		if (registration->process == process)
			return registration;
	}
	return NULL;
}

void skua_set_source(struct skua_state *state, enum skua_source source)
{
	bool before = state->source != SKUA_FROM_WRITES, after = source != SKUA_FROM_WRITES;

	state->source = source;
	if (before != after)
		atomic_add(after ? 1 : -1, &skua_threads_in_memory);
}

/* ---- reading ---- */

enum found {
	FOUND_NOTHING, /* no pointer, a null one, or that of a record which arms nobody */
	FOUND_HEADER,
	FOUND_UNREADABLE,
};

/* Page faults must be disabled. */
static bool read_word(u64 address, u64 *value)
{
	const u64 __user *from = (const u64 __user *)address;

	if (!user_access_begin(from, sizeof(*from)))
		return false;
	unsafe_get_user(*value, from, fault);
	user_access_end();
	return true;

fault:
	user_access_end();
	return false;
}

/* Page faults must be disabled. */
static enum found read_header(u64 address, struct skua_header *header)
{
	const struct skua_header __user *from = (const struct skua_header __user *)address;
	enum found found = FOUND_NOTHING;

	BUILD_BUG_ON(offsetofend(struct skua_header, rest) != SKUA_RECORD_HEADER_BYTES);
	BUILD_BUG_ON(sizeof(struct skua_record) != SKUA_RECORD_HEADER_BYTES);
	if (!user_access_begin(from, SKUA_RECORD_HEADER_BYTES))
		return FOUND_UNREADABLE;
	unsafe_get_user(header->rest, &from->rest, fault);
	if (skua_rest_may_arm(header->rest)) {
		unsafe_get_user(header->trace_hi, &from->trace_hi, fault);
		unsafe_get_user(header->trace_lo, &from->trace_lo, fault);
		unsafe_get_user(header->span, &from->span, fault);
		found = FOUND_HEADER;
	}
	user_access_end();
	return found;

fault:
	user_access_end();
	return FOUND_UNREADABLE;
}

/*
 * Where the current thread has its pointer by the registration of its process; 0 when it has none there: the thread is so
 * young that it has no thread-local storage yet, or has not touched that module's.
 */
static u64 locate(const struct registration *registration)
{
	u64 fs = x86_fsbase_read_cpu();
	u64 dtv, modules, block;

	if (!fs)
		return 0;
	if (registration->kind == SKUA_LOCATION_STATIC)
		return fs + registration->offset;
	if (!read_word(fs + GLIBC_TCB_DTV, &dtv) || !read_word(dtv - GLIBC_DTV_ENTRY, &modules) ||
	    registration->module > modules ||
	    !read_word(dtv + registration->module * GLIBC_DTV_ENTRY, &block) ||
	    !block || block == GLIBC_DTV_UNALLOCATED)
		return 0;
	return block + registration->offset;
}

static enum found read_at(u64 pointer, struct skua_header *header)
{
	u64 record;

	if (!read_word(pointer, &record))
		return FOUND_UNREADABLE;
	if (!record)
		return FOUND_NOTHING;
	return read_header(record, header);
}

/* Page faults and preemption must be disabled. */
static enum found read_by_process(struct skua_header *header)
{
	const struct registration *registration;
	enum found found = FOUND_NOTHING;
	u64 pointer;

	/* Preemption is off: it stays valid. */
	registration = find_registration(current->signal);
	if (registration && !READ_ONCE(registration->after_exec)) {
		pointer = locate(registration);
		if (pointer)
			found = read_at(pointer, header);
	}
	return found;
}

/* Preemption is off so that no other event of the thread can pass for one of our own page faults, see skua_is_reading(). */
static enum found read_context(struct skua_state *state, struct skua_header *header)
{
	u32 interrupted = state->reading;
	enum found found;

	preempt_disable_notrace();
	WRITE_ONCE(state->reading, skua_interrupt_level() + 1);
	pagefault_disable();
	found = state->source == SKUA_FROM_REGISTRATION ? read_at(state->pointer, header) : read_by_process(header);
	pagefault_enable();
	WRITE_ONCE(state->reading, interrupted);
	preempt_enable_notrace();
	return found;
}

static void disarm(struct skua_state *state)
{
	if (!state->armed)
		return;
	skua_write_begin(state);
	WRITE_ONCE(state->armed, false);
	state->ids.valid = false;
	skua_write_end(state);
}

static void arm(struct skua_state *state, const struct skua_header *header, const struct skua_ids *ids)
{
	skua_write_begin(state);
	WRITE_ONCE(state->armed, false);
	barrier();
	state->ids = *ids;
	state->seen = *header;
	barrier();
	WRITE_ONCE(state->armed, true);
	skua_write_end(state);
}

/*
 * Reads the current thread's context from memory. The usual case, nothing changed, ends with the comparison.
 *
 * What is known already stays when the thread is interrupted in the middle of a change, and in the page fault that our own
 * reading ran into: a tracepoint there would lead back here.
 */
void skua_read_memory(struct skua_state *state)
{
	struct skua_header header;
	struct skua_ids ids;

	if ((READ_ONCE(state->version) & 1) || pagefault_disabled() || !current->mm)
		return;
	switch (read_context(state, &header)) {
	case FOUND_HEADER:
		if (state->armed && skua_headers_equal(&header, &state->seen))
			return;
		if (skua_header_arms(&header, &ids))
			arm(state, &header, &ids);
		else
			disarm(state);
		break;
	case FOUND_UNREADABLE:
		skua_count(registered_unreadable);
		fallthrough;
	case FOUND_NOTHING:
		disarm(state);
	}
}

/*
 * At a syscall entry of a thread without a state while processes are registered: makes one when the thread is of such a
 * process and its context is a sampled one. Memory that cannot be read is no news here: it was never touched.
 */
struct skua_state *skua_state_from_process(void)
{
	struct skua_header header;
	struct skua_state *state;
	struct skua_ids ids;
	enum found found;

	if (!current->mm || pagefault_disabled())
		return NULL;
	preempt_disable_notrace();
	pagefault_disable();
	found = read_by_process(&header);
	pagefault_enable();
	preempt_enable_notrace();
	if (found != FOUND_HEADER || !skua_header_arms(&header, &ids))
		return NULL;
	state = skua_state_create(SKUA_GFP_IN_PROBES);
	if (IS_ERR(state)) {
		skua_count(registered_no_room);
		return NULL;
	}
	state->process = skua_process_get(SKUA_GFP_IN_PROBES);
	if (!state->process) {
		skua_state_drop(state);
		skua_count(registered_no_room);
		return NULL;
	}
	skua_set_source(state, SKUA_FROM_PROCESS);
	return state;
}

/* ---- registering ---- */

/*
 * Registers the address of the current thread's own pointer; 0 takes it back, and detaches.
 * -EINVAL: not aligned. -EFAULT: not readable. -ENOSPC, -ENOMEM: no state can be made.
 */
int skua_register_thread(u64 address)
{
	static const struct skua_ids none;
	struct skua_state *state;
	u64 pointer;
	int ret;

	if (!address) {
		ret = skua_state_disarm(&none);
		if (!ret)
			skua_count(threads_unregistered);
		return ret;
	}
	if (address % sizeof(u64))
		return -EINVAL;
	/* Brings the page in, too: a variable that was never touched is not there yet. */
	if (copy_from_user(&pointer, (const void __user *)address, sizeof(pointer)))
		return -EFAULT;
	state = skua_state_ready();
	if (IS_ERR(state))
		return PTR_ERR(state);
	skua_write_begin(state);
	WRITE_ONCE(state->armed, false);
	barrier();
	skua_set_source(state, SKUA_FROM_REGISTRATION);
	state->pointer = address;
	state->ids.valid = false;
	state->exec = false;
	skua_state_rest(state, false);
	state->unarmed_syscall = 0; /* This call may arm the thread. */
	skua_mark_control(state);
	skua_write_end(state);
	skua_refresh(state);
	if (state->armed)
		skua_process_report(state, true);
	skua_count(threads_registered);
	return 0;
}

/*
 * Who may register for another process: whoever might look into its memory with ptrace. That function is not ours to call,
 * so this is its rule without the security modules' say.
 */
static bool may_register(struct task_struct *task, const struct mm_struct *mm)
{
	const struct cred *own = current_cred(), *its;
	bool allowed;

	rcu_read_lock();
	its = __task_cred(task);
	allowed = uid_eq(own->fsuid, its->euid) && uid_eq(own->fsuid, its->suid) && uid_eq(own->fsuid, its->uid) &&
		  gid_eq(own->fsgid, its->egid) && gid_eq(own->fsgid, its->sgid) && gid_eq(own->fsgid, its->gid) &&
		  __get_dumpable(mm->flags) == SUID_DUMP_USER;
	allowed = allowed || ns_capable(its->user_ns, CAP_SYS_PTRACE);
	rcu_read_unlock();
	return allowed;
}

static void release(struct registration *registration)
{
	kfree_rcu(registration, rcu);
	skua_count(processes_released);
}

static void drop_registration(struct registration *registration)
{
	hash_del_rcu(&registration->node);
	atomic_dec(&skua_processes_registered);
	atomic_dec(&skua_awake);
	release(registration);
}

/*
 * A process that ends sets live to 0 before its exit hook takes the lock, so either the hook finds this registration or
 * this finds the process dead. -ESRCH: dead. -ENOSPC.
 */
static int add_registration(struct registration *fresh, const struct signal_struct *process)
{
	struct registration *old;
	unsigned long flags;
	int ret = 0;

	raw_spin_lock_irqsave(&registrations_lock, flags);
	old = find_registration(process);
	if (!atomic_read(&process->live)) {
		ret = -ESRCH;
	} else if (old) {
		hlist_replace_rcu(&old->node, &fresh->node);
		release(old);
	} else if (atomic_read(&skua_processes_registered) < skua_max_states) {
		hash_add_rcu(registrations, &fresh->node, (unsigned long)process);
		atomic_inc(&skua_processes_registered);
		atomic_inc(&skua_awake);
	} else {
		ret = -ENOSPC;
	}
	if (!ret)
		skua_count(processes_registered);
	raw_spin_unlock_irqrestore(&registrations_lock, flags);
	return ret;
}

static int register_task(struct task_struct *task, const struct skua_process_registration *wanted)
{
	u32 kind = wanted->kind & ~SKUA_LOCATION_AFTER_EXEC;
	struct registration *fresh;
	struct mm_struct *mm;
	bool allowed;
	int ret;

	mm = get_task_mm(task);
	if (!mm)
		return -ESRCH;
	allowed = may_register(task, mm);
	mmput(mm);
	if (!allowed)
		return -EPERM;
	if (test_tsk_thread_flag(task, TIF_ADDR32))
		return -EOPNOTSUPP;
	if (kind == SKUA_LOCATION_NONE) {
		skua_process_unregister(task->signal);
		return 0;
	}
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return -ENOMEM;
	fresh->process = task->signal;
	fresh->kind = kind;
	fresh->after_exec = wanted->kind & SKUA_LOCATION_AFTER_EXEC;
	fresh->module = wanted->module;
	fresh->offset = wanted->offset;
	ret = add_registration(fresh, task->signal);
	if (ret)
		kfree(fresh);
	return ret;
}

/*
 * Registers for all threads of a process, in the place of what was registered for it before. -EINVAL: no such kind of
 * place. -ESRCH: no such process. -EPERM: not the caller's. -EOPNOTSUPP: a 32-bit program. -ENOSPC, -ENOMEM.
 */
int skua_register_process(const struct skua_process_registration *wanted)
{
	u32 kind = wanted->kind & ~SKUA_LOCATION_AFTER_EXEC;
	struct task_struct *task;
	struct pid *pid;
	int ret;

	if (kind > SKUA_LOCATION_DTV || (kind == SKUA_LOCATION_DTV && !wanted->module))
		return -EINVAL;
	pid = find_get_pid(wanted->pid);
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	if (!task)
		return -ESRCH;
	ret = register_task(task, wanted);
	put_task_struct(task);
	return ret;
}

bool skua_process_is_registered(void)
{
	bool registered;

	if (!atomic_read(&skua_processes_registered))
		return false;
	rcu_read_lock();
	registered = find_registration(current->signal);
	rcu_read_unlock();
	return registered;
}

/* The current process executes another program: what was registered for the old one goes, unless it was meant for this. */
void skua_process_executes(const struct linux_binprm *bprm)
{
	bool other_privileges = bprm->secureexec || __get_dumpable(current->mm->flags) != SUID_DUMP_USER;
	struct registration *registration;
	unsigned long flags;

	raw_spin_lock_irqsave(&registrations_lock, flags);
	registration = find_registration(current->signal);
	if (registration && registration->after_exec && !other_privileges)
		WRITE_ONCE(registration->after_exec, false);
	else if (registration)
		drop_registration(registration);
	raw_spin_unlock_irqrestore(&registrations_lock, flags);
}

/* The process ends, or its registration is taken back. */
void skua_process_unregister(const struct signal_struct *process)
{
	struct registration *registration;
	unsigned long flags;

	raw_spin_lock_irqsave(&registrations_lock, flags);
	registration = find_registration(process);
	if (registration)
		drop_registration(registration);
	raw_spin_unlock_irqrestore(&registrations_lock, flags);
}

/* When nothing can look registrations up any more. */
void skua_registrations_destroy(void)
{
	struct registration *registration;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(registrations, bucket, next, registration, node)
		drop_registration(registration);
}
