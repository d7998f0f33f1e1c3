#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"

static void pause_briefly(void)
{
	struct timespec delay = {.tv_sec = 0, .tv_nsec = 2000000};

	nanosleep(&delay, NULL);
}

int main(void)
{
	struct stat status;

	for (int i = 0; i < 8; i++) {
		journal_append("/tmp/journal.log", "entry");
		pause_briefly();
	}
	stat("/etc/missing.conf", &status);
	return 0;
}
