/* SPDX-License-Identifier: MIT */
/*
 * Counts the system calls that it makes inside spans: the left side of
 *
 *	issued = delivered + dropped, by cause
 *
 * N threads, each of R rounds; a round is one span in which each of the KINDS of calls is made once. Prints
 * one JSON line per system call with how many were made inside spans, and one with the total. Ids are
 * deterministic: the trace id is SEED and the thread's number, the span id the thread's number and the
 * round's.
 *
 * Usage: counter [--threads N] [--rounds R] [--pause MICROSECONDS] [--seed HEX]
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "skua.h"

enum { GETPID, OPENAT, WRITE, LSEEK, READ, CLOSE, KINDS };
static const char *const names[KINDS] = {"getpid", "openat", "write", "lseek", "read", "close"};

struct worker {
	pthread_t thread;
	unsigned number;
	uint64_t made[KINDS];
	uint64_t failed;
};

static unsigned threads = 4, rounds = 1000;
static long pause_us;
static uint64_t seed = 0x736b7561; /* "skua" */

static void store_be64(uint8_t *out, uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		out[i] = (uint8_t)value;
}

/* Made through syscall(), so that a count is one entry into the kernel whatever libc does. */
#define MAKE(kind, ...)                                                                                      \
	do {                                                                                                 \
		result = syscall(__VA_ARGS__);                                                               \
		worker->made[kind]++;                                                                        \
		worker->failed += result < 0;                                                                \
	} while (0)

static void one_round(struct worker *worker, const uint8_t *trace_id, unsigned round)
{
	uint8_t span_id[8];
	char byte = 'x';
	long result, file;

	store_be64(span_id, (uint64_t)(worker->number + 1) << 32 | (round + 1));
	SKUA_BEGIN(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED);
	MAKE(GETPID, SYS_getpid);
	MAKE(OPENAT, SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	file = result;
	MAKE(WRITE, SYS_write, file, &byte, 1);
	MAKE(LSEEK, SYS_lseek, file, 0, SEEK_SET);
	MAKE(READ, SYS_read, file, &byte, 1);
	MAKE(CLOSE, SYS_close, file);
	SKUA_END();
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct timespec pause = {pause_us / 1000000, pause_us % 1000000 * 1000};
	uint8_t trace_id[16];

	store_be64(trace_id, seed);
	store_be64(trace_id + 8, worker->number + 1);
	for (unsigned round = 0; round < rounds; round++) {
		one_round(worker, trace_id, round);
		if (pause_us > 0)
			nanosleep(&pause, NULL); /* Outside of the span: not counted, not traced. */
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t made[KINDS] = {0}, total = 0, failed = 0;
	struct worker *workers;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--threads") == 0)
			threads = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--pause") == 0)
			pause_us = strtol(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 16);
		else
			return fprintf(stderr, "counter: unknown option %s\n", argv[i]), 2;
	}
	workers = calloc(threads, sizeof(*workers));
	if (workers == NULL || threads == 0)
		return fprintf(stderr, "counter: no threads\n"), 2;
	for (unsigned i = 0; i < threads; i++) {
		workers[i].number = i;
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
			return fprintf(stderr, "counter: thread %u could not be started\n", i), 1;
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		failed += workers[i].failed;
		for (int kind = 0; kind < KINDS; kind++)
			made[kind] += workers[i].made[kind];
	}
	free(workers);
	for (int kind = 0; kind < KINDS; kind++) {
		printf("{\"syscall\":\"%s\",\"made\":%" PRIu64 "}\n", names[kind], made[kind]);
		total += made[kind];
	}
	printf("{\"total\":%" PRIu64 ",\"spans\":%" PRIu64 ",\"threads\":%u,\"failed\":%" PRIu64
	       ",\"kernel\":%s,\"lastError\":%d,\"refusedRecords\":%" PRIu64 ",\"pid\":%d}\n",
	       total, (uint64_t)threads * rounds, threads, failed, skua_enabled() ? "true" : "false",
	       skua_last_error(), skua_failures(), (int)getpid());
	return 0;
}
