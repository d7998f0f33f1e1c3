/* SPDX-License-Identifier: MIT */
/* Compiled as C11 and as C++17. SKUA_CONTEXT names a plain file, which then holds every record that was
 * published. */
#include <unistd.h>

/* Stands between skua.h and the kernel: a kernel side that can register, where the test wants one. */
static long test_syscall(long number, long a, long b, long c, long d);
#define syscall(number, ...) TEST_SYSCALL(number, __VA_ARGS__, 0, 0, 0, 0)
#define TEST_SYSCALL(number, a, b, c, d, ...) test_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d))
#include "skua.h"
#undef syscall

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

static const uint8_t TRACE[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t OUTER[8] = {0xa0, 1, 2, 3, 4, 5, 6, 7};
static const uint8_t INNER[8] = {0xb0, 1, 2, 3, 4, 5, 6, 7};

static int can_register, registrations;
static __thread struct skua_record **registered;

static long test_syscall(long number, long a, long b, long c, long d)
{
	if (number == SYS_ioctl && can_register) {
		CHECK((unsigned long)b == (unsigned long)SKUA_IOC_REGISTER);
		registered = (struct skua_record **)*(uint64_t *)c;
		__atomic_fetch_add(&registrations, 1, __ATOMIC_RELAXED);
		return 0;
	}
	return syscall(number, a, b, c, d);
}

static char path[] = "/tmp/skua-test-XXXXXX";

/* Everything written so far. Returns the number of records. */
static int records(struct skua_record *out, int max)
{
	int file = open(path, O_RDONLY);
	ssize_t bytes = read(file, out, (size_t)max * sizeof(*out));

	close(file);
	CHECK(bytes >= 0 && bytes % SKUA_RECORD_HEADER_BYTES == 0);
	return (int)(bytes / SKUA_RECORD_HEADER_BYTES);
}

static void nested_blocks(void)
{
	struct skua_record out[16];

	errno = 77;
	SKUA_BEGIN(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK(memcmp(skua_current().span_id, OUTER, 8) == 0);
	CHECK(otel_thread_ctx_v1 != NULL && otel_thread_ctx_v1->valid == 1);
	SKUA_BEGIN(TRACE, INNER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK(memcmp(otel_thread_ctx_v1->span_id, INNER, 8) == 0);
	SKUA_END();
	CHECK(memcmp(skua_current().span_id, OUTER, 8) == 0);
	SKUA_END();
	CHECK(skua_current().valid == 0);
	CHECK(errno == 77);

	CHECK(records(out, 16) == 4);
	CHECK(memcmp(out[0].trace_id, TRACE, 16) == 0 && memcmp(out[0].span_id, OUTER, 8) == 0);
	CHECK(out[0].valid == 1 && out[0].trace_flags == 1 && out[0].attrs_size == 0);
	CHECK(memcmp(out[1].span_id, INNER, 8) == 0);
	CHECK(memcmp(out[2].span_id, OUTER, 8) == 0);
	CHECK(out[3].valid == 0);
}

static void unsampled_arms_nothing(void)
{
	struct skua_record out[16];

	SKUA_BEGIN(TRACE, OUTER, 0);
	CHECK(skua_current().valid == 1);
	SKUA_END();
	skua_detach();
	CHECK(records(out, 16) == 4); /* None was added. */
}

static void *other_thread(void *argument)
{
	(void)argument;
	CHECK(otel_thread_ctx_v1 == NULL && skua_current().valid == 0);
	skua_attach(TRACE, INNER, SKUA_TRACE_FLAG_SAMPLED);
	return NULL;
}

static void threads_and_forks(void)
{
	struct skua_record out[16];
	pthread_t thread;
	int status;
	pid_t child;

	skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
	pthread_join(thread, NULL);
	CHECK(memcmp(skua_current().span_id, OUTER, 8) == 0);

	child = fork();
	if (child == 0) {
		/* The kernel holds nothing for the child: nothing is to be taken back, and attaching works
		 * anew. */
		if (skua_current().valid != 0 || records(out, 16) != 6)
			_exit(1);
		skua_detach();
		if (records(out, 16) != 6)
			_exit(2);
		skua_attach(TRACE, INNER, SKUA_TRACE_FLAG_SAMPLED);
		_exit(records(out, 16) == 7 ? 0 : 3);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(skua_current().valid == 1);
	skua_detach();
	CHECK(records(out, 16) == 8 && out[7].valid == 0);
}

static void trouble_is_silent(void)
{
	uint64_t before = skua_failures();

	setenv("SKUA_CONTEXT", "/nonexistent/context", 1);
	skua_forget_file();
	errno = 5;
	CHECK(skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED) == 0);
	CHECK(errno == 5 && !skua_enabled() && skua_last_error() == ENOENT);
	CHECK(skua_current().valid == 1);
	CHECK(skua_detach() == 0 && skua_failures() == before);

	setenv("SKUA_CONTEXT", "/dev/full", 1); /* A file that refuses. */
	skua_forget_file();
	CHECK(skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED) == -1);
	CHECK(skua_enabled() && skua_last_error() == ENOSPC && skua_failures() == before + 1);
	CHECK(skua_detach() == 0 && skua_failures() == before + 1);
}

/* ---- a kernel side that registers ---- */

static void *registers_anew(void *argument)
{
	(void)argument;
	CHECK(registered == NULL && !skua_thread_registered());
	CHECK(skua_thread_register() == 0 && skua_thread_registered());
	CHECK(registered == &otel_thread_ctx_v1 && otel_thread_ctx_v1->valid == 0);
	skua_attach(TRACE, INNER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK((*registered)->valid == 1 && memcmp((*registered)->span_id, INNER, 8) == 0);
	return NULL;
}

static void registers_once_a_thread(void)
{
	struct skua_record out[16];
	pthread_t thread;
	int status, before;
	pid_t child;

	setenv("SKUA_CONTEXT", path, 1);
	skua_forget_file();
	before = records(out, 16);
	can_register = 1;
	registrations = 0;
	skua_attach(TRACE, OUTER, 0); /* Not sampled: nothing to tell. */
	CHECK(registrations == 0 && !skua_thread_registered());
	errno = 33;
	skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK(errno == 33 && registrations == 1 && skua_thread_registered() && skua_enabled());
	CHECK(registered == &otel_thread_ctx_v1);
	SKUA_BEGIN(TRACE, INNER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK(memcmp((*registered)->span_id, INNER, 8) == 0 && (*registered)->valid == 1);
	SKUA_END();
	CHECK(memcmp((*registered)->span_id, OUTER, 8) == 0 && (*registered)->trace_flags == 1);
	skua_detach();
	CHECK((*registered)->valid == 0);
	CHECK(registrations == 1);

	CHECK(pthread_create(&thread, NULL, registers_anew, NULL) == 0);
	pthread_join(thread, NULL);
	CHECK(registrations == 2);

	skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED);
	child = fork();
	if (child == 0) {
		if (skua_current().valid != 0 || skua_thread_registered())
			_exit(1);
		skua_attach(TRACE, INNER, SKUA_TRACE_FLAG_SAMPLED);
		_exit(skua_thread_registered() && registrations == 3 ? 0 : 2);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(skua_current().valid == 1 && registrations == 2);
	skua_detach();
	CHECK(records(out, 16) == before); /* Nothing was ever written. */
}

static void registration_is_taken_back(void)
{
	registrations = 0;
	skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK(skua_thread_unregister() == 0 && skua_thread_registered()); /* Not while it is of use. */
	skua_detach();
	errno = 33;
	CHECK(skua_thread_unregister() == 0 && errno == 33);
	CHECK(registrations == 1 && registered == NULL && !skua_thread_registered());
	CHECK(skua_thread_unregister() == 0 && registrations == 1);
	skua_attach(TRACE, OUTER, 0);
	CHECK(registrations == 1 && skua_current().valid == 1);
	skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED);
	CHECK(registrations == 2 && registered == &otel_thread_ctx_v1 && skua_thread_registered());
	skua_detach();
}

static volatile sig_atomic_t interruptions, torn;

/* A reader on the same thread that then does what a handler with a span of its own does. */
static void interrupt(int signal)
{
	static const uint8_t own[16] = {0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77,
					0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77};
	const struct skua_record *record = *registered;

	(void)signal;
	interruptions = interruptions + 1;
	if (record->valid == 1 &&
	    (record->trace_id[0] != record->span_id[0] || record->trace_id[15] != record->span_id[7]))
		torn = torn + 1;
	SKUA_BEGIN(own, own, SKUA_TRACE_FLAG_SAMPLED);
	SKUA_END();
}

static void survives_signals(void)
{
	const struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	uint8_t ids[2][16];

	memset(ids[0], 0xa5, sizeof(ids[0]));
	memset(ids[1], 0x5a, sizeof(ids[1]));
	skua_attach(ids[0], ids[0], SKUA_TRACE_FLAG_SAMPLED);
	signal(SIGALRM, interrupt);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; interruptions < 2000; i++) {
		struct skua_record now;

		skua_attach(ids[i & 1], ids[i & 1], SKUA_TRACE_FLAG_SAMPLED);
		now = skua_current();
		CHECK(now.valid == 1 && memcmp(now.trace_id, ids[i & 1], 16) == 0 &&
		      memcmp(now.span_id, ids[i & 1], 8) == 0);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(torn == 0);
	skua_detach();
}

int main(void)
{
	int file = mkstemp(path);

	CHECK(file >= 0);
	close(file);
	setenv("SKUA_CONTEXT", path, 1);
	nested_blocks();
	unsampled_arms_nothing();
	threads_and_forks();
	CHECK((fcntl(skua_process_v2.file, F_GETFD) & FD_CLOEXEC) != 0);
#ifdef __cplusplus
	{
		struct skua_record out[16];
		skua::Scope outer({1}, {2});
		{
			skua::Scope inner({1}, {3});
			CHECK(skua_current().span_id[0] == 3);
		}
		CHECK(skua_current().span_id[0] == 2 && records(out, 16) == 11);
	}
	CHECK(skua_current().valid == 0);
#endif
	trouble_is_silent();
	registers_once_a_thread();
	registration_is_taken_back();
	survives_signals();
	unlink(path);
	puts("ok");
	return 0;
}
