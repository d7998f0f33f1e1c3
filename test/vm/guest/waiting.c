/* SPDX-License-Identifier: MIT */
/*
 * Threads that wait in system calls, each for a reason of its own, under user spans of trace 0xc1:
 *
 *	0x11  read of a pipe		written to by a traced thread, which is in span 0x21
 *	0x12  read of a pipe		written to by a thread that is not traced
 *	0x13  clock_nanosleep		ended by the timer's interrupt
 *	0x14  futex			handed over by a traced thread, which is in span 0x24
 *	0x15  getrandom			while four threads compete for the CPUs
 *	0x16  clock_nanosleep		the same, and a signal every half a millisecond
 *
 * Prints "SPAN tid N" for each, "waker SPAN tid N" for the threads that wake them, and how many signals came.
 *Built with -I of skua.h.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "skua.h"

#define SPINNERS 4

static const uint8_t trace_id[16] = {[15] = 0xc1};
static int pipes[2];
static _Atomic uint32_t word;
static atomic_bool stop;
static atomic_uint signals;

/* What stands between the two is done inside the span. */
#define BEGIN(span)                                                                                          \
	{                                                                                                    \
		const uint8_t span_id[8] = {[7] = (uint8_t)(span)};                                          \
		SKUA_BEGIN(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED)
#define END()                                                                                                \
	SKUA_END();                                                                                          \
	}

static void nap(long us)
{
	struct timespec time = {.tv_nsec = us * 1000};

	nanosleep(&time, NULL);
}

static void say(const char *who, unsigned int span)
{
	printf("%s%02x tid %ld\n", who, span, syscall(SYS_gettid));
	fflush(stdout);
}

/* Gives the other thread time to fall asleep, then wakes it. */
static void write_later(void)
{
	nap(30000);
	if (write(pipes[1], "x", 1) != 1)
		abort();
}

static void *write_in_span(void *argument)
{
	unsigned int span = (unsigned int)(uintptr_t)argument;

	pthread_setname_np(pthread_self(), "writer");
	say("waker ", span);
	BEGIN(span);
	write_later();
	END();
	return NULL;
}

static void *write_untraced(void *argument)
{
	pthread_setname_np(pthread_self(), "outsider");
	say("waker ", 0);
	write_later();
	return argument;
}

static void *hand_over_later(void *argument)
{
	unsigned int span = (unsigned int)(uintptr_t)argument;

	pthread_setname_np(pthread_self(), "handing-over");
	say("waker ", span);
	BEGIN(span);
	nap(30000);
	atomic_store(&word, 1);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	END();
	return NULL;
}

static void *spin(void *argument)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		;
	return argument;
}

static pthread_t start(void *(*run)(void *), unsigned int span)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)span))
		abort();
	return thread;
}

static void read_pipe(unsigned int span, void *(*writing)(void *), unsigned int waker)
{
	pthread_t writer = start(writing, waker);
	char byte;

	say("", span);
	BEGIN(span);
	if (read(pipes[0], &byte, 1) != 1)
		abort();
	END();
	pthread_join(writer, NULL);
}

static void on_signal(int signal)
{
	(void)signal;
	atomic_fetch_add(&signals, 1);
}

static void sleep_under_signals(int rounds)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval often = {.it_interval = {.tv_usec = 500}, .it_value = {.tv_usec = 500}};
	struct itimerval never = {0};
	int i;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	BEGIN(0x16);
	for (i = 0; i < rounds; i++)
		nap(100);
	END();
	setitimer(ITIMER_REAL, &never, NULL);
}

int main(void)
{
	static char bytes[1 << 20];
	pthread_t spinners[SPINNERS], thread;
	sigset_t alarms;
	int i;

	if (pipe(pipes))
		return 1;
	pthread_setname_np(pthread_self(), "waiting");

	read_pipe(0x11, write_in_span, 0x21);
	read_pipe(0x12, write_untraced, 0);

	say("", 0x13);
	BEGIN(0x13);
	nap(30000);
	END();

	thread = start(hand_over_later, 0x24);
	say("", 0x14);
	BEGIN(0x14);
	while (!atomic_load(&word))
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	END();
	pthread_join(thread, NULL);

	/* The signals are for the thread that sleeps. */
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	for (i = 0; i < SPINNERS; i++)
		spinners[i] = start(spin, 0);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	say("", 0x15);
	BEGIN(0x15);
	for (i = 0; i < 8; i++)
		if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			abort();
	END();
	say("", 0x16);
	sleep_under_signals(400);
	atomic_store(&stop, 1);
	for (i = 0; i < SPINNERS; i++)
		pthread_join(spinners[i], NULL);
	printf("signals %u\n", atomic_load(&signals));
	return 0;
}
