/* SPDX-License-Identifier: MIT */
/*
 * What a change of context costs a program, against a bare system call on the same machine:
 *
 *	registered	skua_attach and skua_detach when the kernel reads the record itself: stores only
 *	scope		SKUA_BEGIN and SKUA_END, which also save and restore what was there
 *	written		one record written to the context file, as clients do that cannot register
 *
 * Prints one JSON object: nanoseconds per operation (the fastest of ROUNDS rounds) and, counted by
 * single-stepping a child, instructions per operation. Without Skua's modules `registered` is measured all
 *the same (`"kernel":"none"`: the instructions are the same, only nobody reads the record) and `written` goes
 *to /dev/null, which says nothing about the module (`"writtenTo"`).
 *
 *	cc -O2 -I clients/c -I kernel/include bench/guest/context-cost.c -o context-cost -pthread
 *	context-cost [--calls N] [--rounds N]
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "skua.h"

static const uint8_t trace_ids[2][16] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
static const uint8_t span_ids[2][8] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
static long calls = 2000000, rounds = 7;
static int written_to = -1;

/* The loop's own cost, which every measurement subtracts. */
static void nothing(long n)
{
	for (long i = 0; i < n; i++)
		__asm__ volatile("" : : "r"(&trace_ids[i & 1]), "r"(&span_ids[i & 1]) : "memory");
}

static void attach(long n)
{
	for (long i = 0; i < n; i++) {
		skua_attach(trace_ids[i & 1], span_ids[i & 1], SKUA_TRACE_FLAG_SAMPLED);
		__asm__ volatile("" : : : "memory");
	}
}

static void attach_detach(long n)
{
	for (long i = 0; i < n; i++) {
		skua_attach(trace_ids[i & 1], span_ids[i & 1], SKUA_TRACE_FLAG_SAMPLED);
		__asm__ volatile("" : : : "memory");
		skua_detach();
	}
}

static void scope(long n)
{
	for (long i = 0; i < n; i++) {
		SKUA_BEGIN(trace_ids[i & 1], span_ids[i & 1], SKUA_TRACE_FLAG_SAMPLED);
		__asm__ volatile("" : : : "memory");
		SKUA_END();
	}
}

static void written(long n)
{
	struct skua_record record = {.valid = 1, .trace_flags = SKUA_TRACE_FLAG_SAMPLED};

	for (long i = 0; i < n; i++) {
		memcpy(record.trace_id, trace_ids[i & 1], 16);
		memcpy(record.span_id, span_ids[i & 1], 8);
		if (syscall(SYS_write, written_to, &record, sizeof(record)) != (long)sizeof(record))
			exit(1);
	}
}

static void bare_syscall(long n)
{
	for (long i = 0; i < n; i++)
		syscall(SYS_getppid);
}

static double elapsed_ns(void (*body)(long), long n)
{
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	body(n);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
}

static double ns_per_call(void (*body)(long), long n)
{
	double best = 0;

	body(n / 10 + 1);
	for (long round = 0; round < rounds; round++) {
		double ns = elapsed_ns(body, n);

		if (round == 0 || ns < best)
			best = ns;
	}
	return best / (double)n;
}

/* User-space instructions that a child executes in body(n), between two SIGSTOPs of its own. */
static long steps(void (*body)(long), long n)
{
	int status;
	long count = 0;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		body(4); /* registers anew, resolves what is lazy */
		raise(SIGSTOP);
		body(n);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	do {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid)
			return -1;
		count++;
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return count;
}

/* The difference of two lengths, so that what surrounds the loop does not count. -1 where ptrace is refused.
 */
static double instructions_per_call(void (*body)(long))
{
	long few = steps(body, 16), many = steps(body, 144), empty_few = steps(nothing, 16),
	     empty_many = steps(nothing, 144);

	if (few < 0 || many < 0 || empty_few < 0 || empty_many < 0)
		return -1;
	return (double)(many - few - (empty_many - empty_few)) / 128;
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--calls") == 0)
			calls = strtol(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = strtol(argv[i + 1], NULL, 10);
		else
			return fprintf(stderr, "context-cost: unknown option %s\n", argv[i]), 2;
	}
	if (calls < 10 || rounds < 1)
		return fprintf(stderr, "context-cost: too few calls or rounds\n"), 2;
	skua_thread_register();
	/* Read before the thread writes: a write ends its registration. */
	const int registered = skua_thread_registered();
	const double empty = ns_per_call(nothing, calls);
	const double attach_ns = ns_per_call(attach, calls) - empty;
	const double pair_ns = ns_per_call(attach_detach, calls) - empty;
	const double scope_ns = ns_per_call(scope, calls) - empty;
	const double attach_steps = instructions_per_call(attach);
	const double pair_steps = instructions_per_call(attach_detach);
	const double scope_steps = instructions_per_call(scope);

	skua_detach();
	const double syscall_ns = ns_per_call(bare_syscall, calls / 10);
	written_to = open(registered ? SKUA_PROC_CONTEXT : "/dev/null", O_WRONLY | O_CLOEXEC);
	if (written_to < 0)
		return perror("context-cost"), 1;
	const double written_ns = ns_per_call(written, calls / 10);

	printf("{\"benchmark\":\"context-cost\",\"kernel\":\"%s\",\"calls\":%ld,\"rounds\":%ld,"
	       "\"ns\":{\"attach\":%.3f,\"attachDetach\":%.3f,\"scope\":%.3f,\"written\":%.1f,"
	       "\"bareSyscall\":%.1f},"
	       "\"instructions\":{\"attach\":%.1f,\"attachDetach\":%.1f,\"scope\":%.1f},"
	       "\"writtenTo\":\"%s\",\"writtenPerSyscall\":%.2f}\n",
	       registered ? "registered" : "none", calls, rounds, attach_ns, pair_ns, scope_ns, written_ns,
	       syscall_ns, attach_steps, pair_steps, scope_steps,
	       registered ? SKUA_PROC_CONTEXT : "/dev/null", written_ns / syscall_ns);
	return 0;
}
