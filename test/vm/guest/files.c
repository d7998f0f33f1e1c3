/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of several kinds, and a library loaded inside the span (0x61). Prints "fd path" as
 * /proc/self/fd has it for each use that must be reported, in order, and the library's path as "library
 * path".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "record.h"

static char said[16][256];
static int count;

/* Remembers the name without any syscall on the descriptor itself. */
static void say(int fd)
{
	char link[64], path[200];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length < 0 ? 0 : length] = 0;
	snprintf(said[count++], sizeof(said[0]), "%d %s", fd, path);
}

static void use(int fd)
{
	syscall(SYS_fcntl, fd, F_GETFD);
}

int main(void)
{
	int pipes[2], file, sock, event, i;
	struct link_map *map;
	void *library;

	skua_open();
	mkdir("/tmp/skua files", 0700);
	file = open("/tmp/skua files/one", O_CREAT | O_RDWR, 0600);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	event = eventfd(0, 0);
	if (pipe(pipes))
		return 13;
	say(file);
	say(sock);
	say(event);
	say(pipes[0]);
	say(pipes[1]);
	skua_arm(0x66, 0x61);
	for (i = 0; i < 3; i++) {
		use(file);
		use(sock);
		use(event);
		use(pipes[0]);
		use(pipes[1]);
	}
	/* Another file under the same number is news. */
	syscall(SYS_close, file);
	file = open("/tmp/skua files/two", O_CREAT | O_RDWR, 0600);
	use(file);
	skua_detach();
	say(file);
	skua_arm(0x66, 0x62);
	library = dlopen("libm.so.6", RTLD_NOW);
	syscall(SYS_getpid);
	skua_detach();
	if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map))
		return 14;
	for (i = 0; i < count; i++)
		puts(said[i]);
	printf("library %s\n", realpath(map->l_name, NULL));
	return 0;
}
