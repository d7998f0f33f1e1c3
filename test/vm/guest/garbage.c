/* SPDX-License-Identifier: MIT */
/*
 * Writes records that must be refused, and prints "name errno-name" for each; "ok" for those that must be
 * accepted. After a refusal the context in force must be unchanged.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/wait.h>

#include "record.h"

static void try_write(const char *name, const void *bytes, size_t size)
{
	int ret = skua_write(bytes, size);

	printf("%s %s\n", name, ret ? strerrorname_np(-ret) : "ok");
}

static void check_unchanged(unsigned long span)
{
	struct skua_record expected = skua_make(0x44, span, 1), actual;

	if (pread(skua_file, &actual, sizeof(actual), 0) != sizeof(actual) ||
	    memcmp(&expected, &actual, sizeof(actual))) {
		printf("the context changed\n");
		exit(11);
	}
}

int main(void)
{
	static unsigned char big[8192];
	struct skua_record record = skua_make(0x44, 0x41, 1), bad;
	unsigned char *pages;
	pid_t pid;

	skua_open();
	try_write("good", &record, sizeof(record));
	try_write("empty", &record, 0);
	try_write("short", &record, sizeof(record) - 1);
	memcpy(big, &record, sizeof(record));
	try_write("trailing-bytes", big, 64);
	try_write("longest", big, SKUA_RECORD_MAX_BYTES);
	try_write("too-long", big, SKUA_RECORD_MAX_BYTES + 1);
	bad = record;
	bad.valid = 2;
	try_write("valid-2", &bad, sizeof(bad));
	bad.valid = 255;
	try_write("valid-255", &bad, sizeof(bad));
	bad = record;
	bad.attrs_size = 1;
	try_write("attrs-beyond", &bad, sizeof(bad));
	bad.attrs_size = 0xffff;
	memcpy(big, &bad, sizeof(bad));
	try_write("attrs-huge", big, 4096);
	bad.attrs_size = 36;
	memcpy(big, &bad, sizeof(bad));
	try_write("attrs-fit", big, 64);
	bad = record;
	memset(bad.trace_id, 0, sizeof(bad.trace_id));
	try_write("trace-id-zero", &bad, sizeof(bad));
	bad = record;
	memset(bad.span_id, 0, sizeof(bad.span_id));
	try_write("span-id-zero", &bad, sizeof(bad));
	try_write("null", NULL, sizeof(record));
	try_write("kernel-address", (void *)0xffffffff81000000UL, sizeof(record));
	/* Half of the record on a page that is not there. */
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + 4096, 4096);
	memcpy(pages + 4096 - 14, &record, 14);
	try_write("half-mapped", pages + 4096 - 14, sizeof(record));
	memset(big, 0xff, sizeof(big));
	try_write("all-ones", big, 28);
	try_write("text", "GET /index.html HTTP/1.1\r\nHost: example\r\n\r\n", 44);
	check_unchanged(0x41);

	fflush(stdout);
	/* A descriptor handed to another user's process. */
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(12);
		try_write("other-user", &record, sizeof(record));
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, NULL, 0);

	record = skua_make(0x44, 0x42, 0);
	try_write("unsampled", &record, sizeof(record));
	bad = (struct skua_record){.valid = 0};
	memset(bad.trace_id, 0x77, sizeof(bad.trace_id));
	try_write("detached-with-ids", &bad, sizeof(bad));
	return 0;
}
