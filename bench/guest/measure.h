/* SPDX-License-Identifier: MIT */
/*
 * How the benchmarks measure a stretch of code: once started, once stopped, printed as one line of JSON.
 *
 *   ticks      time stamp counter. In a guest under QEMU's -icount with shift=0 one tick is one instruction,
 * of everything that ran meanwhile; otherwise it says nothing. wall_ns    CLOCK_MONOTONIC thread_ns processor
 * time of this thread alone; under -icount, its instructions (and those of interrupts on top of it)
 */
#ifndef SKUA_BENCH_MEASURE_H
#define SKUA_BENCH_MEASURE_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct reading {
	uint64_t ticks, wall_ns, thread_ns;
};

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The thread's clock is a system call: first when beginning, last when ending, outside of the other two. */
static inline struct reading begin_reading(void)
{
	struct reading reading;

	reading.thread_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	reading.wall_ns = clock_ns(CLOCK_MONOTONIC);
	reading.ticks = __rdtsc();
	return reading;
}

static inline struct reading end_reading(struct reading began)
{
	struct reading reading;

	reading.ticks = __rdtsc() - began.ticks;
	reading.wall_ns = clock_ns(CLOCK_MONOTONIC) - began.wall_ns;
	reading.thread_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began.thread_ns;
	return reading;
}

static inline void print_reading(const char *what, unsigned count, struct reading reading)
{
	printf("{\"what\":\"%s\",\"count\":%u,\"ticks\":%" PRIu64 ",\"wall_ns\":%" PRIu64
	       ",\"thread_ns\":%" PRIu64 "}\n",
	       what, count, reading.ticks, reading.wall_ns, reading.thread_ns);
}

#endif /* SKUA_BENCH_MEASURE_H */
