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
#include <asm/barrier.h>

#define SKUA_NOT_STARTED U32_MAX

struct pt_regs;
struct skua_account;
struct skua_sites;

/*
 * Context of an event, as the fields of skua_abi.h name it and as they lie in the event. All zero for an unarmed thread. The
 * stack's length is the writer's to set.
 */
struct skua_values {
	u64 trace_hi;
	u64 trace_lo;
	u64 span;
	u64 syscall;
	u32 flags;
	u32 stack_length;
};

/* All of these speak of the current thread and may be called wherever a tracepoint may fire. */
bool skua_admits(u32 generation);
bool skua_admits_entry(u32 generation);
bool skua_admits_exit(u32 generation);
void skua_refresh_current(void);
void skua_current_values(struct skua_values *values);

/*
 * Registers and stack of the syscall whose entry event is being recorded, for the session that the table is of (NULL: no
 * table). First the size is asked, which decides whether the session gets them in full or a reference to what it has;
 * then the bytes; and once they are in the ring buffer, that is said.
 */
size_t skua_entry_stack_size(struct skua_sites *sites);
const u8 *skua_entry_stack(size_t *bytes);
void skua_entry_stack_recorded(struct skua_sites *sites);

/* Table of the call sites that a session has, see skua-site-table.c. May all be called with NULL but the first. */
struct skua_sites *skua_sites_create(void);
void skua_sites_clear(struct skua_sites *sites);
void skua_sites_destroy(struct skua_sites *sites);

/* Called for each event where the tracer reserves space in the ring buffer, and where it has got it; see skua-account.c. */
enum skua_event {
	SKUA_EVENT_ENTRY, /* of the current thread's syscall */
	SKUA_EVENT_EXIT,
	SKUA_EVENT_OTHER,
};

void skua_account_offered(struct skua_account *account, enum skua_event event);
void skua_account_recorded(struct skua_account *account);

/*
 * What is to be called with `data` at the entry or exit of the syscalls of armed threads, while sessions run. -ENOMEM, -ENOENT.
 * The tracer's sessions lock is held. After unregistering a call may still be in progress, as with a tracepoint.
 */
int skua_probe_register(bool at_exit, void (*probe)(void *data, struct pt_regs *regs, long value), void *data);
int skua_probe_unregister(bool at_exit, void *data);

/* Called by the tracer with its sessions lock held. The name is copied. */
int skua_session_start(u32 *generation, struct skua_account **account, const char *name);
/* May sleep: returns when the account is final. */
void skua_session_stop(u32 *generation, struct skua_account *account);

static __always_inline u32 skua_generation_of(const u32 *session_generation)
{
	return smp_load_acquire(session_generation); /* pairs with the release in skua_session_start() */
}

/* The test in front of every event: one load and one branch for an ordinary session. */
static __always_inline bool skua_session_admits(const u32 *session_generation)
{
	u32 generation = skua_generation_of(session_generation);

	return likely(!generation) || skua_admits(generation);
}

/* The same for events that exist in Skua sessions only. */
static __always_inline bool skua_session_admits_only(const u32 *session_generation)
{
	u32 generation = skua_generation_of(session_generation);

	return generation && skua_admits(generation);
}

static __always_inline bool skua_session_admits_entry(const u32 *session_generation)
{
	u32 generation = skua_generation_of(session_generation);

	return likely(!generation) || skua_admits_entry(generation);
}

static __always_inline bool skua_session_admits_exit(const u32 *session_generation)
{
	u32 generation = skua_generation_of(session_generation);

	return likely(!generation) || skua_admits_exit(generation);
}

#endif /* _SKUA_SKUA_H */
