/* SPDX-License-Identifier: MIT */
// clang-format off
/*
 * skua-launch [--hide-vdso] [--offset N] [--status-fd N] [--wait-fd N] [--] PROGRAM ARGS…
 * skua-launch --clock [--rounds N]
 * skua-launch --register-process PID --offset N [--module N]
 *
 * Becomes PROGRAM: same process id, same parent, same exit status. When that fails: one JSON line on the
 * status descriptor (default: stderr) and exit status 127 (not found) or 126 (anything else). The descriptor
 * is closed by a successful exec, so that "end of file without data" means that the program runs.
 *
 * --hide-vdso makes gettimeofday, clock_gettime, time and getcpu real system calls. The C library finds the
 * vDSO by AT_SYSINFO_EHDR in the auxiliary vector that the kernel puts on the new program's stack. Nobody can
 * change it but a tracer, at the stop that the kernel makes after exec and before the program's first
 * instruction:
 *
 *	launcher ──fork──► helper ──fork──► tracer	(the helper exits: the program inherits no child of ours)
 *	   │    ◄───── "ready": launcher seized ──┘
 *	  exec ──stop──► rewrites the entry to AT_IGNORE, detaches, exits
 *	   ▼
 *	program
 *
 * It holds for this program, not for programs that it starts: each exec gets a new auxiliary vector.
 *
 * --register-process tells Skua's module where every thread of a running process has its otel_thread_ctx_v1: at its
 * FS base + offset, or at its dynamic thread vector's entry for the module + offset. With --offset alone the launcher does
 * that for PROGRAM, in force from its first instruction; that it cannot does not keep the program from running.
 */
// clang-format on
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "skua_abi.h"

static int status_fd = STDERR_FILENO;

static void report(const char *error, int number, const char *what)
{
	char line[1024], message[512];
	size_t length = 0;

	/* The only text not ours is a path: keep it valid JSON. */
	for (const char *at = what; *at && length < sizeof(message) - 2; at++) {
		if (*at == '"' || *at == '\\')
			message[length++] = '\\';
		message[length++] = (unsigned char)*at < 0x20 ? '?' : *at;
	}
	message[length] = '\0';
	int size = snprintf(line, sizeof(line), "{\"error\":\"%s\",\"errno\":%d,\"message\":\"%s: %s\"}\n",
			    error, number, message, strerror(number));

	if (size > 0 && write(status_fd, line, (size_t)size) < 0) {
		/* Nobody listens; the exit status still tells. */
	}
}

static int fail(const char *error, int number, const char *what, int status)
{
	report(error, number, what);
	return status;
}

/* ---- the tracer ---- */

static bool read_words(pid_t pid, uint64_t address, uint64_t *words, size_t count)
{
	struct iovec local = {.iov_base = words, .iov_len = count * 8};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = count * 8};

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)(count * 8);
}

static bool skip_pointers(pid_t pid, uint64_t *at)
{
	uint64_t word;

	do {
		if (!read_words(pid, *at, &word, 1))
			return false;
		*at += 8;
	} while (word);
	return true;
}

/*
 * The new stack, from the stack pointer up (psABI, section 3.4.1): argc, argv…, NULL, envp…, NULL, auxiliary
 * vector as pairs of type and value, up to AT_NULL. Returns 0, or an errno.
 */
static int hide_vdso(pid_t pid)
{
	struct user_regs_struct registers;
	struct iovec set = {.iov_base = &registers, .iov_len = sizeof(registers)};
	uint64_t at, argc, pair[2];

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &set) != 0)
		return errno;
	if (set.iov_len != sizeof(registers))
		return ENOEXEC; /* a 32-bit program: it cannot do without its vDSO */
	at = registers.rsp;
	if (!read_words(pid, at, &argc, 1))
		return EFAULT;
	at += 8;
	if (!skip_pointers(pid, &at) || !skip_pointers(pid, &at))
		return EFAULT;
	for (int entries = 0; entries < 256; entries++, at += 16) {
		if (!read_words(pid, at, pair, 2))
			return EFAULT;
		if (pair[0] == AT_NULL)
			return 0; /* this kernel has none */
		if (pair[0] == AT_SYSINFO_EHDR) {
			if (ptrace(PTRACE_POKEDATA, pid, (void *)(uintptr_t)at, (void *)AT_IGNORE) != 0)
				return errno;
			/* A second one would be a kernel's bug; go on looking costs nothing. */
		}
	}
	return EFAULT;
}

static _Noreturn void trace(pid_t pid, int ready)
{
	unsigned char result = 0;
	int status, number;

	/* EXITKILL: if this process dies before it is done, the program does not run with a vDSO that was to
	 * be hidden. */
	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) != 0)
		result = (unsigned char)errno;
	if (write(ready, &result, 1) != 1 || result)
		_exit(1);
	close(ready);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		int event = status >> 16, signal = WSTOPSIG(status);

		if (event == PTRACE_EVENT_EXEC) {
			number = hide_vdso(pid);
			if (number) {
				report("vdso", number, "hide the vDSO");
				kill(pid, SIGKILL);
				_exit(1);
			}
			ptrace(PTRACE_DETACH, pid, NULL, NULL);
			_exit(0);
		}
		if (event == PTRACE_EVENT_STOP)
			ptrace(signal == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, pid, NULL, NULL);
		else
			ptrace(PTRACE_CONT, pid, NULL, (void *)(uintptr_t)signal);
	}
	_exit(0); /* exec failed; the launcher has said so */
}

/* Returns 0 when the tracer is attached, or an errno. */
static int start_tracer(void)
{
	pid_t launcher = getpid(), helper;
	int ready[2], go[2];
	unsigned char result = 0;

	if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0)
		return errno;
	helper = fork();
	if (helper < 0)
		return errno;
	if (helper == 0) {
		pid_t tracer = fork();

		if (tracer == 0) {
			unsigned char byte;

			/* Its parent death signal was not inherited, and must not be: it lives until the
			 * exec. */
			close(ready[0]);
			close(go[1]);
			if (read(go[0], &byte, 1) != 1)
				_exit(1);
			trace(launcher, ready[1]);
		}
		if (tracer > 0 && write(ready[1], &tracer, sizeof(tracer)) == sizeof(tracer))
			_exit(0);
		_exit(1);
	}
	close(ready[1]);
	close(go[0]);
	pid_t tracer;
	int status;

	if (read(ready[0], &tracer, sizeof(tracer)) != sizeof(tracer))
		return ECHILD;
	while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
		;
	/* Where Yama restricts ptrace to descendants, the tracer, which is none, must be named. */
	prctl(PR_SET_PTRACER, (unsigned long)tracer);
	if (write(go[1], "", 1) != 1 || read(ready[0], &result, 1) != 1)
		return ECHILD;
	close(ready[0]);
	close(go[1]);
	return result;
}

/* ---- the clock ---- */

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * CLOCK_REALTIME read between two readings of CLOCK_MONOTONIC: the offset is known to half the distance of
 * the two. The closest pair of many is the measurement; its bound is an upper bound, however slow the
 * machine.
 */
static int measure_clock(long rounds)
{
	int64_t best = INT64_MAX, offset = 0, monotonic = 0;

	for (long i = 0; i < rounds; i++) {
		int64_t before = nanoseconds(CLOCK_MONOTONIC);
		int64_t real = nanoseconds(CLOCK_REALTIME);
		int64_t after = nanoseconds(CLOCK_MONOTONIC);

		if (after - before < best) {
			best = after - before;
			monotonic = before + best / 2;
			offset = real - monotonic;
		}
	}
	printf("{\"offsetNs\":\"%lld\",\"boundNs\":%lld,\"monotonicNs\":\"%lld\",\"rounds\":%ld}\n",
	       (long long)offset, (long long)(best / 2 + 1), (long long)monotonic, rounds);
	return 0;
}

/* ---- thread contexts ---- */

/* Returns 0, or an errno. */
static int register_process(const struct skua_process_registration *registration)
{
	int file = open(SKUA_PROC_CONTEXT, O_WRONLY | O_CLOEXEC), number = 0;

	if (file < 0)
		return errno;
	if (ioctl(file, SKUA_IOC_REGISTER_PROCESS, registration) != 0)
		number = errno;
	close(file);
	return number;
}

/* ---- the launcher ---- */

static int usage(void)
{
	fprintf(
	    stderr,
	    "usage: skua-launch [--hide-vdso] [--offset N] [--status-fd N] [--wait-fd N] [--] PROGRAM ARGS…\n"
	    "       skua-launch --clock [--rounds N]\n"
	    "       skua-launch --register-process PID --offset N [--module N]\n");
	return 64;
}

static bool parse_offset(const char *text, int64_t *out)
{
	char *end;

	if (!text || !*text)
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool parse_number(const char *text, long *out)
{
	char *end;

	if (!text || !*text)
		return false;
	errno = 0;
	*out = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && *out >= 0 && *out < 100000000;
}

int main(int argc, char **argv)
{
	bool hide = false, clock = false, contexts = false;
	long status = STDERR_FILENO, wait = -1, rounds = 10000, target = 0, module = 0;
	struct skua_process_registration registration = {.kind = SKUA_LOCATION_STATIC};
	int64_t offset = 0;
	pid_t parent = getppid();
	int at = 1, number;

	for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
		if (strcmp(argv[at], "--") == 0) {
			at++;
			break;
		}
		if (strcmp(argv[at], "--hide-vdso") == 0)
			hide = true;
		else if (strcmp(argv[at], "--clock") == 0)
			clock = true;
		else if (strcmp(argv[at], "--status-fd") == 0 && parse_number(argv[at + 1], &status))
			at++;
		else if (strcmp(argv[at], "--wait-fd") == 0 && parse_number(argv[at + 1], &wait))
			at++;
		else if (strcmp(argv[at], "--rounds") == 0 && parse_number(argv[at + 1], &rounds) &&
			 rounds > 0)
			at++;
		else if (strcmp(argv[at], "--register-process") == 0 && parse_number(argv[at + 1], &target) &&
			 target > 0)
			at++;
		else if (strcmp(argv[at], "--module") == 0 && parse_number(argv[at + 1], &module) &&
			 module > 0)
			at++;
		else if (strcmp(argv[at], "--offset") == 0 && parse_offset(argv[at + 1], &offset)) {
			contexts = true;
			at++;
		} else
			return usage();
	}
	if (clock)
		return measure_clock(rounds);
	if ((target || module) && !contexts)
		return usage();
	registration.offset = offset;
	if (module) {
		registration.kind = SKUA_LOCATION_DTV;
		registration.module = (uint64_t)module;
	}
	if (target) {
		registration.pid = (int32_t)target;
		number = register_process(&registration);
		if (number)
			fprintf(stderr, "%s\n", strerror(number));
		return number ? 1 : 0;
	}
	if (at >= argc)
		return usage();
	status_fd = (int)status;
	if (status_fd > STDERR_FILENO && fcntl(status_fd, F_SETFD, FD_CLOEXEC) != 0)
		return 126;

	/* The program dies with the agent; an agent that died before this line was reached is noticed by its
	 * number. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		return fail("failed", errno ? errno : ESRCH, "tie the program to the agent", 126);

	if (wait >= 0) {
		char byte;

		while (read((int)wait, &byte, 1) < 0 && errno == EINTR)
			;
		close((int)wait);
	}
	if (hide) {
		number = start_tracer();
		if (number)
			return fail("vdso", number, "trace the program to hide its vDSO", 126);
	}
	if (contexts) {
		registration.pid = getpid();
		registration.kind |= SKUA_LOCATION_AFTER_EXEC;
		register_process(&registration);
	}
	execvp(argv[at], &argv[at]);
	number = errno;
	return fail(number == ENOENT ? "not-found" : "not-executable", number, argv[at],
		    number == ENOENT ? 127 : 126);
}
