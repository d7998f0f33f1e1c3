/* SPDX-License-Identifier: MIT */
/*
 * For N seconds or until the file STOP appears, in T threads at a time (stress N T STOP): threads that arm by
 * writing or from memory, register themselves and their process, write garbage, make system calls, map and
 * unmap memory that may be executable or hold what they registered, fork, exec, are killed, and exit armed or
 * not. Prints how many threads and processes it made.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "registering.h"

static atomic_long threads_made, processes_made;
static time_t deadline;
static const char *stop_file = "/nonexistent";

static unsigned int next_random(unsigned int *state)
{
	return *state = *state * 1664525u + 1013904223u;
}

/* The context lies in memory that goes away, or comes back as another. */
static void passing_memory(unsigned int seed)
{
	struct {
		struct skua_record *pointer;
		struct skua_record record;
	} *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	fill(&page->record, 0x93, seed | 1);
	page->pointer = &page->record;
	if (seed & 0x10000)
		register_address(&page->pointer);
	else
		otel_thread_ctx_v1 = &page->record;
	FENCE();
	syscall(SYS_getppid);
	if (seed & 0x20000)
		mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	else
		munmap(page, 4096);
	syscall(SYS_getppid);
}

static void some_registration(unsigned int seed)
{
	static const uint32_t kinds[] = {SKUA_LOCATION_NONE, SKUA_LOCATION_STATIC, SKUA_LOCATION_DTV,
					 SKUA_LOCATION_STATIC | SKUA_LOCATION_AFTER_EXEC};
	long offset = (char *)&otel_thread_ctx_v1 - (char *)__builtin_thread_pointer();

	register_process(getpid(), kinds[seed >> 30], 1 + (seed & 3), seed & 0x10000 ? offset : (int)seed);
}

static void one_child(unsigned int *seed)
{
	char *arguments[] = {"/bin/true", NULL};
	pid_t pid = fork();

	if (!pid) {
		unsigned int how = next_random(seed) >> 28;

		if (how & 1)
			skua_arm(0x91, 0x100 + how);
		if (how & 2)
			register_thread();
		if (how & 4)
			some_registration(*seed);
		if (how < 6)
			execv(arguments[0], arguments);
		if (how < 10)
			pause();
		_exit(0);
	}
	if (pid < 0)
		return;
	atomic_fetch_add(&processes_made, 1);
	usleep(next_random(seed) >> 21);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void *life(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg;
	int i, steps = 20 + (next_random(&seed) >> 26);

	for (i = 0; i < steps; i++) {
		char buffer[64];
		void *page;
		int fd;

		switch (next_random(&seed) >> 28) {
		case 0:
			skua_arm(0x90, seed | 1);
			break;
		case 1:
			skua_detach();
			break;
		case 2:
			skua_write(&seed, sizeof(seed));
			memset(buffer, (int)seed, sizeof(buffer));
			skua_write(buffer, sizeof(buffer));
			break;
		case 3:
			page = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, skua_file, 0);
			page = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			munmap(page, 8192);
			break;
		case 4:
			fd = open("/proc/self/exe", O_RDONLY);
			page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
			close(fd);
			munmap(page, 4096);
			break;
		case 5:
			one_child(&seed);
			break;
		case 6:
			usleep(seed >> 24);
			break;
		case 7:
			register_thread();
			break;
		case 8:
			register_address(NULL);
			break;
		case 9:
		case 10:
			attach(0x92, seed | 1);
			syscall(SYS_getppid);
			break;
		case 11:
			detach();
			break;
		case 12:
			passing_memory(seed);
			break;
		case 13:
			some_registration(seed);
			break;
		default:
			syscall(SYS_getppid);
			if (pread(skua_file, buffer, sizeof(buffer), 0) < 0)
				exit(16);
		}
	}
	/* Half of them leave their context behind. */
	if (seed & 0x10000)
		skua_detach();
	return NULL;
}

static void *nursery(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg;

	while (time(NULL) < deadline && access(stop_file, F_OK)) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, life, (void *)(unsigned long)next_random(&seed)))
			continue;
		atomic_fetch_add(&threads_made, 1);
		pthread_join(thread, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 5, width = argc > 2 ? atoi(argv[2]) : 8, i;
	pthread_t nurseries[64];

	if (argc > 3)
		stop_file = argv[3];
	skua_open();
	deadline = time(NULL) + seconds;
	for (i = 0; i < width && i < 64; i++)
		pthread_create(&nurseries[i], NULL, nursery, (void *)(unsigned long)(i * 7919 + 1));
	for (i = 0; i < width && i < 64; i++)
		pthread_join(nurseries[i], NULL);
	printf("threads %ld processes %ld\n", threads_made, processes_made);
	return 0;
}
