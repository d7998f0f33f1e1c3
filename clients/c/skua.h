/* SPDX-License-Identifier: MIT */
/*
 * Tells the kernel which span this thread is working in. Single header, C11 and C++17, no dependency but libc
 * and the ABI header skua_abi.h (kernel/include in the source tree, beside this file when installed).
 *
 *	uint8_t trace_id[16], span_id[8];			// W3C order: most significant byte first
 *
 *	SKUA_BEGIN(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED);
 *	read(fd, buf, n);					// a child span of span_id
 *	SKUA_END();						// the previous context is back
 *
 *	{ skua::Scope scope(trace_id, span_id); read(fd, buf, n); }	// the same in C++
 *
 * Each thread owns one record in the layout of the OpenTelemetry thread context (OTEP 4947), reachable
 * through the thread-local pointer `otel_thread_ctx_v1`. It is only ever changed by plain stores of its own
 * thread. The thread's first sampled context costs one ioctl, which tells the kernel where that pointer is;
 * from then on the kernel reads the record when it needs to know, and a change costs the stores alone:
 *
 *	first sampled context ──► /proc/skua/context registers? ──► stores only
 *					│ older modules: one write() per change of a sampled context
 *					└ no modules, no permission: stores only, and nobody reads them
 *
 * Programs run unchanged in every case. skua_last_error() says why nothing is recorded. SKUA_CONTEXT in the
 * environment names another file (for tests, containers).
 *
 * Guarantees: errno is preserved, nothing allocates, no function is a cancellation point. The file is opened
 * once per process, close-on-exec, by whichever thread needs it first. A program that closes all of its
 * descriptors (a daemon) must do so before its first span, or call skua_forget_file() first: Skua would
 * otherwise speak to whatever file gets the number next.
 *
 * fork: the child starts detached, and registers anew with its first sampled context. Between vfork and exec
 * the child shares its parent's record: do not call anything here. A child made by the bare clone system call
 * goes unnoticed: call skua_forget_file() in it.
 *
 * Signal handlers: what a handler begins it must end (SKUA_BEGIN, skua::Scope, or skua_current and
 * skua_restore); then it may interrupt anything here. Not in a handler: the first call in a process, the
 * first of a thread when this header is used in a library loaded by dlopen, and skua_forget_file().
 */
#ifndef SKUA_H
#define SKUA_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_include) && __has_include("skua_abi.h")
#include "skua_abi.h"
#else
#include "../../kernel/include/skua_abi.h"
#endif

/* What libc hides under a strict -std=c11. */
#ifndef O_CLOEXEC
#define O_CLOEXEC 02000000
#endif
#ifndef AT_FDCWD
#define AT_FDCWD (-100)
#endif
#if !defined(__cplusplus) && !defined(_DEFAULT_SOURCE) && !defined(_GNU_SOURCE)
extern long syscall(long number, ...);
#endif

#ifdef __cplusplus
#define SKUA_STATIC_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#define SKUA_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

SKUA_STATIC_ASSERT(sizeof(struct skua_record) == SKUA_RECORD_HEADER_BYTES, "the record is packed");
SKUA_STATIC_ASSERT(offsetof(struct skua_record, span_id) == 16, "OTEP 4947: span-id follows trace-id");
SKUA_STATIC_ASSERT(offsetof(struct skua_record, valid) == 24, "OTEP 4947: valid follows span-id");
SKUA_STATIC_ASSERT(offsetof(struct skua_record, attrs_size) == 26,
		   "OTEP 4947: attrs-data-size ends the header");

/*
 * State shared by every translation unit and library that includes this header: weak definitions, of which
 * the linker keeps one. `file` is -1 before the first use, -2 when it could not be opened, else the
 * descriptor.
 */
#define SKUA_FILE_UNTRIED (-1)
#define SKUA_FILE_NONE (-2)
#define SKUA_SHARED __attribute__((weak, visibility("default")))
#define SKUA_THREAD __thread

struct skua_process {
	uint32_t epoch; /* what threads know of the kernel side holds for one epoch */
	int file;
	int writes;	   /* 1: the kernel side cannot register, records are written */
	int error;	   /* errno of the last failure; 0 when there was none */
	uint64_t failures; /* registrations and writes that the kernel refused */
	pthread_once_t once;
	pthread_mutex_t opening;
};
SKUA_SHARED struct skua_process skua_process_v2 = {
    1, SKUA_FILE_UNTRIED, 0, 0, 0, PTHREAD_ONCE_INIT, PTHREAD_MUTEX_INITIALIZER};

struct skua_thread {
	struct skua_record record;
	uint32_t ready; /* the epoch in which a change needs stores only, or 0 */
	uint8_t armed;	/* where records are written: the kernel holds a sampled one */
	uint8_t busy;	/* talking to the kernel; a signal handler that interrupts that does not */
} __attribute__((aligned(8)));
SKUA_SHARED SKUA_THREAD struct skua_thread skua_thread_v2 = {{{0}, {0}, 0, 0, 0}, 0, 0, 0};

/* The pointer of OTEP 4947, which leads to the record above once this thread has published anything. */
SKUA_SHARED SKUA_THREAD struct skua_record *otel_thread_ctx_v1 = NULL;

typedef uint32_t __attribute__((may_alias)) skua_word;
SKUA_STATIC_ASSERT(offsetof(struct skua_thread, record) == 0, "valid to attrs_size is an aligned word");

/* A reader on this thread (the kernel, a signal handler) sees either the old record, an invalid one, or the
 * new one. */
static inline void skua_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Changes the record by plain stores in the order that readers rely on; valid comes last, in one store with
 * what lies beside it. */
static inline void skua_store(struct skua_record *record, const uint8_t *trace_id, const uint8_t *span_id,
			      uint8_t valid, uint8_t trace_flags)
{
	const uint8_t rest[4] = {valid, trace_flags, 0, 0};
	uint32_t word;

	memcpy(&word, rest, sizeof(word));
	*(volatile uint8_t *)&record->valid = 0;
	skua_fence();
	memcpy(record->trace_id, trace_id, sizeof(record->trace_id));
	memcpy(record->span_id, span_id, sizeof(record->span_id));
	skua_fence();
	*(volatile skua_word *)&record->valid = word;
	skua_fence();
}

/* The child has one thread, and the kernel holds nothing for it. */
static inline void skua_after_fork(void)
{
	skua_thread_v2.armed = 0;
	skua_thread_v2.ready = 0;
	skua_thread_v2.record.valid = 0;
}

static inline void skua_first_use(void)
{
	pthread_atfork(NULL, NULL, skua_after_fork);
}

static inline int skua_open(void)
{
	struct skua_process *process = &skua_process_v2;
	int file = __atomic_load_n(&process->file, __ATOMIC_ACQUIRE);

	if (file != SKUA_FILE_UNTRIED)
		return file;
	pthread_once(&process->once, skua_first_use);
	pthread_mutex_lock(&process->opening);
	file = __atomic_load_n(&process->file, __ATOMIC_ACQUIRE);
	if (file == SKUA_FILE_UNTRIED) {
		const char *path = getenv("SKUA_CONTEXT");
		int opened = (int)syscall(SYS_openat, AT_FDCWD, path && *path ? path : SKUA_PROC_CONTEXT,
					  O_WRONLY | O_CLOEXEC);

		file = opened >= 0 ? opened : SKUA_FILE_NONE;
		__atomic_store_n(&process->writes, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&process->error, opened >= 0 ? 0 : errno, __ATOMIC_RELAXED);
		__atomic_store_n(&process->file, file, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&process->opening);
	return file;
}

static inline int skua_refused(int error)
{
	__atomic_store_n(&skua_process_v2.error, error, __ATOMIC_RELAXED);
	__atomic_fetch_add(&skua_process_v2.failures, 1, __ATOMIC_RELAXED);
	return -1;
}

/* syscall() rather than write() and ioctl(): not a cancellation point, and not interposed by anything that
 * traces I/O. */
static inline int skua_write(struct skua_thread *thread, int file, int wanted)
{
	long wrote = syscall(SYS_write, file, &thread->record, (size_t)SKUA_RECORD_HEADER_BYTES);

	if (wrote != SKUA_RECORD_HEADER_BYTES)
		return skua_refused(wrote < 0 ? errno : EIO);
	thread->armed = (uint8_t)wanted;
	return 0;
}

static inline int skua_register(struct skua_thread *thread, int file, int wanted, uint32_t epoch)
{
	uint64_t address = (uintptr_t)&otel_thread_ctx_v1;

	if (syscall(SYS_ioctl, file, (unsigned long)SKUA_IOC_REGISTER, &address) == 0) {
		thread->ready = epoch;
		return 0;
	}
	if (errno != ENOTTY)
		return skua_refused(errno);
	/* Modules that know writes only. */
	__atomic_store_n(&skua_process_v2.writes, 1, __ATOMIC_RELAXED);
	return wanted ? skua_write(thread, file, wanted) : 0;
}

static inline int skua_arms(const struct skua_record *record)
{
	return record->valid == 1 && (record->trace_flags & SKUA_TRACE_FLAG_SAMPLED) != 0;
}

/*
 * What a change needs beside the stores, as long as the thread is not registered. `always`: register although
 * the kernel has nothing to learn. The pointer is null meanwhile, so that what is done here belongs to no
 * span when somebody else has registered the whole process.
 */
static inline int skua_publish(struct skua_thread *thread, int always)
{
	struct skua_process *process = &skua_process_v2;
	uint32_t epoch = __atomic_load_n(&process->epoch, __ATOMIC_ACQUIRE);
	int wanted = skua_arms(&thread->record);
	int news = wanted || thread->armed;
	int saved = errno, result = 0, file;

	if (thread->busy)
		return 0;
	if (!(news || always)) {
		otel_thread_ctx_v1 = &thread->record;
		return 0;
	}
	thread->busy = 1;
	otel_thread_ctx_v1 = NULL;
	skua_fence();
	file = skua_open();
	if (file < 0)
		thread->ready = epoch;
	else if (!__atomic_load_n(&process->writes, __ATOMIC_RELAXED))
		result = skua_register(thread, file, wanted, epoch);
	else if (news)
		result = skua_write(thread, file, wanted);
	skua_fence();
	otel_thread_ctx_v1 = &thread->record;
	thread->busy = 0;
	errno = saved;
	return result;
}

static inline int skua_is_ready(const struct skua_thread *thread)
{
	return thread->ready == __atomic_load_n(&skua_process_v2.epoch, __ATOMIC_RELAXED);
}

/*
 * Makes the span this thread's active one. Ids are in W3C byte order; only SKUA_TRACE_FLAG_SAMPLED in
 * trace_flags arms the thread. Returns 0 (also when Skua is absent), or -1 when the kernel refused the
 * registration or the record.
 */
static inline int skua_attach(const uint8_t trace_id[16], const uint8_t span_id[8], uint8_t trace_flags)
{
	struct skua_thread *thread = &skua_thread_v2;

	skua_store(&thread->record, trace_id, span_id, 1, trace_flags);
	if (__builtin_expect(skua_is_ready(thread), 1))
		return 0;
	return skua_publish(thread, 0);
}

/* Leaves the thread without an active span. Returns as skua_attach does. */
static inline int skua_detach(void)
{
	struct skua_thread *thread = &skua_thread_v2;

	*(volatile uint8_t *)&thread->record.valid = 0;
	skua_fence();
	if (__builtin_expect(skua_is_ready(thread), 1))
		return 0;
	return skua_publish(thread, 0);
}

/* The context of this thread: `valid` is 0 when there is none. */
static inline struct skua_record skua_current(void)
{
	const struct skua_record *record = &skua_thread_v2.record;
	struct skua_record copy;

	/* Piece by piece as they were stored: loads that span several recent stores would wait for them. */
	memcpy(copy.trace_id, record->trace_id, sizeof(copy.trace_id));
	memcpy(copy.span_id, record->span_id, sizeof(copy.span_id));
	memcpy(&copy.valid, &record->valid, sizeof(copy) - offsetof(struct skua_record, valid));
	return copy;
}

/* Puts a context back that skua_current() returned: all of it, so that a change which a signal handler
 * interrupted goes on as if nothing had been. */
static inline int skua_restore(const struct skua_record *record)
{
	struct skua_thread *thread = &skua_thread_v2;

	skua_store(&thread->record, record->trace_id, record->span_id, record->valid, record->trace_flags);
	if (__builtin_expect(skua_is_ready(thread), 1))
		return 0;
	return skua_publish(thread, 0);
}

/*
 * Registers this thread now instead of with its first sampled context, for threads that want the one system
 * call out of the way. Returns as skua_attach does.
 */
static inline int skua_thread_register(void)
{
	struct skua_thread *thread = &skua_thread_v2;

	return skua_is_ready(thread) ? 0 : skua_publish(thread, 1);
}

/*
 * Takes this thread's registration back until its next sampled context, for threads that seldom have one: the
 * kernel looks at a registered thread's record in each of its system calls. Does nothing while a sampled
 * context is this thread's. Returns 0, or -1 when the kernel refused.
 */
static inline int skua_thread_unregister(void)
{
	struct skua_thread *thread = &skua_thread_v2;
	int file = __atomic_load_n(&skua_process_v2.file, __ATOMIC_RELAXED);
	uint64_t nowhere = 0;
	int saved = errno, result = 0;

	if (file < 0 || !skua_is_ready(thread) || thread->busy || skua_arms(&thread->record))
		return 0;
	thread->busy = 1;
	if (syscall(SYS_ioctl, file, (unsigned long)SKUA_IOC_REGISTER, &nowhere) == 0)
		thread->ready = 0;
	else
		result = skua_refused(errno);
	thread->busy = 0;
	errno = saved;
	return result;
}

/* 1 when the kernel reads this thread's record, so that changes are plain stores. */
static inline int skua_thread_registered(void)
{
	return skua_is_ready(&skua_thread_v2) &&
	       __atomic_load_n(&skua_process_v2.file, __ATOMIC_RELAXED) >= 0;
}

/* 1 when contexts reach the kernel module. Opens the file when that was not tried yet. */
static inline int skua_enabled(void)
{
	int saved = errno;
	int file = skua_open();

	errno = saved;
	return file >= 0;
}

/* errno of the last failure to open the file, to register or to write a record; 0 when there was none.
 * ENOENT: no module. */
static inline int skua_last_error(void)
{
	return __atomic_load_n(&skua_process_v2.error, __ATOMIC_RELAXED);
}

/* Number of registrations and records that the kernel refused, in this process. */
static inline uint64_t skua_failures(void)
{
	return __atomic_load_n(&skua_process_v2.failures, __ATOMIC_RELAXED);
}

/*
 * Closes the file and forgets what is known of the kernel side; the next sampled context of each thread finds
 * out anew. For a long-lived program that wants to notice modules that were loaded later or anew, or that is
 * about to close all of its descriptors. No other thread may publish meanwhile.
 */
static inline void skua_forget_file(void)
{
	struct skua_process *process = &skua_process_v2;
	int saved = errno;
	int file = __atomic_exchange_n(&process->file, SKUA_FILE_UNTRIED, __ATOMIC_ACQ_REL);

	if (file >= 0)
		close(file);
	__atomic_fetch_add(&process->epoch, 1, __ATOMIC_ACQ_REL);
	skua_thread_v2.armed = 0;
	errno = saved;
}

/* Begin and end of a block in which the span is active; they nest. Leave the block only through SKUA_END. */
#define SKUA_BEGIN(trace_id, span_id, trace_flags)                                                           \
	do {                                                                                                 \
		const struct skua_record skua_outer_ = skua_current();                                       \
	skua_attach((trace_id), (span_id), (trace_flags))
#define SKUA_END()                                                                                           \
	skua_restore(&skua_outer_);                                                                          \
	}                                                                                                    \
	while (0)

#ifdef __cplusplus
} /* extern "C" */

namespace skua
{

/* The span is this thread's active one as long as the scope lives; then the previous context is back. */
class Scope
{
      public:
	Scope(const uint8_t (&trace_id)[16], const uint8_t (&span_id)[8],
	      uint8_t trace_flags = SKUA_TRACE_FLAG_SAMPLED) noexcept
	    : outer_(skua_current())
	{
		skua_attach(trace_id, span_id, trace_flags);
	}
	~Scope()
	{
		skua_restore(&outer_);
	}
	Scope(const Scope &) = delete;
	Scope &operator=(const Scope &) = delete;

      private:
	const skua_record outer_;
};

} // namespace skua
#endif

#endif /* SKUA_H */
