/* One trace a tick, until it has ticked often enough or is ended. Uses nothing but the header client. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "skua.h"

static void tick(int number, int file)
{
	uint8_t trace_id[16] = {0x5c, 0x0a, [15] = (uint8_t)number};
	uint8_t span_id[8] = {1, [7] = (uint8_t)number};
	char line[32];
	int length = snprintf(line, sizeof(line), "tick %d\n", number);

	SKUA_BEGIN(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED);
	if (write(file, line, (size_t)length) < 0)
		perror("write");
	SKUA_END();
}

int main(int argc, char **argv)
{
	const int ticks = argc > 1 ? atoi(argv[1]) : 3;
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
	int file = open("ticks.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (int number = 1; number <= ticks; ++number) {
		tick(number, file);
		printf("tick %d\n", number);
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
	close(file);
	return 0;
}
