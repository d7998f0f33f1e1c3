/* SPDX-License-Identifier: MIT */
/*
 * A workload that makes exactly the same system calls every time, armed or not (argument "armed"), and prints
 * how many of each kind it made in its loop.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "record.h"

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 200, i, fd;
	pid_t pid;

	/* The descriptor is opened in both cases where it exists, to make the same calls. */
	if (argc > 2 && !strcmp(argv[2], "armed")) {
		skua_open();
		skua_arm(0x77, 0x71);
	}
	for (i = 0; i < rounds; i++) {
		syscall(SYS_getpid);
		syscall(SYS_getuid);
		fd = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY);
		if (syscall(SYS_write, fd, "x", 1) != 1)
			return 15;
		syscall(SYS_close, fd);
		syscall(SYS_close, -1);
	}
	for (i = 0; i < 5; i++) {
		pid = syscall(SYS_fork);
		if (!pid)
			syscall(SYS_exit_group, 0);
		waitpid(pid, NULL, 0);
	}
	printf("getpid %d getuid %d openat %d write %d close %d fork 5\n", rounds, rounds, rounds, rounds,
	       2 * rounds);
	return 0;
}
