// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-proc.c
 *
 * /proc/skua: context (records, registrations), stats and sessions (counters), abi (version). Formats: skua_abi.h and
 * docs/kernel-abi.md.
 *
 * The group that may open the context file is the module parameter gid, so that access is right from the first moment;
 * chgrp works too.
 */

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <asm/byteorder.h>

#include <skua/skua_source.h>

#include "skua-internal.h"

static struct proc_dir_entry *directory;

static void put_be64(u64 value, u8 *bytes)
{
	__be64 ordered = cpu_to_be64(value);

	memcpy(bytes, &ordered, sizeof(ordered));
}

static const enum skua_counter refusals[] = {
	[SKUA_RECORD_SHORT] = SKUA_COUNT_records_refused_short,
	[SKUA_RECORD_LONG] = SKUA_COUNT_records_refused_long,
	[SKUA_RECORD_BAD_VALID] = SKUA_COUNT_records_refused_valid,
	[SKUA_RECORD_BAD_ATTRS] = SKUA_COUNT_records_refused_attrs,
	[SKUA_RECORD_BAD_IDS] = SKUA_COUNT_records_refused_ids,
};

/*
 * Who may speak for the current thread: the thread itself, under the user that opened the file. Not a kernel worker that
 * carries out somebody's asynchronous write, and not a set-user-id program made to write into a descriptor it was given.
 */
static int check_writer(const struct file *file)
{
	if (current->flags & (PF_KTHREAD | PF_IO_WORKER)) {
		skua_count(records_refused_task);
		return -EPERM;
	}
	if (!uid_eq(file->f_cred->euid, current_euid())) {
		skua_count(records_refused_user);
		return -EPERM;
	}
	return 0;
}

static ssize_t context_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	enum skua_verdict verdict;
	struct skua_state *state;
	struct skua_record record;
	struct skua_ids ids;
	int ret;

	ret = check_writer(file);
	if (ret)
		return ret;
	state = skua_state_current();
	if (state)
		skua_mark_control(state);
	verdict = skua_record_check_size(size);
	if (verdict == SKUA_RECORD_FITS) {
		if (copy_from_user(&record, from, SKUA_RECORD_HEADER_BYTES)) {
			skua_count(records_unreadable);
			return -EFAULT;
		}
		verdict = skua_record_check(&record, size, &ids);
	}
	switch (verdict) {
	case SKUA_RECORD_ARMS:
		ret = skua_state_arm(&ids);
		if (!ret)
			skua_count(records_armed);
		break;
	case SKUA_RECORD_DETACHES:
		ret = skua_state_disarm(&ids);
		if (!ret)
			skua_count(records_detached);
		break;
	default:
		skua_count_add(refusals[verdict], 1);
		ret = -EINVAL;
	}
	return ret ? ret : size;
}

static long do_ioctl(unsigned int command, unsigned long argument)
{
	struct skua_process_registration registration;
	u64 address;

	switch (command) {
	case SKUA_IOC_REGISTER:
		if (copy_from_user(&address, (const void __user *)argument, sizeof(address)))
			return -EFAULT;
		return skua_register_thread(address);
	case SKUA_IOC_REGISTER_PROCESS:
		if (copy_from_user(&registration, (const void __user *)argument, sizeof(registration)))
			return -EFAULT;
		return skua_register_process(&registration);
	default:
		return -ENOTTY;
	}
}

/* There is none for 32-bit programs: their pointers have another size. */
static long context_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct skua_state *state;
	int ret;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	ret = check_writer(file);
	if (ret)
		return ret;
	state = skua_state_current();
	if (state)
		skua_mark_control(state);
	ret = do_ioctl(command, argument);
	if (ret)
		skua_count(registrations_refused);
	return ret;
}

static ssize_t context_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct skua_state *state = skua_state_current();
	struct skua_record record = {};

	if (state)
		skua_refresh(state);
	if (state && state->ids.valid) {
		put_be64(state->ids.trace_hi, record.trace_id);
		put_be64(state->ids.trace_lo, record.trace_id + 8);
		put_be64(state->ids.span, record.span_id);
		record.valid = 1;
		record.trace_flags = state->ids.trace_flags;
	}
	return simple_read_from_buffer(to, size, pos, &record, sizeof(record));
}

/* Its address in a file's private data tells that the file is the context. Nobody else's can be the same. */
static const char context_mark;

static int context_open(struct inode *inode, struct file *file)
{
	file->private_data = (void *)&context_mark;
	return 0;
}

bool skua_is_context(const struct file *file)
{
	return file->private_data == &context_mark;
}

static const struct proc_ops context_ops = {
	.proc_open = context_open,
	.proc_read = context_read,
	.proc_write = context_write,
	.proc_ioctl = context_ioctl,
	.proc_lseek = default_llseek,
};

static int stats_show(struct seq_file *seq, void *v)
{
	u64 freed, allocated;
	int i;

	/* In this order, so that the difference is never negative. */
	freed = skua_count_read(SKUA_COUNT_states_freed);
	allocated = skua_count_read(SKUA_COUNT_states_allocated);
	for (i = 0; i < SKUA_COUNTER_COUNT; i++)
		seq_printf(seq, "%s %llu\n", skua_counter_name(i), skua_count_read(i));
	seq_printf(seq, "states_live %llu\n", allocated - freed);
	seq_printf(seq, "sessions %u\n", READ_ONCE(skua_sessions));
	return 0;
}

static int abi_show(struct seq_file *seq, void *v)
{
	seq_printf(seq, "%d %s\n", SKUA_ABI_VERSION, SKUA_SOURCE_HASH);
	return 0;
}

int skua_proc_init(unsigned int gid)
{
	struct proc_dir_entry *context;
	kgid_t group = make_kgid(&init_user_ns, gid);

	if (!gid_valid(group))
		return -EINVAL;
	directory = proc_mkdir(SKUA_PROC_DIR, NULL);
	if (!directory)
		return -ENOMEM;
	if (!proc_create_single("stats", 0444, directory, stats_show) ||
	    !proc_create_single("sessions", 0444, directory, skua_accounts_show) ||
	    !proc_create_single("abi", 0444, directory, abi_show))
		goto error;
	/* Made closed, opened to the group at the end. */
	context = proc_create("context", 0660, directory, &context_ops);
	if (!context)
		goto error;
	proc_set_user(context, GLOBAL_ROOT_UID, group);
	return 0;

error:
	proc_remove(directory);
	return -ENOMEM;
}

void skua_proc_exit(void)
{
	proc_remove(directory);
}
