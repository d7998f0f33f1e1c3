/* SPDX-License-Identifier: MIT */
/* Answers every byte of its input with CLOCK_REALTIME in nanoseconds, one line: how a benchmark compares
 * clocks. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec now;
	char byte, line[32];
	int length;

	while (read(STDIN_FILENO, &byte, 1) == 1) {
		clock_gettime(CLOCK_REALTIME, &now);
		length = snprintf(line, sizeof(line), "%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
		if (write(STDOUT_FILENO, line, (size_t)length) != length)
			return 1;
	}
	return 0;
}
