/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM skua

#if !defined(LTTNG_TRACE_SKUA_H) || defined(TRACE_HEADER_MULTI_READ)
#define LTTNG_TRACE_SKUA_H

#include <lttng/tracepoint-event.h>
#include <linux/kdev_t.h>
#include <linux/types.h>
#include <skua/skua-trace.h>

LTTNG_TRACEPOINT_EVENT(skua_mapping,
	TP_PROTO(const struct skua_mapping *mapping, const char *path),
	TP_ARGS(mapping, path),
	TP_FIELDS(
		ctf_integer_hex(u64, start, mapping->start)
		ctf_integer_hex(u64, end, mapping->end)
		ctf_integer_hex(u64, pgoff, mapping->pgoff)
		ctf_integer(u64, ino, mapping->ino)
		ctf_integer(u32, dev_major, MAJOR(mapping->dev))
		ctf_integer(u32, dev_minor, MINOR(mapping->dev))
		ctf_string(path, path)
	)
)

LTTNG_TRACEPOINT_EVENT(skua_fd,
	TP_PROTO(int fd, u64 ino, const char *path),
	TP_ARGS(fd, ino, path),
	TP_FIELDS(
		ctf_integer(int, fd, fd)
		ctf_integer(u64, ino, ino)
		ctf_string(path, path)
	)
)

#endif /* LTTNG_TRACE_SKUA_H */

/* This part must be outside protection */
#include <lttng/define_trace.h>
