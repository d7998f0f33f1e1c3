/* SPDX-License-Identifier: MIT */
/* Compiled as C11 and as C++17. SKUA_CONTEXT names a plain file, which then holds every record that was
 * published. */
#include "skua.h"

#include <stdio.h>
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
	uint64_t before = skua_failed_writes();

	setenv("SKUA_CONTEXT", "/nonexistent/context", 1);
	skua_forget_file();
	errno = 5;
	CHECK(skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED) == 0);
	CHECK(errno == 5 && !skua_enabled() && skua_last_error() == ENOENT);
	CHECK(skua_current().valid == 1);
	CHECK(skua_detach() == 0 && skua_failed_writes() == before);

	setenv("SKUA_CONTEXT", "/dev/full", 1); /* A file that refuses. */
	skua_forget_file();
	CHECK(skua_attach(TRACE, OUTER, SKUA_TRACE_FLAG_SAMPLED) == -1);
	CHECK(skua_enabled() && skua_last_error() == ENOSPC && skua_failed_writes() == before + 1);
	CHECK(skua_detach() == 0 && skua_failed_writes() == before + 1);
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
	CHECK((fcntl(skua_process_v1.file, F_GETFD) & FD_CLOEXEC) != 0);
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
	unlink(path);
	puts("ok");
	return 0;
}
