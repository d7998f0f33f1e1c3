/* SPDX-License-Identifier: MIT */
/*
 * What the guest's test programs share: writing context records the way a client does, on a file kept open.
 */
#ifndef SKUA_TEST_H
#define SKUA_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skua_abi.h"

static int skua_file = -1;

static inline void skua_open(void)
{
	skua_file = open(SKUA_PROC_CONTEXT, O_RDWR | O_CLOEXEC);
	if (skua_file < 0) {
		perror(SKUA_PROC_CONTEXT);
		exit(3);
	}
}

/* The trace id is 16 bytes of the first value, the span id is the second in big-endian order. */
static inline struct skua_record skua_make(unsigned char trace, unsigned long span, int sampled)
{
	struct skua_record record = {.valid = 1, .trace_flags = sampled ? SKUA_TRACE_FLAG_SAMPLED : 0};
	int i;

	memset(record.trace_id, trace, sizeof(record.trace_id));
	for (i = 0; i < 8; i++)
		record.span_id[i] = (unsigned char)(span >> (56 - 8 * i));
	return record;
}

static inline int skua_write(const void *record, size_t bytes)
{
	return write(skua_file, record, bytes) == (ssize_t)bytes ? 0 : -errno;
}

static inline void skua_arm(unsigned char trace, unsigned long span)
{
	struct skua_record record = skua_make(trace, span, 1);
	int ret = skua_write(&record, sizeof(record));

	if (ret) {
		fprintf(stderr, "arming failed: %s\n", strerror(-ret));
		exit(4);
	}
}

static inline void skua_detach(void)
{
	struct skua_record record = {.valid = 0};

	if (skua_write(&record, sizeof(record)))
		exit(5);
}

#endif
