/* SPDX-License-Identifier: MIT */
/*
 * Two registered threads on one CPU that change their context without pause and make no system call, so that
 * interrupts find the record in every stage of a change. Trace and span belong together: 0xaa… with 0xaaaa,
 * 0xbb… with 0xbbbb, and so on. Usage: torn SECONDS
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "registering.h"

static atomic_int stop;

static void *spin(void *arg)
{
	unsigned char first = (unsigned char)(unsigned long)arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	register_thread();
	while (!stop) {
		attach(first, first * 0x101ul);
		attach(first + 0x11, (first + 0x11) * 0x101ul);
	}
	detach();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];

	skua_open();
	pthread_create(&threads[0], NULL, spin, (void *)0xaaul);
	pthread_create(&threads[1], NULL, spin, (void *)0xccul);
	sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
	stop = 1;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	return 0;
}
