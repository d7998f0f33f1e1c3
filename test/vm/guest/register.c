/* SPDX-License-Identifier: MIT */
/*
 * A thread whose context the kernel reads from memory. Each case is a span of its own; of the system calls in
 * it, getpid is to be seen and getppid is not. Prints "name errno-name" for attempts that may be refused.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "registering.h"

#define TRACE 0xd1

static void seen(void)
{
	syscall(SYS_getpid);
}

static void unseen(void)
{
	syscall(SYS_getppid);
}

static void say(const char *name, int ret)
{
	printf("%s %s\n", name, ret ? strerrorname_np(-ret) : "ok");
}

static void plain_stores(void)
{
	unseen();
	attach(TRACE, 0x11);
	seen();
	attach(TRACE, 0x12);
	seen();
	seen();
	detach();
	unseen();
	attach(TRACE, 0x13);
	otel_thread_ctx_v1 = NULL; /* the other way to detach */
	FENCE();
	unseen();
	otel_thread_ctx_v1 = &thread_record;
	FENCE();
	seen();
	/* Not a span that anybody samples, no ids, no record at all. */
	thread_record.trace_flags = 0;
	FENCE();
	unseen();
	thread_record.trace_flags = SKUA_TRACE_FLAG_SAMPLED;
	memset(thread_record.span_id, 0, 8);
	FENCE();
	unseen();
	attach(TRACE, 0x14);
	*(volatile uint8_t *)&thread_record.valid = 2;
	unseen();
	detach();
}

/* ---- another thread changes the record while this one is in a system call ---- */

static int answer[2];
static struct skua_record *victim;

static void *meddler(void *arg)
{
	(void)arg;
	usleep(50000);
	fill(victim, TRACE, 0x22);
	if (write(answer[1], "x", 1) != 1)
		exit(6);
	return NULL;
}

static void changes_between_entry_and_exit(void)
{
	pthread_t thread;
	char byte;

	if (pipe(answer))
		exit(6);
	victim = &thread_record;
	pthread_create(&thread, NULL, meddler, NULL);
	attach(TRACE, 0x21);
	if (syscall(SYS_read, answer[0], &byte, 1) != 1)
		exit(6);
	seen();
	detach();
	pthread_join(thread, NULL);
}

/* ---- memory that comes and goes ---- */

static void unmapped_and_remapped(void)
{
	char *page = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct skua_record *record = (struct skua_record *)(page + 64);

	munmap(page + 8192, 4096); /* the third page stays a hole */
	fill(record, TRACE, 0x31);
	otel_thread_ctx_v1 = record;
	seen();
	munmap(page, 4096); /* its entry is seen, see the test */
	unseen();
	mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	unseen();
	fill(record, TRACE, 0x32);
	seen();
	mprotect(page, 4096, PROT_NONE);
	unseen();
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	seen();
	/* Half of it on a page that is not there. */
	record = (struct skua_record *)(page + 8192 - 14);
	struct skua_record whole = skua_make(TRACE, 0x33, 1);

	otel_thread_ctx_v1 = NULL;
	memcpy(record, &whole, 14);
	otel_thread_ctx_v1 = record;
	unseen();
	otel_thread_ctx_v1 = NULL;
}

static void pointer_unmapped(void)
{
	struct skua_record **pointer =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fill(&thread_record, TRACE, 0x34);
	say("page-never-touched", register_address(pointer));
	*pointer = &thread_record;
	seen();
	munmap(pointer, 4096);
	unseen();
	register_thread();
}

static void garbage(void)
{
	static const uint64_t pointers[] = {
	    1,
	    0xffffffff81000000, /* the kernel's */
	    0x8000000000000000, /* not canonical */
	    0xdeadbeefdeadbeef,
	    0x7ffffffff000 - 14, /* over the end of user space */
	    ~0ULL,
	    ~0ULL - 7,
	};

	for (unsigned i = 0; i < sizeof(pointers) / sizeof(*pointers); i++) {
		otel_thread_ctx_v1 = (struct skua_record *)pointers[i];
		FENCE();
		unseen();
	}
	/* Readable, but not a record. */
	otel_thread_ctx_v1 = (struct skua_record *)"GET /index.html HTTP/1.1\r\nHost: example";
	FENCE();
	unseen();
	otel_thread_ctx_v1 = NULL;
	FENCE();
}

static void refusals(void)
{
	uint64_t value = (uintptr_t)&otel_thread_ctx_v1;
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int read_only = open(SKUA_PROC_CONTEXT, O_RDONLY | O_CLOEXEC);
	pid_t pid;

	munmap(page, 4096);
	say("unaligned", register_address((char *)&otel_thread_ctx_v1 + 1));
	say("unmapped", register_address(page));
	say("kernel-address", register_address((void *)0xffffffff81000000));
	say("not-canonical", register_address((void *)0x8000000000000000));
	say("read-only", ioctl(read_only, SKUA_IOC_REGISTER, &value) ? -errno : 0);
	say("argument-unmapped", ioctl(skua_file, SKUA_IOC_REGISTER, page) ? -errno : 0);
	say("other-command", ioctl(skua_file, _IOW('S', 77, uint64_t), &value) ? -errno : 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(12);
		say("other-user", register_address(&otel_thread_ctx_v1));
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	/* What was registered before is still in force. */
	attach(TRACE, 0x41);
	seen();
	detach();
}

/* ---- who inherits a registration: nobody ---- */

static void *newborn(void *arg)
{
	(void)arg;
	attach(TRACE, 0x53);
	unseen();
	register_thread();
	seen();
	return NULL; /* ends while registered and armed */
}

static void children(void)
{
	char *arguments[] = {"register", "replaced", NULL};
	pthread_t thread;
	pid_t pid;

	attach(TRACE, 0x51);
	pid = fork();
	if (!pid) {
		unseen(); /* its memory says 0x51 */
		register_thread();
		attach(TRACE, 0x52);
		seen();
		_exit(0);
	}
	detach();
	waitpid(pid, NULL, 0);
	pthread_create(&thread, NULL, newborn, NULL);
	pthread_join(thread, NULL);
	pid = vfork();
	if (!pid) {
		unseen();
		execv("/proc/self/exe", arguments);
		_exit(13);
	}
	waitpid(pid, NULL, 0);
	attach(TRACE, 0x54);
	seen();
	detach();
}

/* ---- of a thread's own acts the last one counts ---- */

static void precedence(void)
{
	attach(TRACE, 0x61);
	seen();
	skua_arm(TRACE, 0x62);
	seen();
	attach(TRACE, 0x63);
	seen(); /* as written: 0x62 */
	register_thread();
	seen(); /* from memory: 0x63 */
	say("unregister", register_address(NULL));
	unseen();
	register_thread();
	seen();
	skua_detach();
	unseen();
	register_thread();
	detach();
}

static void read_back(void)
{
	struct skua_record expected = skua_make(TRACE, 0x71, 1), actual;

	attach(TRACE, 0x71);
	if (pread(skua_file, &actual, sizeof(actual), 0) != sizeof(actual) ||
	    memcmp(&expected, &actual, sizeof(actual)))
		exit(14);
	detach();
	if (pread(skua_file, &actual, sizeof(actual), 0) != sizeof(actual) || actual.valid)
		exit(15);
}

int main(int argc, char **argv)
{
	char *arguments[] = {"register", "replaced", NULL};

	if (argc > 1 && !strcmp(argv[1], "replaced")) {
		struct skua_record record;

		unseen();
		skua_open();
		return read(skua_file, &record, sizeof(record)) != sizeof(record) || record.valid;
	}
	skua_open();
	register_thread();
	plain_stores();
	changes_between_entry_and_exit();
	unmapped_and_remapped();
	pointer_unmapped();
	garbage();
	refusals();
	children();
	precedence();
	read_back();
	fflush(stdout);
	attach(TRACE, 0x81);
	execv("/proc/self/exe", arguments);
	return 10;
}
