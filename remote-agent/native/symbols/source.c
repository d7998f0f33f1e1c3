/* SPDX-License-Identifier: MIT */
/*
 * Which frame of a stack is "the source line of the system call"? The innermost one that is the program's
 * own: not a system library, with debug information, not in a system header. Four ways in which that would
 * be wrong are recognised, and give no line instead: the compiler gives no line there (line 0); a signal
 * frame lies between (the interrupted code called nothing); a tail call has removed the frame that did call
 * (see tailcall.c); the compiler has merged the call with one of another line (see merged.c).
 */
#include <string.h>
#include "symbols.h"

static const char *why_unknown(const struct unwound *stack)
{
	switch (stack->end) {
	case END_COMPLETE:
		return "no-debug-info";
	case END_NO_CFI:
	case END_BAD_CFI:
		return "unwind-failed";
	default:
		return end_reason_name(stack->end);
	}
}

/* Puts the frames back that tail calls removed, before frame `at`. */
static void insert_chain(struct unwound *stack, unsigned at, const struct edge *edge)
{
	unsigned room = MAX_FRAMES - stack->count;
	unsigned count = edge->count < room ? edge->count : room;

	memmove(&stack->frames[at + count], &stack->frames[at], (stack->count - at) * sizeof(*stack->frames));
	for (unsigned i = 0; i < count; i++)
		stack->frames[at + i] =
		    (struct unwound_frame){.address = edge->chain_address[i], .location = edge->chain[i]};
	stack->count += count;
}

static bool is_merged(struct location *location)
{
	if (!location->merged_tried) {
		location->merged_tried = true;
		location->merged = call_may_be_merged(location->module, location->vaddr);
	}
	return location->merged;
}

static void choose(const struct unwound *stack, unsigned at, struct source *out)
{
	struct location *location = stack->frames[at].location;

	for (unsigned i = 0; i < location->frame_count; i++) {
		if (frame_is_foreign(location, &location->frames[i]))
			continue;
		if (location->frames[i].line <= 0)
			*out = (struct source){.reason = "no-line"};
		else if (is_merged(location))
			*out = (struct source){.reason = "merged-call"};
		else
			*out = (struct source){.known = true, .frame = at, .inlined = i};
		return;
	}
}

static bool is_the_programs(const struct location *location)
{
	for (unsigned i = 0; i < location->frame_count; i++)
		if (!frame_is_foreign(location, &location->frames[i]))
			return true;
	return false;
}

void find_source(struct process *process, struct unwound *stack, struct source *out)
{
	*out = (struct source){.reason = why_unknown(stack)};
	for (unsigned at = 0; at < stack->count; at++) {
		const struct unwound_frame *frame = &stack->frames[at];

		if (!frame->location)
			return;
		if (frame->after_signal) {
			*out = (struct source){.reason = "signal-frame"};
			return;
		}
		if (!is_the_programs(frame->location))
			continue;
		if (at > 0) {
			const struct edge *edge = edge_check(process, frame, frame - 1);

			switch (edge->verdict) {
			case EDGE_DIRECT:
				break;
			case EDGE_TAIL:
				insert_chain(stack, at, edge);
				break;
			case EDGE_AMBIGUOUS_TAIL:
				*out = (struct source){.reason = "tail-call"};
				return;
			case EDGE_INDIRECT:
				*out = (struct source){.reason = "indirect-call"};
				return;
			case EDGE_NOT_A_CALL:
				*out = (struct source){.reason = "unwind-failed"};
				return;
			}
		}
		choose(stack, at, out);
		return;
	}
}
