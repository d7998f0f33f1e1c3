/* SPDX-License-Identifier: MIT */
/*
 * Many system calls from few places, with stacks that differ in what does not matter to a call site and in
 * what does. Each is a close() of a descriptor that names its line: LINE_BASE + line, or NO_LINE_BASE + line
 * where no line can be known.
 *
 *   callsites ROUNDS LIBRARY LIBRARY
 *
 * The libraries (callsites_library.c) are alike but for the lines, and are loaded in turns by a thread
 * without a context.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "record.h"
#include "callsites.h"

#define NOINLINE __attribute__((noinline))

static volatile int sink;
static __thread unsigned int noise_state;

/* Data that looks like anything: small numbers, zeros, code and stack addresses. */
static uint64_t noise(void)
{
	noise_state = noise_state * 1103515245 + 12345;
	switch (noise_state >> 16 & 7) {
	case 0:
		return 0;
	case 1:
		return (uint64_t)(uintptr_t)noise + (noise_state >> 24);
	case 2:
		return (uint64_t)(uintptr_t)&noise_state;
	case 3:
		return (uint64_t)(uintptr_t)__builtin_frame_address(0) + (noise_state >> 20 & 0xff8);
	default:
		return noise_state;
	}
}

static NOINLINE void litter(int words)
{
	volatile uint64_t below[words];

	for (int i = 0; i < words; i++)
		below[i] = noise();
	sink += (int)below[words / 2];
}

static NOINLINE void leaf(void)
{
	sink += CALL();
}

static NOINLINE void local_data(void)
{
	volatile uint64_t data[6];

	for (int i = 0; i < 6; i++)
		data[i] = noise();
	sink += CALL();
	sink += (int)data[3];
}

static NOINLINE void variable_array(int words)
{
	volatile uint64_t data[words];

	for (int i = 0; i < words; i++)
		data[i] = noise();
	sink += CALL();
	sink += (int)data[words / 2];
	leaf();
	sink++;
}

static NOINLINE void on_alloca(int bytes)
{
	volatile char *data = alloca((size_t)bytes);

	data[bytes - 1] = (char)noise();
	sink += CALL();
	sink += data[bytes / 2];
}

static NOINLINE void realigned(int bytes)
{
	volatile char fixed[64] __attribute__((aligned(256)));
	volatile char *data = alloca((size_t)bytes);

	fixed[3] = data[0] = (char)noise();
	leaf();
	sink += CALL();
	sink += fixed[3] + data[bytes / 2];
}

static NOINLINE int recursion(int depth)
{
	volatile uint64_t data = noise();

	if (depth == 0)
		return CALL() + 1;
	return recursion(depth - 1) + (int)data;
}

/* The innermost line is the same, the stacks are not. */
static NOINLINE void two_ways(int again)
{
	leaf();
	sink++;
	if (again) {
		leaf();
		sink += 2;
	}
}

static NOINLINE void library(int bytes)
{
	char data[64];

	/* The caller of a function of libc, with a pointer into this frame. */
	snprintf(data, sizeof(data), "%d %s", bytes, "text");
	sink += CALL();
	sink += data[0];
}

static int compare(const void *a, const void *b)
{
	int result = CALL();

	return result + *(const int *)a - *(const int *)b;
}

static NOINLINE void sorting(void)
{
	int numbers[] = {(int)noise(), (int)noise(), (int)noise()};

	qsort(numbers, 3, sizeof(*numbers), compare);
	sink += numbers[0];
}

static void on_signal(int number)
{
	volatile uint64_t data = noise();

	sink += CALL() + number;
	sink += (int)data;
}

static NOINLINE void interrupted(int words)
{
	volatile uint64_t data[words];

	data[0] = noise();
	raise(SIGUSR1);
	raise(SIGUSR2);
	sink += CALL();
	sink += (int)data[0];
}

static __thread ucontext_t back, there;

static void coroutine(void)
{
	for (;;) {
		sink += CALL();
		leaf();
		swapcontext(&there, &back);
	}
}

static NOINLINE void on_another_stack(void *stack, size_t bytes)
{
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = bytes;
	there.uc_link = &back;
	makecontext(&there, coroutine, 0);
	for (int i = 0; i < 3; i++)
		swapcontext(&back, &there);
}

static NOINLINE void in_child(int shared)
{
	pid_t child = shared ? vfork() : fork();

	if (child == 0) {
		skua_arm(0x71, 0x72);
		sink += CALL();
		leaf();
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* Code made at run time that calls the kernel itself: mov eax, 3; syscall; ret. Nobody knows its line. */
static NOINLINE void generated(unsigned char *code, int at)
{
	static const unsigned char bytes[] = {0xb8, 3, 0, 0, 0, 0x0f, 0x05, 0xc3};

	memcpy(code + at, bytes, sizeof(bytes));
	sink += ((int (*)(int))(uintptr_t)(code + at))(NO_LINE_BASE + __LINE__);
	sink++;
}

static void *work(void *argument)
{
	int rounds = *(int *)argument;
	size_t size = 65536;
	void *stack = malloc(size);
	stack_t alternative = {.ss_sp = malloc(size), .ss_size = size};
	unsigned char *code =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	noise_state = (unsigned int)(uintptr_t)&noise_state;
	sigaltstack(&alternative, NULL);
	skua_arm(0x71, 0x71);
	for (int i = 0; i < rounds; i++) {
		litter(8 + i % 50);
		local_data();
		variable_array(1 + i % 40);
		on_alloca(16 + i * 24 % 500);
		realigned(16 + i * 8 % 300);
		sink += recursion(i % 12);
		two_ways(i & 1);
		library(i);
		sorting();
		interrupted(1 + i % 5);
		on_another_stack(stack, size);
		generated(code, i % 4 * 16);
	}
	skua_detach();
	alternative.ss_flags = SS_DISABLE;
	sigaltstack(&alternative, NULL);
	return NULL;
}

static pthread_barrier_t turn;
static int (*current)(void);

static void *loader(void *names)
{
	void *handle = NULL;

	for (int i = 0; i < LOADS; i++) {
		pthread_barrier_wait(&turn);
		if (handle)
			dlclose(handle);
		handle = dlopen(((char **)names)[i & 1], RTLD_NOW);
		current = (int (*)(void))dlsym(handle, "library_call");
		pthread_barrier_wait(&turn);
	}
	return NULL;
}

static void libraries(char **names)
{
	pthread_t thread;

	pthread_barrier_init(&turn, NULL, 2);
	pthread_create(&thread, NULL, loader, names);
	skua_arm(0x71, 0x73);
	for (int i = 0; i < LOADS; i++) {
		pthread_barrier_wait(&turn);
		pthread_barrier_wait(&turn);
		fprintf(stderr, "library %d at %p\n", i & 1, (void *)(uintptr_t)current);
		for (int j = 0; j < 5; j++)
			sink += current();
	}
	skua_detach();
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	struct sigaction same = {.sa_handler = on_signal},
			 other = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	int rounds = argc > 1 ? atoi(argv[1]) : 20;
	pthread_t threads[3];

	skua_open();
	sigaction(SIGUSR1, &same, NULL);
	sigaction(SIGUSR2, &other, NULL);
	work(&rounds);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work, &rounds);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++)
		in_child(i & 1);
	if (argc > 3)
		libraries(argv + 2);
	return 0;
}
