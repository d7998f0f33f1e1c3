/* SPDX-License-Identifier: MIT */
/*
 * What the test programs of registration share: a thread-local pointer and record as OTEP 4947 has them,
 * changed by plain stores, and telling the kernel where the pointer is. Nothing of Skua's own client.
 */
#ifndef REGISTERING_H
#define REGISTERING_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "record.h"

__thread struct skua_record *otel_thread_ctx_v1;
static __thread struct skua_record thread_record;

#define FENCE() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* The order of stores that a reader on this thread may rely on. */
static inline void fill(struct skua_record *record, unsigned char trace, unsigned long span)
{
	struct skua_record fresh = skua_make(trace, span, 1);

	*(volatile uint8_t *)&record->valid = 0;
	FENCE();
	memcpy(record, &fresh, 24);
	record->trace_flags = fresh.trace_flags;
	record->attrs_size = 0;
	FENCE();
	*(volatile uint8_t *)&record->valid = 1;
	FENCE();
}

static inline void attach(unsigned char trace, unsigned long span)
{
	fill(&thread_record, trace, span);
	otel_thread_ctx_v1 = &thread_record;
	FENCE();
}

static inline void detach(void)
{
	*(volatile uint8_t *)&thread_record.valid = 0;
	FENCE();
}

static inline int register_address(const void *address)
{
	uint64_t value = (uintptr_t)address;

	return syscall(SYS_ioctl, skua_file, SKUA_IOC_REGISTER, &value) ? -errno : 0;
}

static inline void register_thread(void)
{
	int ret = register_address(&otel_thread_ctx_v1);

	if (ret) {
		fprintf(stderr, "registering failed: %s\n", strerror(-ret));
		exit(4);
	}
}

static inline int register_process(pid_t pid, uint32_t kind, uint64_t module, int64_t offset)
{
	struct skua_process_registration registration = {pid, kind, module, offset};

	return ioctl(skua_file, SKUA_IOC_REGISTER_PROCESS, &registration) ? -errno : 0;
}

#endif
