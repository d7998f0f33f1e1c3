/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * skua-internal.h
 *
 * State of armed threads, shared by the files of the skua module.
 *
 *	states:    task ──hash──► skua_state ──► skua_process (one per address space with armed threads) ──► skua_ranges
 *
 * Only the thread itself writes its state: at a write to /proc/skua/context, at syscall entry and exit, at exec and at exit,
 * and when its registered record is read anew (skua-register.c), which happens in interrupts on top of it too. Mostly it is
 * read on that thread too, but possibly from an interrupt or NMI in the middle of a write; hence the order of stores between
 * skua_write_begin() and skua_write_end(). Other CPUs read it when they wake the thread or switch to it (skua-sched.c),
 * under the version.
 */
#ifndef _SKUA_INTERNAL_H
#define _SKUA_INTERNAL_H

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <asm/unistd.h>

#include <skua/skua.h>
#include <skua/skua_abi.h>

#include "skua-record.h"

struct file;
struct linux_binprm;
struct pt_regs;
struct seq_file;
struct signal_struct;

/* Stack capture of the syscall in progress, in skua_state.stack_bytes. */
#define SKUA_STACK_NOT_TAKEN (-1)

/* Paths are built in a thread's scratch buffer, never smaller than this. */
#define SKUA_SCRATCH_MIN_BYTES 1024

#define SKUA_FD_CACHE_SIZE 16

/* An agent remembers more sites than that, see remote-agent/symbols/callSites.ts. */
#define SKUA_SITES_MAX 65536

/* Where a thread's context comes from. Of the thread's own acts the last one counts; they beat its process's registration. */
enum skua_source {
	SKUA_FROM_WRITES = 0,	  /* what it wrote to /proc/skua/context */
	SKUA_FROM_REGISTRATION,	  /* memory, at the address that it registered */
	SKUA_FROM_PROCESS,	  /* memory, at the place that was registered for its process */
};

/* What a file descriptor referred to when it was last reported. The pointers are compared, never followed. */
struct skua_fd_entry {
	const void *file;
	const void *inode;
	const void *dentry;
	unsigned long ino;
	int fd;
	u32 generation;
	bool context; /* /proc/skua/context */
};

struct skua_range {
	u64 start, size;
};

/* The executable memory of an address space, see skua-ranges.c. */
struct skua_ranges {
	struct rcu_head rcu;
	u64 epoch; /* as in skua_process; no other process, and no other set of files, has the same */
	u64 start, size; /* of the whole */
	unsigned int count;
	struct skua_range range[];
};

/* What was last reported of an address space's mappings. */
struct skua_process {
	struct hlist_node node;
	struct mm_struct *mm;
	pid_t tgid;
	unsigned int refs; /* under the table's lock */
	struct mutex lock; /* of what follows; one reporter at a time */
	u32 generation;
	int map_count;
	unsigned long exec_vm;
	unsigned int changes_seen;
	u64 signature;
	u64 epoch; /* of the file mappings; 0 before the first report */
	struct skua_ranges __rcu *ranges;
	atomic_t changes; /* by any thread, that the other numbers may not show */
	struct rcu_head rcu;
};

struct skua_state {
	struct hlist_node node;
	struct task_struct *task;
	struct skua_process *process; /* NULL until armed, and again after exec */

	enum skua_source source;
	u64 pointer; /* SKUA_FROM_REGISTRATION: address of otel_thread_ctx_v1 */
	struct skua_header seen; /* while armed from memory: the bytes that the ids below were taken from */
	u32 reading;		 /* 1 + the interrupt level at which memory is being read, or 0 */

	/* Not armed, and no longer told by memory: it is passed as a thread without a state. Set by skua_state_rest(). */
	bool resting;

	u32 version; /* odd while the fields below are being written */
	bool armed;
	struct skua_ids ids;

	/* The syscall in progress, when syscall is not 0 and hook_generation is the current one. */
	u64 syscall;
	u32 syscall_generation;
	u32 hook_generation;
	struct skua_ids syscall_ids;
	u32 control;	   /* hook generation in which it wrote to /proc/skua/context, or 0 */
	u32 unarmed_syscall; /* hook generation, from the entry of a syscall that found the thread unarmed to its exit, or 0 */
	bool control_at_entry; /* its descriptor told that it was about to */
	bool exec;	   /* it was an exec: the state goes when it ends */
	bool stack_short;
	bool mappings_known; /* skua_process.ranges is right for this syscall */
	int stack_bytes; /* taken, the site in front included: SKUA_SITE_BYTES when the call was remembered */
	int stack_sent;	 /* of these in the event being recorded: all, or the site alone */

	u64 next_id, end_id; /* block of syscall ids owned by this thread */

	struct skua_fd_entry fds[SKUA_FD_CACHE_SIZE];
	struct rcu_head rcu;
	u8 scratch[]; /* site, registers and stack, or a path */
};

/* skua-main.c */
extern unsigned int skua_max_states;
extern unsigned int skua_stack_limit;
extern unsigned int skua_max_sites;
extern u32 skua_generation;	 /* of the session started last */
extern u32 skua_hook_generation; /* changes whenever syscall hooks begin anew */
extern unsigned int skua_sessions; /* running */
size_t skua_scratch_bytes(void);

/* skua-state.c */
#define SKUA_STATE_TABLE_BITS 12
extern DECLARE_HASHTABLE(skua_states, SKUA_STATE_TABLE_BITS);
extern atomic_t skua_awake; /* states that do not rest, and registrations of processes */
struct skua_state *skua_state_create(gfp_t gfp);
struct skua_state *skua_state_ready(void);
int skua_state_arm(const struct skua_ids *ids);
int skua_state_disarm(const struct skua_ids *ids);
void skua_state_rest(struct skua_state *state, bool rest);
void skua_state_drop(struct skua_state *state);
void skua_states_destroy(void);

/*
 * Returns the state of a thread or NULL; preemption must be off. That of the current thread stays valid as long as it is in
 * the kernel, because nobody else frees it; that of another thread as long as preemption is off. Every system call of the
 * host comes here while a session runs.
 */
static __always_inline struct skua_state *skua_state_of(const struct task_struct *task)
{
	struct skua_state *state;

	hlist_for_each_entry_rcu_notrace(state, &skua_states[hash_ptr(task, SKUA_STATE_TABLE_BITS)], node) {
		if (state->task == task)
			return state;
	}
	return NULL;
}

/*
 * Whether any thread of the host may be armed. Most of the time none is where one request in a hundred is sampled, and then
 * nobody is looked up. A thread sees what it did itself, and whoever wakes it or switches to it does, too.
 */
static __always_inline bool skua_anybody_awake(void)
{
	return unlikely(atomic_read(&skua_awake));
}

/* As skua_state_of(), for what concerns threads that may be armed. */
static __always_inline struct skua_state *skua_state_awake(const struct task_struct *task)
{
	struct skua_state *state = skua_anybody_awake() ? skua_state_of(task) : NULL;

	return state && !READ_ONCE(state->resting) ? state : NULL;
}

/* The walk passes the states of other threads: RCU must keep those, also where no tracepoint has turned preemption off. */
static inline struct skua_state *skua_state_current(void)
{
	struct skua_state *state;

	preempt_disable_notrace();
	state = skua_state_of(current);
	preempt_enable_notrace();
	return state;
}

/* For memory that a probe asks for: it must not sleep, and goes without when there is none. */
#define SKUA_GFP_IN_PROBES (GFP_NOWAIT | __GFP_NOWARN)

/* With PREEMPT_RT the allocator takes locks that sleep, but probes still run with preemption off: they go without, always. */
static inline bool skua_may_allocate(gfp_t gfp)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || gfpflags_allow_blocking(gfp);
}

/* Around changes of what other CPUs read. Preemption is off in between, so that no reader waits for a thread that sleeps. */
static inline void skua_write_begin(struct skua_state *state)
{
	preempt_disable();
	WRITE_ONCE(state->version, state->version + 1);
	smp_wmb(); /* pairs with take_snapshot() */
}

static inline void skua_write_end(struct skua_state *state)
{
	smp_wmb(); /* pairs with take_snapshot() */
	WRITE_ONCE(state->version, state->version + 1);
	preempt_enable();
}

/* skua-register.c */
extern atomic_t skua_threads_in_memory;	  /* threads whose context comes from memory */
extern atomic_t skua_processes_registered; /* registrations in force */
int skua_register_thread(u64 address);
int skua_register_process(const struct skua_process_registration *wanted);
bool skua_process_is_registered(void);
void skua_process_executes(const struct linux_binprm *bprm);
void skua_process_unregister(const struct signal_struct *process);
void skua_registrations_destroy(void);
void skua_set_source(struct skua_state *state, enum skua_source source);
struct skua_state *skua_state_from_process(void);
void skua_read_memory(struct skua_state *state);

static inline u32 skua_interrupt_level(void)
{
	return preempt_count() & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_MASK);
}

/* Whether an event of the current thread comes from our own reading of its memory: a page fault. An interrupt's does not. */
static inline bool skua_is_reading(const struct skua_state *state)
{
	return READ_ONCE(state->reading) == skua_interrupt_level() + 1;
}

/*
 * Brings the current thread's context up to date, outside a syscall or at the entry of one. Never faults; not from NMIs.
 * As an armed thread's context stays for the whole of a syscall, so does the lack of one.
 */
static inline void skua_refresh(struct skua_state *state)
{
	if (state->source != SKUA_FROM_WRITES && state->unarmed_syscall != READ_ONCE(skua_hook_generation))
		skua_read_memory(state);
}

/* skua-syscall.c */
void skua_ids_init(u64 first);
void skua_sys_enter(void *data, struct pt_regs *regs, long nr);
void skua_sys_exit(void *data, struct pt_regs *regs, long ret);
void skua_process_exec(void *data, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm);

static inline bool skua_in_syscall(const struct skua_state *state)
{
	return READ_ONCE(state->syscall) && state->hook_generation == READ_ONCE(skua_hook_generation);
}

/*
 * Whether the syscall in progress wrote to /proc/skua/context. Without a session nothing clears the mark when the syscall
 * ends; then it is of an old generation by the time somebody asks.
 */
static inline bool skua_is_control(const struct skua_state *state)
{
	return state->control == READ_ONCE(skua_hook_generation);
}

static inline void skua_mark_control(struct skua_state *state)
{
	state->control = READ_ONCE(skua_hook_generation);
}

/* skua-sched.c: the thread that the event being recorded on this CPU is about, when it is armed and not the current one. */
struct skua_subject {
	bool valid;
	u32 syscall_generation; /* 0 outside a syscall */
	struct skua_values values;
};

const struct skua_subject *skua_subject(void);
bool skua_switched_runnable(void); /* in the event of a switch: the current thread stays on the run queue */
void skua_sched_switch_begin(void *data, bool preempt, struct task_struct *prev, struct task_struct *next,
			     unsigned int prev_state);
void skua_sched_switch_end(void *data, bool preempt, struct task_struct *prev, struct task_struct *next,
			   unsigned int prev_state);
void skua_sched_wake_begin(void *data, struct task_struct *task);
void skua_sched_wake_end(void *data, struct task_struct *task);

/* skua-stack.c */
void skua_stack_take(struct skua_state *state);
void skua_stack_take_rest(struct skua_state *state);

/* skua-memo.c */
struct skua_memo;
void skua_memos_create(void);
void skua_memos_destroy(void);
u64 skua_memo_find(const struct skua_ranges *ranges, const u64 *registers);
struct skua_memo *skua_memo_begin(u64 epoch, const u64 *words);
void skua_memo_add(struct skua_memo *memo, size_t place, u64 word);
void skua_memo_end(struct skua_memo *memo, u64 site);

/* skua-process.c */
struct skua_process *skua_process_get(gfp_t gfp);
void skua_process_put(struct skua_process *process);
bool skua_process_report(struct skua_state *state, bool may_sleep);
void skua_process_changing(const struct pt_regs *regs, bool compat);

/* Whether a syscall's number is of those after which the mappings may be others. Of 32-bit calls all are looked at closer. */
static inline bool skua_may_change_mappings(unsigned long nr)
{
	const u64 low = BIT_ULL(__NR_mmap) | BIT_ULL(__NR_mprotect) | BIT_ULL(__NR_mremap) | BIT_ULL(__NR_shmat);

	BUILD_BUG_ON(__NR_mmap >= 64 || __NR_mprotect >= 64 || __NR_mremap >= 64 || __NR_shmat >= 64);
	return nr < 64 ? low >> nr & 1 : nr == __NR_remap_file_pages || nr == __NR_pkey_mprotect;
}

/* skua-ranges.c */
#define SKUA_SITE_ADDRESS_LIMIT BIT_ULL(47)
struct skua_ranges *skua_ranges_take(struct mm_struct *mm, u64 epoch, gfp_t gfp);
bool skua_ranges_have(const struct skua_ranges *ranges, u64 address);

/* skua-site.c */
u64 skua_site_of(const struct skua_ranges *ranges, const u64 *words, size_t bytes, struct skua_memo *memo);
void skua_site_init(void);

/* skua-site-table.c */
bool skua_sites_wanted(void);
bool skua_sites_have(struct skua_sites *sites, u64 site);
void skua_sites_add(struct skua_sites *sites, u64 site);

/* skua-fd.c */
void skua_fd_report(struct skua_state *state, struct pt_regs *regs, long nr);

/* skua-account.c */
struct skua_account *skua_account_open(u32 generation, const char *name);
void skua_account_close(struct skua_account *account);
int skua_accounts_show(struct seq_file *seq, void *v);

/* skua-proc.c */
bool skua_is_context(const struct file *file);
int skua_proc_init(unsigned int gid);
void skua_proc_exit(void);

/* skua-stats.c: one line of /proc/skua/stats each, in this order. Their meaning is in docs/kernel-abi.md. */
#define SKUA_COUNTERS(_)	\
	_(records_armed)	\
	_(records_detached)	\
	_(records_refused_short) \
	_(records_refused_long)	\
	_(records_refused_valid) \
	_(records_refused_attrs) \
	_(records_refused_ids)	\
	_(records_refused_task)	\
	_(records_refused_user)	\
	_(records_unreadable)	\
	_(threads_registered)	\
	_(threads_unregistered)	\
	_(registrations_refused) \
	_(processes_registered)	\
	_(processes_released)	\
	_(registered_unreadable) \
	_(registered_no_room)	\
	_(states_allocated)	\
	_(states_freed)		\
	_(states_refused)	\
	_(syscalls)		\
	_(stack_short)		\
	_(stack_unreadable)	\
	_(mappings)		\
	_(mappings_postponed)	\
	_(sites_new)		\
	_(sites_known)		\
	_(sites_remembered)	\
	_(sites_evicted)	\
	_(sites_none)		\
	_(fds)			\
	_(fds_path_too_long)	\
	_(subjects_missed)

#define SKUA_COUNTER_ID(_name) SKUA_COUNT_##_name,
enum skua_counter { SKUA_COUNTERS(SKUA_COUNTER_ID) SKUA_COUNTER_COUNT };
#undef SKUA_COUNTER_ID

void skua_count_add(enum skua_counter counter, u64 n);
u64 skua_count_read(enum skua_counter counter);
const char *skua_counter_name(enum skua_counter counter);
#define skua_count(_name) skua_count_add(SKUA_COUNT_##_name, 1)

#endif /* _SKUA_INTERNAL_H */
