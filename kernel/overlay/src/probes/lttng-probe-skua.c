// SPDX-License-Identifier: (GPL-2.0-only OR LGPL-2.1-only)
/*
 * probes/lttng-probe-skua.c
 *
 * LTTng probes of Skua's own tracepoints. They are recorded in Skua sessions only, so that a session with every
 * tracepoint enabled sees what it would see with stock modules.
 */

#include <linux/module.h>
#include <lttng/tracer.h>
#include <wrapper/tracepoint.h>

#include <skua/skua-trace.h>

#define TP_SKUA_SESSIONS_ONLY

/*
 * Create LTTng tracepoint probes.
 */
#define LTTNG_PACKAGE_BUILD
#define CREATE_TRACE_POINTS
#define TRACE_INCLUDE_PATH instrumentation/events

#include <instrumentation/events/skua.h>

MODULE_LICENSE("GPL and additional rights");
MODULE_DESCRIPTION("LTTng probes of Skua's tracepoints");
