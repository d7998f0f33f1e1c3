/* SPDX-License-Identifier: (GPL-2.0-only OR LGPL-2.1-only) */
/*
 * skua/skua-lttng.h
 *
 * Calls that the LTTng tracer makes when sessions and channels change, and the context fields of Skua sessions.
 */
#ifndef _SKUA_SKUA_LTTNG_H
#define _SKUA_SKUA_LTTNG_H

struct lttng_kernel_channel_buffer;
struct lttng_kernel_ctx;
struct lttng_kernel_session;

/*
 * Makes a session a Skua session when its name begins with "skua". Too late once it has channels, which would lack the
 * fields, or has run.
 */
void skua_session_named(struct lttng_kernel_session *session);
/* Adds the context fields to a new channel of a Skua session. */
int skua_channel_created(struct lttng_kernel_channel_buffer *chan);
/* For Skua sessions only. */
int skua_session_started(struct lttng_kernel_session *session);
/* For any session, also one that has not started. */
void skua_session_stopped(struct lttng_kernel_session *session);
/* For any session, when no event of it can be in progress any more. */
void skua_session_destroyed(struct lttng_kernel_session *session);

/*
 * In place of the tracepoint's own: the syscall probes of a Skua session's channel are called for armed threads only. By its name
 * "sys_enter" or "sys_exit". The sessions lock is held.
 */
int skua_channel_probe_register(const char *tracepoint, void *probe, struct lttng_kernel_channel_buffer *chan);
int skua_channel_probe_unregister(const char *tracepoint, void *probe, struct lttng_kernel_channel_buffer *chan);

/* Makes the integer fields known to filters of every session, as $ctx.skua_span and so on. */
int skua_add_to_static_ctx(struct lttng_kernel_ctx **ctx);

#endif /* _SKUA_SKUA_LTTNG_H */
