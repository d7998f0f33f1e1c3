/* SPDX-License-Identifier: MIT */
/*
 * What a system call costs a thread that has no context: batches of the cheapest one, and of one-byte writes
 * to /dev/null.
 *
 * Usage: syscalls BATCHES CALLS
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

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

int main(int argc, char **argv)
{
	unsigned batches = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20;
	unsigned calls = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000;
	int file = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (file < 0)
		return 1;
	calls_of_getppid(calls);
	calls_of_write(calls, file);
	for (unsigned i = 0; i < batches; i++) {
		print_reading("getppid", calls, calls_of_getppid(calls));
		print_reading("write", calls, calls_of_write(calls, file));
	}
	return 0;
}
