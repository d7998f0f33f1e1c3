/* SPDX-License-Identifier: MIT */
/*
 * What a system call costs a thread that has no context: batches of the cheapest one, and of one-byte writes
 * to /dev/null.
 *
 * Usage: syscalls BATCHES CALLS [beside]
 * beside: another process has a context meanwhile, and sleeps.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"
#include "skua.h"

static struct reading calls_of_getppid(unsigned calls)
{
	struct reading began = begin_reading();

	for (unsigned i = 0; i < calls; i++)
		syscall(SYS_getppid);
	return end_reading(began);
}

static struct reading calls_of_write(unsigned calls, int file)
{
	struct reading began = begin_reading();

	for (unsigned i = 0; i < calls; i++)
		if (syscall(SYS_write, file, "x", (size_t)1) != 1)
			exit(1);
	return end_reading(began);
}

/* Exits when the kernel takes no context. */
static void start_traced_process(void)
{
	static const uint8_t trace_id[16] = {1}, span_id[8] = {1};
	int attached[2];
	char byte;

	if (pipe(attached))
		exit(1);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!skua_enabled() || skua_attach(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED) ||
		    write(attached[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(attached[1]);
	if (read(attached[0], &byte, 1) != 1)
		exit(1);
}

int main(int argc, char **argv)
{
	unsigned batches = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20;
	unsigned calls = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000;
	int file = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (file < 0)
		return 1;
	if (argc > 3)
		start_traced_process();
	calls_of_getppid(calls);
	calls_of_write(calls, file);
	for (unsigned i = 0; i < batches; i++) {
		print_reading("getppid", calls, calls_of_getppid(calls));
		print_reading("write", calls, calls_of_write(calls, file));
	}
	return 0;
}
