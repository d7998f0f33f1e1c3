/* SPDX-License-Identifier: MIT */
/*
 * The same requests for every run, where instructions are counted: CONNECTIONS connections, each of which
 * sends its next request when it has the answer to the one before, REQUESTS in all. Prints what the server's
 * process has used meanwhile, from /proc/PID/task/.../schedstat: processor time, which is instructions under
 * -icount.
 *
 * Usage: load PORT CONNECTIONS REQUESTS PID
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n";

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Of all its threads, ns. */
static uint64_t processor_time(const char *pid)
{
	char path[512];
	uint64_t sum = 0, one;
	struct dirent *entry;
	DIR *threads;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	threads = opendir(path);
	if (!threads)
		fail(path);
	while ((entry = readdir(threads))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", pid, entry->d_name);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%" SCNu64, &one) != 1)
			fail(path);
		fclose(file);
		sum += one;
	}
	closedir(threads);
	return sum;
}

static int open_connection(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (file < 0 || connect(file, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return file;
}

static void send_request(int file)
{
	if (write(file, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1)
		fail("write");
}

/* The answer is complete when as many bytes have come as the first answer had, all being the same page. */
static size_t answer_bytes(int file)
{
	char buffer[65536];
	size_t have = 0;
	char *body, *length;

	for (;;) {
		ssize_t got = read(file, buffer + have, sizeof(buffer) - 1 - have);

		if (got <= 0)
			fail("read");
		have += (size_t)got;
		buffer[have] = 0;
		body = strstr(buffer, "\r\n\r\n");
		length = strstr(buffer, "Content-Length: ");
		if (body && length) {
			size_t all = (size_t)(body + 4 - buffer) + strtoul(length + 16, NULL, 10);

			if (have >= all)
				return all;
		}
	}
}

static void exchange(int epoll, unsigned connections, unsigned requests, size_t bytes, const int *files)
{
	size_t *left = calloc(connections, sizeof(*left));
	unsigned sent = 0, done = 0;
	char buffer[65536];

	for (; sent < connections; sent++) {
		send_request(files[sent]);
		left[sent] = bytes;
	}
	while (done < requests) {
		struct epoll_event events[64];
		int count = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < count; i++) {
			unsigned which = events[i].data.u32;
			ssize_t got = read(files[which], buffer, sizeof(buffer));

			if (got <= 0)
				fail("read");
			left[which] -= (size_t)got;
			if (left[which] != 0)
				continue;
			done++;
			if (sent < requests) {
				sent++;
				send_request(files[which]);
				left[which] = bytes;
			}
		}
	}
	free(left);
}

int main(int argc, char **argv)
{
	unsigned connections, requests;
	struct reading reading;
	uint64_t server;
	size_t bytes;
	int *files, epoll;

	if (argc != 5)
		return fprintf(stderr, "usage: load PORT CONNECTIONS REQUESTS PID\n"), 2;
	connections = (unsigned)strtoul(argv[2], NULL, 10);
	requests = (unsigned)strtoul(argv[3], NULL, 10);
	files = calloc(connections, sizeof(*files));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < connections; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		files[i] = open_connection(atoi(argv[1]));
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, files[i], &event))
			fail("epoll_ctl");
	}
	send_request(files[0]);
	bytes = answer_bytes(files[0]);
	exchange(epoll, connections, connections * 20, bytes, files); /* warms up */
	server = processor_time(argv[4]);
	reading = begin_reading();
	exchange(epoll, connections, requests, bytes, files);
	reading = end_reading(reading);
	server = processor_time(argv[4]) - server;
	printf("{\"what\":\"load\",\"count\":%u,\"ticks\":%" PRIu64 ",\"wall_ns\":%" PRIu64
	       ",\"thread_ns\":%" PRIu64 ",\"server_ns\":%" PRIu64 "}\n",
	       requests, reading.ticks, reading.wall_ns, reading.thread_ns, server);
	free(files);
	return 0;
}
