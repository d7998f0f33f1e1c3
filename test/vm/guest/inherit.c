/* SPDX-License-Identifier: MIT */
/*
 * Who inherits a context: nobody. The main thread is armed (span 0x31) and makes a child by fork, one by
 * vfork and exec, a thread, and at last replaces itself by exec. All of them make getpgid calls that nobody
 * may see; only the main thread's one getsid may be. Prints the id of every task by role.
 */
#include <pthread.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "record.h"

static void invisible(const char *role)
{
	char line[64];
	int i;

	for (i = 0; i < 3; i++)
		syscall(SYS_getpgid, 0);
	snprintf(line, sizeof(line), "%s %ld\n", role, syscall(SYS_gettid));
	if (write(1, line, strlen(line)) < 0)
		_exit(7);
}

static void *thread(void *arg)
{
	(void)arg;
	invisible("thread");
	return NULL;
}

int main(int argc, char **argv)
{
	char *spawned[] = {argv[0], "spawned", NULL};
	char *replaced[] = {argv[0], "replaced", NULL};
	char *environment[] = {NULL};
	pthread_t other;
	pid_t pid;

	if (argc > 1) {
		struct skua_record record;

		invisible(argv[1]);
		skua_open();
		if (read(skua_file, &record, sizeof(record)) != sizeof(record) || record.valid)
			return 8;
		return 0;
	}
	skua_open();
	printf("main %ld\n", syscall(SYS_gettid));
	fflush(stdout);
	skua_arm(0x33, 0x31);
	syscall(SYS_getsid, 0);
	pid = fork();
	if (!pid) {
		invisible("forked");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	pthread_create(&other, NULL, thread, NULL);
	pthread_join(other, NULL);
	if (posix_spawn(&pid, argv[0], NULL, NULL, spawned, environment))
		return 9;
	waitpid(pid, NULL, 0);
	execve(argv[0], replaced, environment);
	return 10;
}
