/* SPDX-License-Identifier: MIT */
/*
 * Two threads, each a span 0xN1 with a child span 0xN2 (N = 1, 2), in which known system calls are made; then
 * a detached getppid that nobody may see. Prints what it did as "tid span syscall" lines.
 */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/stat.h>

#include "record.h"

static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *arg)
{
	unsigned long n = (unsigned long)arg;
	long tid = syscall(SYS_gettid);
	char path[64], buffer[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/tmp/skua-nested-%lu", n);
	skua_arm(0xa0 + n, 0x11 + 0x10 * (n - 1));
	syscall(SYS_getpid);
	skua_arm(0xa0 + n, 0x12 + 0x10 * (n - 1));
	fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	if (write(fd, "hello", 5) != 5)
		exit(6);
	fstat(fd, &st);
	if (pread(fd, buffer, sizeof(buffer), 0) != 5)
		exit(6);
	close(fd);
	skua_arm(0xa0 + n, 0x11 + 0x10 * (n - 1));
	usleep(2000);
	if (open("/nonexistent/file", O_RDONLY) >= 0)
		exit(6);
	skua_detach();
	syscall(SYS_getppid);
	pthread_mutex_lock(&print_lock);
	printf("thread %lu tid %ld\n", n, tid);
	pthread_mutex_unlock(&print_lock);
	return NULL;
}

int main(void)
{
	pthread_t threads[2];
	unsigned long n;

	skua_open();
	printf("pid %d\n", getpid());
	for (n = 1; n <= 2; n++)
		pthread_create(&threads[n - 1], NULL, work, (void *)n);
	for (n = 1; n <= 2; n++)
		pthread_join(threads[n - 1], NULL);
	return 0;
}
