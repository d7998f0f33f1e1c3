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
#include <wrapper/vmalloc.h>
#include <skua/skua.h>
#include <skua/skua-lttng.h>

#define SKUA_SESSION_PREFIX "skua"

/* Only syscall entries carry registers and stack. */
static bool is_syscall_entry(const struct lttng_kernel_probe_ctx *probe_ctx)
{
	const struct lttng_kernel_event_common_private *event = probe_ctx->event->priv;

	return event->instrumentation == LTTNG_KERNEL_ABI_SYSCALL &&
	       event->u.syscall.entryexit == LTTNG_SYSCALL_ENTRY;
}

static const u8 *event_stack(const struct lttng_kernel_probe_ctx *probe_ctx, size_t *bytes)
{
	*bytes = 0;
	return is_syscall_entry(probe_ctx) ? skua_entry_stack(bytes) : NULL;
}

static size_t all_get_size(void *priv, struct lttng_kernel_probe_ctx *probe_ctx, size_t offset)
{
	size_t start = offset;
	size_t bytes;
	int i;

	for (i = 0; i < 4; i++) {
		offset += lib_ring_buffer_align(offset, lttng_alignof(u64));
		offset += sizeof(u64);
	}
	for (i = 0; i < 2; i++) { /* flags, length of the stack */
		offset += lib_ring_buffer_align(offset, lttng_alignof(u32));
		offset += sizeof(u32);
	}
	event_stack(probe_ctx, &bytes);
	return offset + bytes - start;
}

static void all_record(void *priv, struct lttng_kernel_probe_ctx *probe_ctx,
		       struct lttng_kernel_ring_buffer_ctx *ctx, struct lttng_kernel_channel_buffer *chan)
{
	struct skua_values values;
	const u8 *stack;
	size_t bytes;
	u32 length;

	/* The stack first: reading it decides one of the flags. */
	stack = event_stack(probe_ctx, &bytes);
	skua_current_values(&values);
	length = bytes;
	chan->ops->event_write(ctx, &values.trace_hi, sizeof(u64), lttng_alignof(u64));
	chan->ops->event_write(ctx, &values.trace_lo, sizeof(u64), lttng_alignof(u64));
	chan->ops->event_write(ctx, &values.span, sizeof(u64), lttng_alignof(u64));
	chan->ops->event_write(ctx, &values.syscall, sizeof(u64), lttng_alignof(u64));
	chan->ops->event_write(ctx, &values.flags, sizeof(u32), lttng_alignof(u32));
	chan->ops->event_write(ctx, &length, sizeof(u32), lttng_alignof(u32));
	if (bytes)
		chan->ops->event_write(ctx, stack, bytes, lttng_alignof(u8));
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
	if (list_empty(&session->priv->chan))
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

/* Of a session that runs, and so has all its channels, or that is about to be destroyed. */
static void session_lost(const void *opaque, struct skua_lost *lost)
{
	const struct lttng_kernel_session *session = opaque;
	const struct lttng_kernel_channel_buffer_private *chan;
	int cpu;

	memset(lost, 0, sizeof(*lost));
	list_for_each_entry(chan, &session->priv->chan, node) {
		const struct lttng_kernel_ring_buffer_config *config;

		if (chan->channel_type == METADATA_CHANNEL)
			continue;
		config = &chan->rb_chan->backend.config;
		for_each_possible_cpu(cpu) {
			struct lttng_kernel_ring_buffer *buf = per_cpu_ptr(chan->rb_chan->backend.buf, cpu);

			lost->full += v_read(config, &buf->records_lost_full);
			lost->wrap += v_read(config, &buf->records_lost_wrap);
			lost->big += v_read(config, &buf->records_lost_big);
		}
	}
}

static const struct skua_recorder recorder = { .lost = session_lost };

int skua_session_started(struct lttng_kernel_session *session)
{
	return skua_session_start(&session->skua_generation, session->priv->name, session, &recorder);
}

void skua_session_stopped(struct lttng_kernel_session *session)
{
	if (session->skua_generation)
		skua_session_stop(&session->skua_generation);
}
