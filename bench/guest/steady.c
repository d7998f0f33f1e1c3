/* SPDX-License-Identifier: MIT */
/*
 * Makes system calls in spans at a steady rate: every five milliseconds as many as are due, in one context,
 * and none outside. Prints how many it made and how long that took; it falls behind, and says so, when the
 * machine cannot.
 *
 * Usage: steady RATE SECONDS      RATE: calls a second
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "skua.h"

#define TICK_NS 5000000ull

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void make_calls(uint64_t count, uint64_t tick)
{
	uint8_t trace_id[16] = {0x5c}, span_id[8] = {0x5c};

	memcpy(span_id + 1, &tick, 7);
	SKUA_BEGIN(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED);
	for (uint64_t i = 0; i < count; i++)
		syscall(SYS_getppid);
	SKUA_END();
}

int main(int argc, char **argv)
{
	uint64_t rate = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
	uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 10;
	uint64_t began = now_ns(), made = 0, tick = 0;

	while (made < rate * seconds) {
		uint64_t next = began + ++tick * TICK_NS;
		uint64_t due = rate * tick * TICK_NS / 1000000000u - made;
		struct timespec at = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)};

		make_calls(due, tick);
		made += due;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
	printf("{\"made\":%" PRIu64 ",\"seconds\":%.3f}\n", made, (double)(now_ns() - began) / 1e9);
	return 0;
}
