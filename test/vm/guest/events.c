/* SPDX-License-Identifier: MIT */
/*
 * In one sampled span: everything whose tracepoints Skua records by default. Direct I/O to a disk, TCP over
 * loopback, first touches of memory inside and outside of system calls, a signal to itself, waiting, and a
 * call in a shared library. Reports the span itself, as an OpenTelemetry program would, to the OTLP/HTTP
 * endpoint in its environment. Prints what the test needs to know. Built with -I of skua.h; linked with
 * events_library.c as a shared library.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "skua.h"

#define PAGE 4096
#define BLOCKS 8

int write_in_library(int fd, const char *text);

static void must(int right, const char *what)
{
	if (right)
		return;
	perror(what);
	exit(1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* Sends back what comes. Its thread is in no span. */
static void *echo(void *listener)
{
	char byte;
	int client = accept(*(int *)listener, NULL, NULL);

	while (read(client, &byte, 1) == 1)
		must(write(client, &byte, 1) == 1, "echo");
	close(client);
	return NULL;
}

static void direct_io(void)
{
	char name[] = "/var/tmp/skua-events-XXXXXX";
	int plain = mkstemp(name), fd;
	void *block;

	must(plain >= 0 && close(plain) == 0, "mkstemp");
	fd = open(name, O_WRONLY | O_DIRECT);
	must(fd >= 0 && posix_memalign(&block, PAGE, PAGE) == 0, "open O_DIRECT");
	memset(block, 'x', PAGE);
	for (int i = 0; i < BLOCKS; i++)
		must(pwrite(fd, block, PAGE, (off_t)i * PAGE) == PAGE, "pwrite");
	must(fsync(fd) == 0, "fsync");
	close(fd);
	unlink(name);
	free(block);
}

static void network(int port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte = 'x';

	must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
	/* Addresses of sockets are looked up by their number, a few times a second on an idle machine. */
	for (int i = 0; i < 50; i++) {
		must(send(fd, &byte, 1, 0) == 1, "send");
		must(recv(fd, &byte, 1, 0) == 1, "recv");
		usleep(100000);
	}
	close(fd);
}

static void memory(void)
{
	char *area = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = open("/dev/zero", O_RDONLY);

	must(area != MAP_FAILED && zero >= 0, "mmap");
	for (int i = 0; i < 32; i++)
		area[i * PAGE] = 1; /* between system calls: events of the user span */
	must(read(zero, area + 32 * PAGE, 32 * PAGE) == 32 * PAGE, "read");
	close(zero);
	munmap(area, 64 * PAGE);
}

static void on_signal(int signal)
{
	(void)signal;
}

/* One ExportTraceServiceRequest in OTLP's JSON encoding. */
static void report(long long start, long long end)
{
	const char *endpoint = getenv("OTEL_EXPORTER_OTLP_ENDPOINT");
	const char *colon = endpoint ? strrchr(endpoint, ':') : NULL;
	char body[1000], request[1400], answer[100] = "";
	struct sockaddr_in address;
	int fd;

	must(colon != NULL, "OTEL_EXPORTER_OTLP_ENDPOINT");
	address = loopback(atoi(colon + 1));
	snprintf(body, sizeof(body),
		 "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
		 "\"stringValue\":\"events\"}}]},"
		 "\"scopeSpans\":[{\"spans\":[{\"traceId\":\"000000000000000000000000000000e1\",\"spanId\":"
		 "\"00000000000000e2\","
		 "\"name\":\"everything\",\"kind\":1,\"startTimeUnixNano\":\"%lld\",\"endTimeUnixNano\":\"%"
		 "lld\"}]}]}]}",
		 start, end);
	snprintf(request, sizeof(request),
		 "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
		 "application/json\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n%s",
		 strlen(body), body);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect to the receiver");
	must(write(fd, request, strlen(request)) == (ssize_t)strlen(request), "report");
	must(read(fd, answer, sizeof(answer) - 1) > 0 && strstr(answer, " 200 ") != NULL,
	     "the receiver's answer");
	close(fd);
}

int main(void)
{
	static const uint8_t trace_id[16] = {[15] = 0xe1};
	static const uint8_t span_id[8] = {[7] = 0xe2};
	struct sockaddr_in address = loopback(0);
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), line;
	pthread_t server;
	long long start;

	must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0, "listen");
	getsockname(listener, (struct sockaddr *)&address, &length);
	pthread_create(&server, NULL, echo, &listener);
	signal(SIGUSR1, on_signal);

	start = now();
	SKUA_BEGIN(trace_id, span_id, SKUA_TRACE_FLAG_SAMPLED);
	direct_io();
	network(ntohs(address.sin_port));
	memory();
	raise(SIGUSR1);
	usleep(20000);
	line = write_in_library(STDERR_FILENO, "in the library\n");
	SKUA_END();
	report(start, now());

	pthread_join(server, NULL);
	printf("{\"pid\":%d,\"port\":%d,\"line\":%d}\n", getpid(), ntohs(address.sin_port), line);
	return 0;
}
