/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes what the kernel module makes of context records: kernel/overlay/src/skua/skua-record.h, the same
 *text, compiled here with libFuzzer and the sanitizers. Each input is taken both as a write to
 * /proc/skua/context and as a header found in a program's memory. Every verdict is compared with what
 *docs/kernel-abi.md says, spelled out a second time below.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -I kernel/include -I kernel/overlay/src/skua
 *test/fuzz/record.c
 */
#include <stdint.h>
#include <stdlib.h>

#include "skua-record.h"

#define MUST(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			abort();                                                                             \
	} while (0)

static int all_zero(const uint8_t *bytes, size_t count)
{
	while (count--)
		if (bytes[count])
			return 0;
	return 1;
}

/* The table of docs/kernel-abi.md, byte by byte. */
static enum skua_verdict expected(const uint8_t *data, size_t size)
{
	unsigned int attributes;

	if (size < 28)
		return SKUA_RECORD_SHORT;
	if (size > 4096)
		return SKUA_RECORD_LONG;
	if (data[24] != 0 && data[24] != 1)
		return SKUA_RECORD_BAD_VALID;
	attributes = data[26] + 256u * data[27];
	if (28 + attributes > size)
		return SKUA_RECORD_BAD_ATTRS;
	if (data[24] == 0)
		return SKUA_RECORD_DETACHES;
	if (all_zero(data, 16) || all_zero(data + 16, 8))
		return SKUA_RECORD_BAD_IDS;
	return data[25] & 1 ? SKUA_RECORD_ARMS : SKUA_RECORD_DETACHES;
}

static uint64_t big_endian(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, 8);
	return __builtin_bswap64(value);
}

static void ids_are_those_of(const struct skua_ids *ids, const uint8_t *data)
{
	MUST(ids->valid);
	MUST(ids->trace_hi == big_endian(data));
	MUST(ids->trace_lo == big_endian(data + 8));
	MUST(ids->span == big_endian(data + 16));
	MUST(ids->trace_flags == data[25]);
}

static void as_write(const uint8_t *data, size_t size)
{
	enum skua_verdict verdict = skua_record_check_size(size);
	struct skua_record record;
	struct skua_ids ids;

	if (verdict == SKUA_RECORD_FITS) {
		memcpy(&record, data, SKUA_RECORD_HEADER_BYTES);
		verdict = skua_record_check(&record, size, &ids);
		if (verdict == SKUA_RECORD_ARMS)
			ids_are_those_of(&ids, data);
		if (verdict == SKUA_RECORD_DETACHES && ids.valid)
			ids_are_those_of(&ids, data);
	}
	MUST(verdict == expected(data, size));
}

static void as_memory(const uint8_t *data, size_t size)
{
	struct skua_header header, other;
	struct skua_ids ids;
	bool arms;

	if (size < SKUA_RECORD_HEADER_BYTES)
		return;
	memcpy(&header, data, SKUA_RECORD_HEADER_BYTES);
	arms = skua_header_arms(&header, &ids);
	MUST(arms == (data[24] == 1 && (data[25] & 1) && !all_zero(data, 16) && !all_zero(data + 16, 8)));
	if (arms)
		ids_are_those_of(&ids, data);

	/* A change of any bit must be noticed: the thread would keep an old context otherwise. */
	other = header;
	MUST(skua_headers_equal(&header, &other));
	if (size > SKUA_RECORD_HEADER_BYTES) {
		uint8_t *byte = (uint8_t *)&other + data[28] % SKUA_RECORD_HEADER_BYTES;

		*byte ^= (uint8_t)(1u << (data[28] >> 5));
		MUST(!skua_headers_equal(&header, &other));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that the sanitizer sees a read beyond what was offered. */
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	as_write(copy, size);
	as_memory(copy, size);
	free(copy);
	return 0;
}
