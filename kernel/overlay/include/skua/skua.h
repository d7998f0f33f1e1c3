/* SPDX-License-Identifier: (GPL-2.0-only OR LGPL-2.1-only) */
/*
 * skua/skua.h
 *
 * What LTTng asks the skua module: whether an event belongs to a Skua session's trace, and what its context is.
 *
 * A session's generation says what it is:
 *   0                  an ordinary LTTng session; nothing of Skua applies to it
 *   SKUA_NOT_STARTED   a session named "skua…" that records nothing yet
 *   anything else      a running Skua session; the number orders session starts
 *
 * A syscall remembers the generation that was current at its entry. A session admits the events of a syscall only when
 * the syscall began after the session, so that no session sees an exit whose entry it could not see.
 */
#ifndef _SKUA_SKUA_H
#define _SKUA_SKUA_H

#include <linux/compiler.h>
#include <linux/types.h>

#define SKUA_NOT_STARTED U32_MAX

/* Context of an event, as the fields of skua_abi.h name it. All zero for an unarmed thread. */
struct skua_values {
	u64 trace_hi;
	u64 trace_lo;
	u64 span;
	u64 syscall;
	u32 flags;
};

/*
 * All of these speak of the current thread and may be called wherever a tracepoint may fire. An event that is admitted is
 * counted as offered to the session, so each is to be asked about once.
 */
bool skua_admits(u32 generation);
bool skua_admits_entry(u32 generation);
bool skua_admits_exit(u32 generation);
void skua_current_values(struct skua_values *values);
const u8 *skua_entry_stack(size_t *bytes);

/* Events that a recording could not keep, by cause: buffer full, overtaken by a nested event in a wrap-around, too big. */
struct skua_lost {
	u64 full;
	u64 wrap;
	u64 big;
};

/* What the tracer can tell of a session of its own while it runs. */
struct skua_recorder {
	void (*lost)(const void *session, struct skua_lost *lost);
};

/* Called by the tracer with its sessions lock held. name is copied; session is handed back to the recorder until the stop. */
int skua_session_start(u32 *generation, const char *name, const void *session, const struct skua_recorder *recorder);
/* To be called while the session still records: waits until all that was admitted has been recorded. May sleep. */
void skua_session_stop(u32 *generation);

/* The test in front of every event: one load and one branch for an ordinary session. */
static __always_inline bool skua_session_admits(const u32 *session_generation)
{
	u32 generation = READ_ONCE(*session_generation);

	return likely(!generation) || skua_admits(generation);
}

/* The same for events that exist in Skua sessions only. */
static __always_inline bool skua_session_admits_only(const u32 *session_generation)
{
	u32 generation = READ_ONCE(*session_generation);

	return generation && skua_admits(generation);
}

static __always_inline bool skua_session_admits_entry(const u32 *session_generation)
{
	u32 generation = READ_ONCE(*session_generation);

	return likely(!generation) || skua_admits_entry(generation);
}

static __always_inline bool skua_session_admits_exit(const u32 *session_generation)
{
	u32 generation = READ_ONCE(*session_generation);

	return likely(!generation) || skua_admits_exit(generation);
}

#endif /* _SKUA_SKUA_H */
