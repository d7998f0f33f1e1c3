// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-process.c
 *
 * Reports the executable mappings of processes with armed threads as skua_mapping events: when a thread arms, and at an
 * armed thread's next syscall after they changed (dlopen inside a span) or after a session started. All of them are
 * reported again each time; the latest report of an address is the right one.
 *
 * The mapping count changes with every thread stack, the size of executable memory hardly ever. In a syscall entry, where
 * we may not sleep, only the latter is looked at; when a record is written, both. What leaves the size as it was (a library
 * that takes another's place) takes a syscall that makes memory executable or moves it: those are noted as they return,
 * whichever thread makes them. Any sign of a change leads to a walk that compares what is mapped with what was reported.
 */

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/compat.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/personality.h>
#include <uapi/linux/shm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include <skua/skua-trace.h>
#include <wrapper/skua-mm.h>

#include "skua-internal.h"

#define PROCESS_TABLE_BITS 8

static DEFINE_HASHTABLE(processes, PROCESS_TABLE_BITS);
static DEFINE_RAW_SPINLOCK(processes_lock);
static atomic64_t last_epoch = ATOMIC64_INIT(0);

/* Under processes_lock. An mm may be freed just before its last thread lets go of the entry; the tgid tells a new one apart. */
static struct skua_process *find_current(void)
{
	struct skua_process *process;

	hash_for_each_possible(processes, process, node, (unsigned long)current->mm) {
		if (process->mm == current->mm && process->tgid == current->tgid) {
			process->refs++;
			return process;
		}
	}
	return NULL;
}

/* Returns the entry of the current thread's address space, made if need be; NULL without memory. */
struct skua_process *skua_process_get(gfp_t gfp)
{
	struct skua_process *process, *fresh;
	unsigned long flags;

	raw_spin_lock_irqsave(&processes_lock, flags);
	process = find_current();
	raw_spin_unlock_irqrestore(&processes_lock, flags);
	if (process)
		return process;

	fresh = kzalloc(sizeof(*fresh), gfp | __GFP_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->mm = current->mm;
	fresh->tgid = current->tgid;
	fresh->refs = 1;
	mutex_init(&fresh->lock);

	raw_spin_lock_irqsave(&processes_lock, flags);
	process = find_current();
	if (!process) {
		hash_add(processes, &fresh->node, (unsigned long)fresh->mm);
		process = fresh;
		fresh = NULL;
	}
	raw_spin_unlock_irqrestore(&processes_lock, flags);
	kfree(fresh);
	return process;
}

void skua_process_put(struct skua_process *process)
{
	struct skua_ranges *ranges;
	unsigned long flags;
	bool last;

	raw_spin_lock_irqsave(&processes_lock, flags);
	last = !--process->refs;
	if (last)
		hash_del(&process->node);
	raw_spin_unlock_irqrestore(&processes_lock, flags);
	if (!last)
		return;
	ranges = rcu_dereference_protected(process->ranges, true);
	if (ranges)
		kfree_rcu(ranges, rcu);
	kfree_rcu(process, rcu);
}

/* Whether a native syscall that returns may have made other memory executable than before. */
static bool may_change_code(const struct skua_process *process, const struct pt_regs *regs, long nr)
{
	const struct skua_ranges *ranges;
	bool implied = current->personality & READ_IMPLIES_EXEC;

	switch (nr) {
	case __NR_mmap:
	case __NR_mprotect:
	case __NR_pkey_mprotect:
		return implied || (regs->dx & PROT_EXEC);
	case __NR_shmat:
		return implied || (regs->dx & SHM_EXEC);
	case __NR_mremap:
		ranges = rcu_dereference_sched(process->ranges);
		return !ranges || skua_ranges_have(ranges, regs->di);
	default:
		return true;
	}
}

/*
 * At the exit of the calls of skua_may_change_mappings() and of 32-bit ones, of any thread. Notes when the mappings may have
 * changed in a way that the size of executable memory does not show. Of 32-bit calls only the number is looked at.
 */
void skua_process_changing(const struct pt_regs *regs, bool compat)
{
	unsigned long nr = regs->orig_ax & ~__X32_SYSCALL_BIT;
	struct skua_process *process;
	unsigned long flags;

	/* mmap, mprotect, ipc, mremap, mmap2, remap_file_pages, pkey_mprotect, shmat */
	if (compat && nr != 90 && nr != 125 && nr != 117 && nr != 163 && nr != 192 && nr != 257 && nr != 380 && nr != 397)
		return;
	raw_spin_lock_irqsave(&processes_lock, flags);
	hash_for_each_possible(processes, process, node, (unsigned long)current->mm) {
		if (process->mm == current->mm && (compat || may_change_code(process, regs, nr)))
			atomic_inc(&process->changes);
	}
	raw_spin_unlock_irqrestore(&processes_lock, flags);
}

/* The vDSO has no file but is executable, and calls the kernel; its name is the one that /proc/PID/maps shows. */
static const char *special_name(struct vm_area_struct *vma)
{
	return vma->vm_ops && vma->vm_ops->name ? vma->vm_ops->name(vma) : NULL;
}

static bool is_reported(struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_EXEC) && (vma->vm_file || special_name(vma));
}

static u64 mix(u64 hash, u64 value)
{
	return hash_64(hash ^ value, 64) + value;
}

static u64 mappings_signature(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	u64 hash = 1;

	SKUA_VMA_ITERATOR(it, mm);
	skua_for_each_vma(it, vma) {
		if (!is_reported(vma))
			continue;
		hash = mix(hash, vma->vm_start);
		hash = mix(hash, vma->vm_end);
		hash = mix(hash, vma->vm_pgoff);
		hash = mix(hash, vma->vm_file ? (unsigned long)file_inode(vma->vm_file) : 0);
	}
	return hash;
}

static void report_mapping(struct vm_area_struct *vma, char *buffer, size_t size)
{
	struct skua_mapping mapping = {
		.start = vma->vm_start,
		.end = vma->vm_end,
		.pgoff = (u64)vma->vm_pgoff << PAGE_SHIFT,
	};
	const char *path;

	if (vma->vm_file) {
		const struct inode *inode = file_inode(vma->vm_file);

		mapping.ino = inode->i_ino;
		mapping.dev = inode->i_sb->s_dev;
		path = d_path(&vma->vm_file->f_path, buffer, size);
		if (IS_ERR(path))
			path = "";
	} else {
		mapping.pgoff = 0;
		path = special_name(vma);
	}
	trace_skua_mapping(&mapping, path);
	skua_count(mappings);
}

static void report_all(struct skua_state *state, struct mm_struct *mm)
{
	struct vm_area_struct *vma;

	SKUA_VMA_ITERATOR(it, mm);
	skua_for_each_vma(it, vma) {
		if (is_reported(vma))
			report_mapping(vma, state->scratch, skua_scratch_bytes());
	}
}

static bool take_locks(struct skua_process *process, struct mm_struct *mm, bool may_sleep)
{
	if (may_sleep) {
		if (mutex_lock_killable(&process->lock))
			return false;
		if (mmap_read_lock_killable(mm)) {
			mutex_unlock(&process->lock);
			return false;
		}
		return true;
	}
	if (!mutex_trylock(&process->lock))
		return false;
	if (!mmap_read_trylock(mm)) {
		mutex_unlock(&process->lock);
		return false;
	}
	return true;
}

/* After the report, so that whoever sees the new ranges records after the mappings. The process's lock is held. */
static void replace_ranges(struct skua_process *process, struct mm_struct *mm, bool same_files, gfp_t gfp)
{
	struct skua_ranges *old = rcu_dereference_protected(process->ranges, lockdep_is_held(&process->lock));

	if (!same_files || !process->epoch)
		process->epoch = atomic64_inc_return(&last_epoch);
	rcu_assign_pointer(process->ranges, skua_ranges_take(mm, process->epoch, gfp));
	if (old)
		kfree_rcu(old, rcu);
}

/*
 * Reports the current process's mappings if a session runs and they are not known to be reported. When may_sleep is false
 * and a lock is taken, it is left to the next syscall. Returns whether what was reported is what is mapped.
 */
bool skua_process_report(struct skua_state *state, bool may_sleep)
{
	struct skua_process *process = state->process;
	struct mm_struct *mm = current->mm;
	u32 generation = READ_ONCE(skua_generation);
	unsigned int changes;
	u64 signature;
	bool same_files;

	if (!READ_ONCE(skua_sessions) || !process || process->mm != mm)
		return false;
	changes = atomic_read(&process->changes);
	if (READ_ONCE(process->generation) == generation &&
	    READ_ONCE(process->changes_seen) == changes &&
	    READ_ONCE(process->exec_vm) == READ_ONCE(mm->exec_vm) &&
	    (!may_sleep || READ_ONCE(process->map_count) == READ_ONCE(mm->map_count)))
		return true;
	if (!take_locks(process, mm, may_sleep)) {
		skua_count(mappings_postponed);
		return false;
	}
	signature = mappings_signature(mm);
	same_files = process->signature == signature;
	if (process->generation != generation || !same_files)
		report_all(state, mm);
	replace_ranges(process, mm, same_files, may_sleep ? GFP_KERNEL : SKUA_GFP_IN_PROBES);
	process->signature = signature;
	WRITE_ONCE(process->changes_seen, changes);
	WRITE_ONCE(process->exec_vm, mm->exec_vm);
	WRITE_ONCE(process->map_count, mm->map_count);
	WRITE_ONCE(process->generation, generation);
	mmap_read_unlock(mm);
	mutex_unlock(&process->lock);
	return true;
}
