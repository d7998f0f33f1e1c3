// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-fd.c
 *
 * Reports what the file descriptors of a syscall refer to, as skua_fd events just before its entry event. A thread reports
 * a file under a number once per session, as far as a small cache remembers; names are those of /proc/self/fd.
 */

#include <linux/compat.h>
#include <linux/dcache.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/rcupdate.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include <skua/skua-trace.h>

#include "skua-internal.h"

#define A0 0x01
#define A1 0x02
#define A2 0x04
#define A3 0x08
#define A4 0x10

/*
 * Which arguments of native syscalls are file descriptors. Those of the "at" family may be AT_FDCWD, which is negative and
 * thereby not a descriptor.
 */
static const u8 fd_arguments[] = {
	[__NR_read] = A0, [__NR_write] = A0, [__NR_close] = A0, [__NR_fstat] = A0, [__NR_lseek] = A0,
	[__NR_mmap] = A4, [__NR_ioctl] = A0, [__NR_pread64] = A0, [__NR_pwrite64] = A0, [__NR_readv] = A0,
	[__NR_writev] = A0, [__NR_dup] = A0, [__NR_dup2] = A0, [__NR_sendfile] = A0 | A1, [__NR_connect] = A0,
	[__NR_accept] = A0, [__NR_sendto] = A0, [__NR_recvfrom] = A0, [__NR_sendmsg] = A0, [__NR_recvmsg] = A0,
	[__NR_shutdown] = A0, [__NR_bind] = A0, [__NR_listen] = A0, [__NR_getsockname] = A0,
	[__NR_getpeername] = A0, [__NR_setsockopt] = A0, [__NR_getsockopt] = A0, [__NR_fcntl] = A0,
	[__NR_flock] = A0, [__NR_fsync] = A0, [__NR_fdatasync] = A0, [__NR_ftruncate] = A0, [__NR_getdents] = A0,
	[__NR_fchdir] = A0, [__NR_fchmod] = A0, [__NR_fchown] = A0, [__NR_fstatfs] = A0, [__NR_readahead] = A0,
	[__NR_fsetxattr] = A0, [__NR_fgetxattr] = A0, [__NR_flistxattr] = A0, [__NR_fremovexattr] = A0,
	[__NR_getdents64] = A0, [__NR_fadvise64] = A0, [__NR_epoll_wait] = A0, [__NR_epoll_ctl] = A0 | A2,
	[__NR_inotify_add_watch] = A0, [__NR_inotify_rm_watch] = A0, [__NR_openat] = A0, [__NR_mkdirat] = A0,
	[__NR_mknodat] = A0, [__NR_fchownat] = A0, [__NR_futimesat] = A0, [__NR_newfstatat] = A0,
	[__NR_unlinkat] = A0, [__NR_renameat] = A0 | A2, [__NR_linkat] = A0 | A2, [__NR_symlinkat] = A1,
	[__NR_readlinkat] = A0, [__NR_fchmodat] = A0, [__NR_faccessat] = A0, [__NR_splice] = A0 | A2,
	[__NR_tee] = A0 | A1, [__NR_sync_file_range] = A0, [__NR_vmsplice] = A0, [__NR_utimensat] = A0,
	[__NR_epoll_pwait] = A0, [__NR_fallocate] = A0, [__NR_timerfd_settime] = A0, [__NR_timerfd_gettime] = A0,
	[__NR_accept4] = A0, [__NR_signalfd4] = A0, [__NR_dup3] = A0, [__NR_preadv] = A0, [__NR_pwritev] = A0,
	[__NR_recvmmsg] = A0, [__NR_name_to_handle_at] = A0, [__NR_syncfs] = A0, [__NR_sendmmsg] = A0,
	[__NR_setns] = A0, [__NR_finit_module] = A0, [__NR_renameat2] = A0 | A2, [__NR_execveat] = A0,
	[__NR_copy_file_range] = A0 | A2, [__NR_preadv2] = A0, [__NR_pwritev2] = A0, [__NR_statx] = A0,
	[__NR_io_uring_enter] = A0, [__NR_io_uring_register] = A0,
#ifdef __NR_openat2
	[__NR_openat2] = A0,
#endif
#ifdef __NR_faccessat2
	[__NR_faccessat2] = A0,
#endif
#ifdef __NR_epoll_pwait2
	[__NR_epoll_pwait2] = A0,
#endif
};

static bool is_cached(const struct skua_fd_entry *entry, int fd, const struct file *file, u32 generation)
{
	return entry->file == file && entry->fd == fd && entry->generation == generation &&
	       entry->inode == file->f_inode && entry->dentry == file->f_path.dentry &&
	       entry->ino == file->f_inode->i_ino;
}

/* Looks only, so that the usual case takes no reference. */
static bool is_reported(const struct skua_fd_entry *entry, int fd, u32 generation)
{
	const struct file *file;
	bool reported;

	rcu_read_lock();
	file = files_lookup_fd_raw(current->files, fd);
	reported = file && is_cached(entry, fd, file, generation);
	rcu_read_unlock();
	return reported;
}

/* "…/name" of a file whose whole path does not fit. */
static const char *short_path(struct file *file, char *buffer, size_t size)
{
	struct name_snapshot name;

	skua_count(fds_path_too_long);
	take_dentry_name_snapshot(&name, file->f_path.dentry);
	snprintf(buffer, size, ".../%s", name.name.name);
	release_dentry_name_snapshot(&name);
	return buffer;
}

static void report(struct skua_state *state, struct skua_fd_entry *entry, int fd, u32 generation)
{
	struct file *file = fget_raw(fd);
	const struct inode *inode;
	const char *path;

	if (!file) {
		entry->file = NULL;
		entry->context = false;
		return;
	}
	inode = file_inode(file);
	path = d_path(&file->f_path, state->scratch, skua_scratch_bytes());
	if (IS_ERR(path))
		path = short_path(file, state->scratch, skua_scratch_bytes());
	trace_skua_fd(fd, inode->i_ino, path);
	skua_count(fds);

	entry->file = file;
	entry->inode = inode;
	entry->dentry = file->f_path.dentry;
	entry->ino = inode->i_ino;
	entry->fd = fd;
	entry->generation = generation;
	entry->context = skua_is_context(file);
	fput(file);
}

static void report_argument(struct skua_state *state, long value, u32 generation)
{
	int fd = (int)value;
	struct skua_fd_entry *entry;

	if (fd < 0)
		return;
	entry = &state->fds[fd % SKUA_FD_CACHE_SIZE];
	if (!is_reported(entry, fd, generation))
		report(state, entry, fd, generation);
}

/*
 * A call about to reach /proc/skua/context is Skua's own. Its entry says so already, so that it is known even when its exit
 * event is lost. The descriptor has just been looked up.
 */
static void mark_control(struct skua_state *state, int fd)
{
	const struct skua_fd_entry *entry;

	if (fd < 0)
		return;
	entry = &state->fds[fd % SKUA_FD_CACHE_SIZE];
	if (unlikely(entry->context) && entry->fd == fd) {
		state->control_at_entry = true;
		skua_mark_control(state);
	}
}

/* Called at syscall entry, before the entry event, while the scratch buffer is free. */
void skua_fd_report(struct skua_state *state, struct pt_regs *regs, long nr)
{
	u32 generation = state->syscall_generation;
	u8 mask;

	if (nr < 0 || nr >= ARRAY_SIZE(fd_arguments) || in_compat_syscall() || !current->files)
		return;
	mask = fd_arguments[nr];
	if (!mask)
		return;
	if (mask & A0)
		report_argument(state, regs->di, generation);
	if (nr == __NR_write || nr == __NR_ioctl)
		mark_control(state, (int)regs->di);
	if (mask & A1)
		report_argument(state, regs->si, generation);
	if (mask & A2)
		report_argument(state, regs->dx, generation);
	if (mask & A3)
		report_argument(state, regs->r10, generation);
	if (mask & A4)
		report_argument(state, regs->r8, generation);
}
