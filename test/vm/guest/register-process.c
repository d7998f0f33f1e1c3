/* SPDX-License-Identifier: MIT */
/*
 * Registers on behalf of a process that itself does nothing but change its thread-local pointer. As in
 *register.c, getpid is to be seen and getppid is not. Prints "name errno-name" for every attempt.
 *
 *	register-process		a child of its own, with static and with dynamic thread-local storage
 *	register-process PID		attempts to register for that process
 *	register-process launch PROGRAM	registers the program that it then becomes
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>

#include "registering.h"

#define TRACE 0xd2

static void say(const char *name, int ret)
{
	printf("%s %s\n", name, ret ? strerrorname_np(-ret) : "ok");
}

static void await(int file)
{
	char byte;

	if (syscall(SYS_read, file, &byte, 1) != 1)
		_exit(6);
}

static void *worker(void *arg)
{
	unsigned long span = (unsigned long)arg;

	syscall(SYS_getppid);
	attach(TRACE, span);
	syscall(SYS_getpid);
	detach();
	syscall(SYS_getppid);
	return NULL; /* its state goes with it */
}

/* What a thread says itself beats what was registered for its process. */
static void *writer(void *arg)
{
	unsigned long span = (unsigned long)arg;

	attach(TRACE, span + 0x0f);
	skua_open();
	skua_detach();
	syscall(SYS_getppid);
	skua_arm(TRACE, span);
	syscall(SYS_getpid);
	return NULL;
}

static void run(void *(*body)(void *), unsigned long span)
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, (void *)span);
	pthread_join(thread, NULL);
}

static void target(int go, int done, char *self)
{
	char *arguments[] = {self, "replaced", NULL};
	pid_t pid;

	await(go); /* registered as static */
	worker((void *)0x11ul);
	run(worker, 0x12);
	run(worker, 0x13);
	run(writer, 0x14);
	pid = fork();
	if (!pid) {
		attach(TRACE, 0x1f);
		syscall(SYS_getppid);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	if (write(done, "x", 1) != 1)
		_exit(7);
	await(go); /* registered as dynamic */
	worker((void *)0x21ul);
	run(worker, 0x22);
	if (write(done, "x", 1) != 1)
		_exit(7);
	await(go); /* taken back */
	attach(TRACE, 0x2f);
	syscall(SYS_getppid);
	if (write(done, "x", 1) != 1)
		_exit(7);
	await(go); /* registered as static again */
	attach(TRACE, 0x31);
	syscall(SYS_getpid);
	execv(self, arguments);
	_exit(10);
}

/* What the kernel finds at dtv[1]: the start of the program's own block. */
static long offset_in_block(void)
{
	char **dtv = ((char ***)__builtin_thread_pointer())[1];

	return (char *)&otel_thread_ctx_v1 - dtv[2];
}

int main(int argc, char **argv)
{
	long offset = (char *)&otel_thread_ctx_v1 - (char *)__builtin_thread_pointer();
	char *launched[] = {argv[0], "launched", NULL}, *replaced[] = {argv[0], "replaced", NULL};
	int go[2], done[2], status;
	pid_t pid;

	if (argc > 1 && !strcmp(argv[1], "replaced")) {
		attach(TRACE, 0x3f);
		syscall(SYS_getppid);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "launched")) {
		worker((void *)0x41ul);
		run(worker, 0x42);
		execv(argv[0], replaced);
		return 10;
	}
	skua_open();
	if (argc > 2 && !strcmp(argv[1], "launch")) {
		say("launch",
		    register_process(getpid(), SKUA_LOCATION_STATIC | SKUA_LOCATION_AFTER_EXEC, 0, offset));
		fflush(stdout);
		attach(TRACE, 0x4f);
		syscall(SYS_getppid); /* not yet */
		execv(argv[2], launched);
		return 10;
	}
	if (argc > 1) {
		say("static", register_process(atoi(argv[1]), SKUA_LOCATION_STATIC, 0, offset));
		return 0;
	}
	if (pipe(go) || pipe(done))
		return 6;
	pid = fork();
	if (!pid) {
		close(skua_file);
		target(go[0], done[1], argv[0]);
	}
	say("static", register_process(pid, SKUA_LOCATION_STATIC, 0, offset));
	if (write(go[1], "x", 1) != 1)
		return 6;
	await(done[0]);
	say("dynamic", register_process(pid, SKUA_LOCATION_DTV, 1, offset_in_block()));
	if (write(go[1], "x", 1) != 1)
		return 6;
	await(done[0]);
	say("taken-back", register_process(pid, SKUA_LOCATION_NONE, 0, 0));
	if (write(go[1], "x", 1) != 1)
		return 6;
	await(done[0]);
	say("static-again", register_process(pid, SKUA_LOCATION_STATIC, 0, offset));
	if (write(go[1], "x", 1) != 1)
		return 6;
	waitpid(pid, &status, 0);
	say("nobody", register_process(pid, SKUA_LOCATION_STATIC, 0, offset));
	say("no-such-kind", register_process(getpid(), 9, 0, offset));
	say("no-module", register_process(getpid(), SKUA_LOCATION_DTV, 0, offset));
	/* Wild offsets and modules: registered, and then there is nothing to read. */
	say("wild-offset", register_process(getpid(), SKUA_LOCATION_STATIC, 0, INT64_MIN));
	syscall(SYS_getppid);
	say("wild-module", register_process(getpid(), SKUA_LOCATION_DTV, ~0ull, 0));
	syscall(SYS_getppid);
	say("module-beyond", register_process(getpid(), SKUA_LOCATION_DTV, 12345, 0));
	syscall(SYS_getppid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 11;
}
