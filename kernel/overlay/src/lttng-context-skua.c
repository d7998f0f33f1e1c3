// SPDX-License-Identifier: (GPL-2.0-only OR LGPL-2.1-only)
/*
 * lttng-context-skua.c
 *
 * Skua sessions: how a session becomes one, and the context fields of its events.
 *
 * The fields are laid out one after the other in every event of a Skua session (names and order: skua_abi.h). The first
 * field's callbacks measure and write all of them, the others' do nothing: the thread's state is looked up once an
 * event instead of once a field, and the fields of an event cannot contradict each other.
 */

#include <linux/module.h>
#include <linux/string.h>
#include <lttng/events.h>
#include <lttng/events-internal.h>
#include <lttng/tracer.h>
#include <ringbuffer/frontend_types.h>
#include <wrapper/tracepoint.h>
#include <wrapper/vmalloc.h>
#include <skua/skua.h>
#include <skua/skua-lttng.h>

#define SKUA_SESSION_PREFIX "skua"

static enum skua_event kind_of(const struct lttng_kernel_probe_ctx *probe_ctx)
{
	const struct lttng_kernel_event_common_private *event = probe_ctx->event->priv;

	if (event->instrumentation != LTTNG_KERNEL_ABI_SYSCALL)
		return SKUA_EVENT_OTHER;
	return event->u.syscall.entryexit == LTTNG_SYSCALL_ENTRY ? SKUA_EVENT_ENTRY : SKUA_EVENT_EXIT;
}

static const struct lttng_kernel_session *session_of(const struct lttng_kernel_probe_ctx *probe_ctx)
{
	const struct lttng_kernel_event_recorder *recorder =
		container_of(probe_ctx->event, struct lttng_kernel_event_recorder, parent);

	return recorder->chan->parent.session;
}

/* The tracer asks once for each event, right before it reserves space. Only syscall entries carry registers and stack. */
static size_t all_get_size(void *priv, struct lttng_kernel_probe_ctx *probe_ctx, size_t offset)
{
	const struct lttng_kernel_session *session = session_of(probe_ctx);
	enum skua_event kind = kind_of(probe_ctx);
	/* Four words, then two of half the size: however the tracer aligns them, none but the first is moved by that. */
	size_t size = lib_ring_buffer_align(offset, lttng_alignof(u64)) + sizeof(struct skua_values);

	BUILD_BUG_ON(sizeof(struct skua_values) != 4 * sizeof(u64) + 2 * sizeof(u32));
	skua_account_offered(READ_ONCE(session->skua_account), kind);
	if (kind == SKUA_EVENT_ENTRY)
		size += skua_entry_stack_size(READ_ONCE(session->skua_sites));
	return size;
}

/* The event has got its space. */
static void all_record(void *priv, struct lttng_kernel_probe_ctx *probe_ctx,
		       struct lttng_kernel_ring_buffer_ctx *ctx, struct lttng_kernel_channel_buffer *chan)
{
	const struct lttng_kernel_session *session = session_of(probe_ctx);
	struct skua_values values;
	const u8 *stack = NULL;
	size_t bytes = 0;

	skua_account_recorded(READ_ONCE(session->skua_account));
	if (kind_of(probe_ctx) == SKUA_EVENT_ENTRY)
		stack = skua_entry_stack(&bytes);
	skua_current_values(&values);
	values.stack_length = bytes;
	chan->ops->event_write(ctx, &values, sizeof(values), lttng_alignof(u64));
	if (!bytes)
		return;
	chan->ops->event_write(ctx, stack, bytes, lttng_alignof(u8));
	skua_entry_stack_recorded(READ_ONCE(session->skua_sites));
}

static size_t none_get_size(void *priv, struct lttng_kernel_probe_ctx *probe_ctx, size_t offset)
{
	return 0;
}

static void none_record(void *priv, struct lttng_kernel_probe_ctx *probe_ctx,
			struct lttng_kernel_ring_buffer_ctx *ctx, struct lttng_kernel_channel_buffer *chan)
{
}

#define SKUA_GET_VALUE(_member)								\
	static void _member##_get_value(void *priv,					\
					struct lttng_kernel_probe_ctx *probe_ctx,	\
					struct lttng_ctx_value *value)			\
	{										\
		struct skua_values values;						\
											\
		skua_refresh_current();							\
		skua_current_values(&values);						\
		value->u.s64 = values._member;						\
	}

SKUA_GET_VALUE(trace_hi)
SKUA_GET_VALUE(trace_lo)
SKUA_GET_VALUE(span)
SKUA_GET_VALUE(syscall)
SKUA_GET_VALUE(flags)

#define SKUA_INTEGER_FIELD(_name, _type, _base)						\
	lttng_kernel_static_event_field(_name,						\
		lttng_kernel_static_type_integer_from_type(_type, __BYTE_ORDER, _base),	\
		false, false)

/* In the order of skua_abi.h. */
static const struct lttng_kernel_ctx_field * const integer_fields[] = {
	lttng_kernel_static_ctx_field(SKUA_INTEGER_FIELD("skua_trace_hi", uint64_t, 16),
		all_get_size, all_record, trace_hi_get_value, NULL, NULL),
	lttng_kernel_static_ctx_field(SKUA_INTEGER_FIELD("skua_trace_lo", uint64_t, 16),
		none_get_size, none_record, trace_lo_get_value, NULL, NULL),
	lttng_kernel_static_ctx_field(SKUA_INTEGER_FIELD("skua_span", uint64_t, 16),
		none_get_size, none_record, span_get_value, NULL, NULL),
	lttng_kernel_static_ctx_field(SKUA_INTEGER_FIELD("skua_syscall", uint64_t, 16),
		none_get_size, none_record, syscall_get_value, NULL, NULL),
	lttng_kernel_static_ctx_field(SKUA_INTEGER_FIELD("skua_flags", uint32_t, 16),
		none_get_size, none_record, flags_get_value, NULL, NULL),
};

/* A sequence is two fields: its length, then its elements. Filters cannot use it, so it has no value. */
static const struct lttng_kernel_ctx_field * const stack_fields[] = {
	lttng_kernel_static_ctx_field(SKUA_INTEGER_FIELD("_skua_stack_length", uint32_t, 10),
		none_get_size, none_record, NULL, NULL, NULL),
	lttng_kernel_static_ctx_field(
		lttng_kernel_static_event_field("skua_stack",
			lttng_kernel_static_type_sequence(NULL,
				lttng_kernel_static_type_integer_from_type(uint8_t, __BYTE_ORDER, 16),
				0, none),
			false, false),
		none_get_size, none_record, NULL, NULL, NULL),
};

static int append_fields(struct lttng_kernel_ctx **ctx,
			 const struct lttng_kernel_ctx_field * const *fields, size_t count)
{
	size_t i;
	int ret;

	for (i = 0; i < count; i++) {
		ret = lttng_kernel_context_append(ctx, fields[i]);
		if (ret)
			return ret;
	}
	wrapper_vmalloc_sync_mappings();
	return 0;
}

int skua_add_to_static_ctx(struct lttng_kernel_ctx **ctx)
{
	return append_fields(ctx, integer_fields, ARRAY_SIZE(integer_fields));
}

void skua_session_named(struct lttng_kernel_session *session)
{
	bool named = !strncmp(session->priv->name, SKUA_SESSION_PREFIX, strlen(SKUA_SESSION_PREFIX));

	lttng_lock_sessions();
	if (list_empty(&session->priv->chan) && !session->priv->been_active)
		WRITE_ONCE(session->skua_generation, named ? SKUA_NOT_STARTED : 0);
	lttng_unlock_sessions();
}

int skua_channel_created(struct lttng_kernel_channel_buffer *chan)
{
	int ret;

	if (!chan->parent.session->skua_generation)
		return 0;
	ret = append_fields(&chan->priv->ctx, integer_fields, ARRAY_SIZE(integer_fields));
	if (ret)
		return ret;
	return append_fields(&chan->priv->ctx, stack_fields, ARRAY_SIZE(stack_fields));
}

int skua_channel_probe_register(const char *tracepoint, void *probe, struct lttng_kernel_channel_buffer *chan)
{
	if (!chan->parent.session->skua_generation)
		return lttng_wrapper_tracepoint_probe_register(tracepoint, probe, chan);
	return skua_probe_register(!strcmp(tracepoint, "sys_exit"), probe, chan);
}

int skua_channel_probe_unregister(const char *tracepoint, void *probe, struct lttng_kernel_channel_buffer *chan)
{
	if (!chan->parent.session->skua_generation)
		return lttng_wrapper_tracepoint_probe_unregister(tracepoint, probe, chan);
	return skua_probe_unregister(!strcmp(tracepoint, "sys_exit"), chan);
}

/* The session is Skua's; it admits no event before it has a generation. */
int skua_session_started(struct lttng_kernel_session *session)
{
	if (session->skua_sites)
		skua_sites_clear(session->skua_sites);
	else
		WRITE_ONCE(session->skua_sites, skua_sites_create());
	return skua_session_start(&session->skua_generation, &session->skua_account, session->priv->name);
}

void skua_session_stopped(struct lttng_kernel_session *session)
{
	if (session->skua_generation)
		skua_session_stop(&session->skua_generation, session->skua_account);
}

void skua_session_destroyed(struct lttng_kernel_session *session)
{
	skua_sites_destroy(session->skua_sites);
}
