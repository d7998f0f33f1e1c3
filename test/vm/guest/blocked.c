/* SPDX-License-Identifier: MIT */
/* Opens a sampled span and waits in one system call until it is killed. Prints "waiting" before. Built with
 * -I of skua.h. */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "skua.h"

int main(void)
{
	static const uint8_t trace_id[16] = {[15] = 0xb1};
	static const uint8_t span_id[8] = {[7] = 0xb2};

	puts("waiting");
	fflush(stdout);
	SKUA_BEGIN(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED);
	getpid();
	pause();
	SKUA_END();
	return 0;
}
