/* A small journal: what the recorded trace of the tests was made of. The lines are part of the fixture. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"

static int journal_open(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

int journal_append(const char *path, const char *text)
{
	char line[256];
	int length = snprintf(line, sizeof line, "%ld %s\n", (long)time(NULL), text);
	int fd = journal_open(path);

	if (fd < 0)
		return -1;
	ssize_t written = write(fd, line, (size_t)length);
	fsync(fd);
	close(fd);
	return written == length ? 0 : -1;
}
