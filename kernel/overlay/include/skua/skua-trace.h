/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * skua/skua-trace.h
 *
 * The tracepoints of the skua module. LTTng's probe module records them, see instrumentation/events/skua.h.
 */
#ifndef _SKUA_SKUA_TRACE_H
#define _SKUA_SKUA_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

struct skua_mapping;

DECLARE_TRACE(skua_mapping,
	TP_PROTO(const struct skua_mapping *mapping, const char *path),
	TP_ARGS(mapping, path));

DECLARE_TRACE(skua_fd,
	TP_PROTO(int fd, u64 ino, const char *path),
	TP_ARGS(fd, ino, path));

struct skua_mapping {
	u64 start;
	u64 end;
	u64 pgoff; /* bytes */
	u64 ino;
	dev_t dev;
};

#endif /* _SKUA_SKUA_TRACE_H */
