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
 * thread. Today every change is also sent to the kernel by one write() to /proc/skua/context; a kernel that
 * was told the pointer's address needs no write, and nothing else in this file would change.
 *
 * Without Skua's modules, or without permission, every function does the same stores and no system call:
 * programs run unchanged. skua_last_error() says why. SKUA_CONTEXT in the environment names another file (for
 * tests, containers).
 *
 * Guarantees: errno is preserved, nothing allocates, no function is a cancellation point. A forked child
 * starts detached. The file is opened once per process, close-on-exec, by whichever thread publishes first. A
 * program that closes all of its descriptors (a daemon) must do so before its first span, or call
 * skua_forget_file() first: Skua would otherwise write to whatever file gets the number next.
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
	int file;
	int error;	   /* errno of the last failure; 0 when there was none */
	uint64_t failures; /* writes that the kernel refused */
	pthread_once_t once;
	pthread_mutex_t opening;
};
SKUA_SHARED struct skua_process skua_process_v1 = {SKUA_FILE_UNTRIED, 0, 0, PTHREAD_ONCE_INIT,
						   PTHREAD_MUTEX_INITIALIZER};

/* The pointer of OTEP 4947 and the record it points to once this thread has published anything. */
SKUA_SHARED SKUA_THREAD struct skua_record *otel_thread_ctx_v1 = NULL;
SKUA_SHARED SKUA_THREAD struct skua_record skua_thread_record_v1 = {{0}, {0}, 0, 0, 0};
/* 1 while the kernel holds a sampled record for this thread: what it does not know need not be taken back. */
SKUA_SHARED SKUA_THREAD int skua_thread_armed_v1 = 0;

/* The child has one thread, and the kernel holds nothing for it. */
static inline void skua_after_fork(void)
{
	skua_thread_armed_v1 = 0;
	skua_thread_record_v1.valid = 0;
}

static inline void skua_first_use(void)
{
	pthread_atfork(NULL, NULL, skua_after_fork);
}

static inline int skua_open(void)
{
	struct skua_process *process = &skua_process_v1;
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
		__atomic_store_n(&process->error, opened >= 0 ? 0 : errno, __ATOMIC_RELAXED);
		__atomic_store_n(&process->file, file, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&process->opening);
	return file;
}

/* Sends this thread's record. Returns 0, or -1 with the reason in skua_last_error(). */
static inline int skua_send(int file)
{
	const struct skua_record *record = &skua_thread_record_v1;
	/* syscall() rather than write(): not a cancellation point, and not interposed by anything that traces
	 * I/O. */
	long wrote = syscall(SYS_write, file, record, (size_t)SKUA_RECORD_HEADER_BYTES);

	if (wrote == SKUA_RECORD_HEADER_BYTES) {
		skua_thread_armed_v1 =
		    record->valid == 1 && (record->trace_flags & SKUA_TRACE_FLAG_SAMPLED) != 0;
		return 0;
	}
	__atomic_store_n(&skua_process_v1.error, wrote < 0 ? errno : EIO, __ATOMIC_RELAXED);
	__atomic_fetch_add(&skua_process_v1.failures, 1, __ATOMIC_RELAXED);
	return -1;
}

/* Publishes the record as it stands; silent when there is no kernel side. */
static inline int skua_publish(void)
{
	const struct skua_record *record = &skua_thread_record_v1;
	int wanted = record->valid == 1 && (record->trace_flags & SKUA_TRACE_FLAG_SAMPLED) != 0;
	int saved = errno, result = 0, file;

	if (!wanted && !skua_thread_armed_v1)
		return 0; /* Unarmed to unarmed: the kernel has nothing to learn. */
	file = skua_open();
	if (file >= 0)
		result = skua_send(file);
	errno = saved;
	return result;
}

/* A reader on this thread (the kernel, a signal handler) sees either the old record, an invalid one, or the
 * new one. */
static inline void skua_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/*
 * Makes the span this thread's active one. Ids are in W3C byte order; only SKUA_TRACE_FLAG_SAMPLED in
 * trace_flags arms the thread. Returns 0 (also when Skua is absent), or -1 when the kernel refused the
 * record.
 */
static inline int skua_attach(const uint8_t trace_id[16], const uint8_t span_id[8], uint8_t trace_flags)
{
	struct skua_record *record = &skua_thread_record_v1;

	record->valid = 0;
	skua_fence();
	memcpy(record->trace_id, trace_id, sizeof(record->trace_id));
	memcpy(record->span_id, span_id, sizeof(record->span_id));
	record->trace_flags = trace_flags;
	record->attrs_size = 0;
	skua_fence();
	record->valid = 1;
	otel_thread_ctx_v1 = record;
	return skua_publish();
}

/* Leaves the thread without an active span. Returns as skua_attach does. */
static inline int skua_detach(void)
{
	skua_thread_record_v1.valid = 0;
	return skua_publish();
}

/* The context of this thread: `valid` is 0 when there is none. */
static inline struct skua_record skua_current(void)
{
	return skua_thread_record_v1;
}

/* Puts a context back that skua_current() returned. */
static inline int skua_restore(const struct skua_record *record)
{
	return record->valid == 1 ? skua_attach(record->trace_id, record->span_id, record->trace_flags)
				  : skua_detach();
}

/* 1 when records reach the kernel module. Opens the file when that was not tried yet. */
static inline int skua_enabled(void)
{
	int saved = errno;
	int file = skua_open();

	errno = saved;
	return file >= 0;
}

/* errno of the last failure to open the file or to write a record; 0 when there was none. ENOENT: no module.
 */
static inline int skua_last_error(void)
{
	return __atomic_load_n(&skua_process_v1.error, __ATOMIC_RELAXED);
}

/* Number of records that the kernel refused, in this process. */
static inline uint64_t skua_failed_writes(void)
{
	return __atomic_load_n(&skua_process_v1.failures, __ATOMIC_RELAXED);
}

/*
 * Closes the file; the next change opens it again. For a long-lived program that wants to notice modules that
 * were loaded later, or that is about to close all of its descriptors. No other thread may publish meanwhile.
 */
static inline void skua_forget_file(void)
{
	int saved = errno;
	int file = __atomic_exchange_n(&skua_process_v1.file, SKUA_FILE_UNTRIED, __ATOMIC_ACQ_REL);

	if (file >= 0)
		close(file);
	skua_thread_armed_v1 = 0;
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
