/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * skua-record.h
 *
 * Makes sense of context records (skua_abi.h). Everything here comes from user space and is looked at nowhere else. No
 * kernel facility is used, so that the same text compiles into a user-space fuzzer.
 */
#ifndef _SKUA_RECORD_H
#define _SKUA_RECORD_H

#ifdef __KERNEL__
#include <linux/string.h>
#include <linux/types.h>
#include <skua/skua_abi.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include "skua_abi.h"
typedef skua_u8 u8;
typedef skua_u32 u32;
typedef skua_u64 u64;
#endif

struct skua_ids {
	u64 trace_hi;
	u64 trace_lo;
	u64 span;
	u8 trace_flags;
	bool valid; /* as published last; armed also needs the sampled flag */
};

/* The bytes of struct skua_record in words, as they are read from memory and compared. */
struct skua_header {
	u64 trace_hi; /* big-endian, like the other two */
	u64 trace_lo;
	u64 span;
	u32 rest; /* valid, trace_flags, attrs_size */
};

enum skua_verdict {
	SKUA_RECORD_FITS,     /* its size is acceptable */
	SKUA_RECORD_ARMS,     /* valid and sampled */
	SKUA_RECORD_DETACHES, /* valid 0, or not sampled */
	SKUA_RECORD_SHORT,
	SKUA_RECORD_LONG,
	SKUA_RECORD_BAD_VALID,
	SKUA_RECORD_BAD_ATTRS,
	SKUA_RECORD_BAD_IDS,
};

static inline u64 skua_get_be64(const u8 *bytes)
{
	u64 value = 0;
	int i;

	for (i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* W3C Trace Context: ids of zeros only are invalid. */
static inline bool skua_ids_exist(const struct skua_ids *ids)
{
	return (ids->trace_hi | ids->trace_lo) && ids->span;
}

static inline void skua_record_take_ids(const struct skua_record *record, struct skua_ids *ids)
{
	ids->trace_hi = skua_get_be64(record->trace_id);
	ids->trace_lo = skua_get_be64(record->trace_id + 8);
	ids->span = skua_get_be64(record->span_id);
	ids->trace_flags = record->trace_flags;
	ids->valid = true;
}

/* Whether a write of this many bytes can be a record at all: SKUA_RECORD_FITS, _SHORT or _LONG. */
static inline enum skua_verdict skua_record_check_size(size_t size)
{
	if (size < SKUA_RECORD_HEADER_BYTES)
		return SKUA_RECORD_SHORT;
	return size > SKUA_RECORD_MAX_BYTES ? SKUA_RECORD_LONG : SKUA_RECORD_FITS;
}

/*
 * Checks a written record of which size bytes were offered, size being acceptable, and takes the ids out of it. Only the
 * fixed header is looked at; the attributes must fit but are not read. The ids are meaningful when it arms or detaches.
 */
static inline enum skua_verdict skua_record_check(const struct skua_record *record, size_t size, struct skua_ids *ids)
{
	memset(ids, 0, sizeof(*ids));
	if (record->valid > 1)
		return SKUA_RECORD_BAD_VALID;
	if (record->attrs_size > size - SKUA_RECORD_HEADER_BYTES)
		return SKUA_RECORD_BAD_ATTRS;
	if (!record->valid)
		return SKUA_RECORD_DETACHES;
	skua_record_take_ids(record, ids);
	if (!skua_ids_exist(ids))
		return SKUA_RECORD_BAD_IDS;
	return record->trace_flags & SKUA_TRACE_FLAG_SAMPLED ? SKUA_RECORD_ARMS : SKUA_RECORD_DETACHES;
}

/* Whether the last word of a header is that of a sampled record. Mostly it is not, and need not be read further. */
static inline bool skua_rest_may_arm(u32 rest)
{
	return (rest & 0xff) == 1 && rest >> 8 & SKUA_TRACE_FLAG_SAMPLED;
}

/*
 * Whether a header found in memory arms the thread; then takes the ids out of it. Anything else, also what a writer of
 * records would be told off for, means "no span": OTEP 4947 reserves other values of valid, and publishes zeros as ids
 * when only attributes are set. The attributes lie beyond the header and are not read.
 */
static inline bool skua_header_arms(const struct skua_header *header, struct skua_ids *ids)
{
	struct skua_record record;

	if (!skua_rest_may_arm(header->rest))
		return false;
	memcpy(&record, header, SKUA_RECORD_HEADER_BYTES);
	skua_record_take_ids(&record, ids);
	return skua_ids_exist(ids);
}

static inline bool skua_headers_equal(const struct skua_header *a, const struct skua_header *b)
{
	return !((a->trace_hi ^ b->trace_hi) | (a->trace_lo ^ b->trace_lo) | (a->span ^ b->span) | (a->rest ^ b->rest));
}

#endif /* _SKUA_RECORD_H */
