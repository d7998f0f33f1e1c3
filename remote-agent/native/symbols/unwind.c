/* SPDX-License-Identifier: MIT */
/*
 * Unwinding by call frame information only. Nothing is guessed: where a rule is missing the stack ends, with
 * the reason. (libdwfl's own unwinder falls back on frame pointers, which in code built without them gives
 * frames that were never called.)
 */
#include <stdlib.h>
#include "symbols.h"

const char *end_reason_name(enum end_reason reason)
{
	static const char *const names[] = {
	    [END_COMPLETE] = "complete",
	    [END_STACK_TRUNCATED] = "stack-truncated",
	    [END_NO_CFI] = "no-cfi",
	    [END_BAD_CFI] = "bad-cfi",
	    [END_UNMAPPED] = "unmapped-code",
	    [END_MODULE_CHANGED] = "module-changed",
	    [END_MODULE_MISSING] = "module-missing",
	    [END_MODULE_INVALID] = "module-invalid",
	    [END_FRAME_LIMIT] = "frame-limit",
	    [END_NO_STACK] = "no-stack",
	};

	return names[reason];
}

static const enum end_reason end_of[] = {
    [MODULE_ANONYMOUS] = END_UNMAPPED,
    [MODULE_MISSING] = END_MODULE_MISSING,
    [MODULE_CHANGED] = END_MODULE_CHANGED,
    [MODULE_INVALID] = END_MODULE_INVALID,
};

/* Finds what `address` is in; the reason why not otherwise. */
static bool locate(const struct process *process, uint64_t address, struct location **out,
		   enum end_reason *why)
{
	const struct mapping *mapping = process_mapping(process, address);
	uint64_t vaddr;

	if (!mapping) {
		*why = END_UNMAPPED;
		return false;
	}
	if (!mapping->module || mapping->module->stale) {
		*why = mapping->module ? END_MODULE_CHANGED : end_of[mapping->error];
		return false;
	}
	if (!module_vaddr(mapping->module, address - mapping->start + mapping->pgoff, &vaddr)) {
		*why = END_UNMAPPED;
		return false;
	}
	*out = location_get(mapping->module, vaddr);
	return true;
}

/* The CFI row in effect at a location, found once. */
static Dwarf_Frame *row_of(struct location *location)
{
	struct module *module = location->module;

	if (location->row_tried)
		return location->row;
	location->row_tried = true;
	module_load_cfi(module);
	if (module->eh_cfi &&
	    dwarf_cfi_addrframe(module->eh_cfi, location->vaddr - module->eh_bias, &location->row) == 0)
		location->row_bias = module->eh_bias;
	else if (module->debug_cfi &&
		 dwarf_cfi_addrframe(module->debug_cfi, location->vaddr - module->debug_bias,
				     &location->row) == 0)
		location->row_bias = module->debug_bias;
	else
		location->row = NULL;
	if (location->row)
		dwarf_frame_info(location->row, NULL, NULL, &location->signal_frame);
	return location->row;
}

/*
 * glibc ends the CFI of clone and clone3 before the syscall instruction, as it would be wrong in the child.
 * In the parent the row of the instruction before still holds, if that is `mov $nr, %eax`, which leaves the
 * stack alone.
 */
static Dwarf_Frame *row_before_syscall(struct location *location)
{
	unsigned char bytes[7];

	if (location->vaddr < 6 ||
	    !module_read(location->module, location->vaddr - 6, bytes, sizeof(bytes)) || bytes[0] != 0xb8 ||
	    bytes[5] != 0x0f || bytes[6] != 0x05)
		return NULL;
	return row_of(location_get(location->module, location->vaddr - 2));
}

enum step { STEP_OK, STEP_OUTERMOST, STEP_NO_CFI, STEP_BAD, STEP_TRUNCATED };

static enum step failed(enum eval_result result)
{
	return result == EVAL_TRUNCATED ? STEP_TRUNCATED : STEP_BAD;
}

/* From the registers inside a frame to those of its caller. */
static enum step step_out(const struct process *process, struct location *location, bool innermost,
			  const struct stack_copy *stack, const struct registers *in, struct registers *out,
			  bool *once)
{
	Dwarf_Frame *row = row_of(location);
	struct eval_context context = {.registers = in, .stack = stack, .process = process, .once = once};
	Dwarf_Op memory[3], *ops;
	size_t count;
	bool is_address;
	enum eval_result result;

	if (!row && innermost)
		row = row_before_syscall(location);
	if (!row)
		return STEP_NO_CFI;
	int return_column = dwarf_frame_info(row, NULL, NULL, NULL);

	if (return_column < 0 || return_column >= REG_COUNT)
		return STEP_NO_CFI;
	if (dwarf_frame_cfa(row, &ops, &count) != 0 || count == 0)
		return STEP_NO_CFI;
	result = evaluate(&context, ops, count, &context.cfa, &is_address);
	if (result != EVAL_OK)
		return failed(result);
	context.has_cfa = true;
	out->known = 0;
	for (int number = 0; number < REG_COUNT; number++) {
		struct traced value;

		if (dwarf_frame_register(row, number, memory, &ops, &count) != 0)
			return STEP_BAD;
		if (count == 0 && ops == memory) {
			/* Undefined. For the return address it marks the outermost frame. */
			if (number == return_column)
				return STEP_OUTERMOST;
			continue;
		}
		if (count == 0) {
			/* Same value; a return address that is nowhere is no rule at all. */
			if (number == return_column)
				return STEP_NO_CFI;
			if (in->known & (1u << number)) {
				out->value[number] = in->value[number];
				out->trace[number] = in->trace[number];
				out->known |= 1u << number;
			}
			continue;
		}
		result = evaluate(&context, ops, count, &value, &is_address);
		if (result == EVAL_OK && is_address) {
			struct traced address = value;

			result = read_memory(&context, address, &value, 8);
		}
		if (result != EVAL_OK) {
			if (number == return_column)
				return failed(result);
			continue; /* not known; matters only if something needs it */
		}
		out->value[number] = value.value;
		out->trace[number] = value.trace;
		out->known |= 1u << number;
	}
	out->value[REG_RIP] = out->value[return_column];
	out->trace[REG_RIP] = out->trace[return_column];
	if (!(out->known & (1u << return_column)))
		return STEP_BAD;
	out->known |= 1u << REG_RIP;
	if (!(out->known & (1u << REG_RSP)) || !location->signal_frame) {
		/* The caller's stack pointer is the CFA unless a rule says otherwise, and only signal frames
		 * have one that does. */
		out->value[REG_RSP] = context.cfa.value;
		out->trace[REG_RSP] = context.cfa.trace == TRACE_OTHER ? TRACE_NONE : context.cfa.trace;
		out->known |= 1u << REG_RSP;
	}
	/* A call only ever goes down the stack: anything else is a loop or a corrupt stack. */
	if (!location->signal_frame &&
	    (in->trace[REG_RSP] != out->trace[REG_RSP] || in->trace[REG_RSP] == TRACE_NONE))
		*once = true;
	if (!location->signal_frame && out->value[REG_RSP] <= in->value[REG_RSP])
		return STEP_BAD;
	return STEP_OK;
}

void unwind(const struct process *process, const struct registers *registers, const struct stack_copy *stack,
	    struct unwound *out)
{
	struct registers current = *registers, next;
	bool after_signal = false;

	const struct eval_context sample = {.stack = stack, .process = process};

	out->count = 0;
	out->once = false;
	for (int number = 0; number < REG_COUNT; number++)
		current.trace[number] =
		    number == REG_RSP ? TRACE_RELATIVE : trace_of_word(&sample, current.value[number]);
	for (;;) {
		uint64_t address = current.value[REG_RIP];
		struct location *location = NULL;
		enum end_reason why = END_NO_CFI;
		enum step step;

		if (out->count == MAX_FRAMES) {
			out->end = END_FRAME_LIMIT;
			return;
		}
		if (address == 0) {
			out->end = out->count ? END_COMPLETE : END_NO_STACK;
			return;
		}
		/* Of data only that it is no code is known, and of what was calculated nothing. */
		if (current.trace[REG_RIP] == TRACE_NONE)
			out->once = true;
		/*
		 * The first address follows the syscall instruction, the others follow a call: the
		 * instruction meant is the one before. After a signal the address is that of the interrupted
		 * instruction itself.
		 */
		bool found = locate(process, after_signal ? address : address - 1, &location, &why);

		if (found && out->count > 0 && !after_signal &&
		    !is_after_call(location->module, location->vaddr + 1)) {
			/* Nothing was called here; only the return into a signal trampoline looks like that.
			 */
			if (!row_of(location) || !location->signal_frame) {
				out->end = END_BAD_CFI;
				return;
			}
		}
		out->frames[out->count++] = (struct unwound_frame){
		    .address = address, .location = location, .after_signal = after_signal};
		if (!found) {
			out->end = why;
			return;
		}
		step = step_out(process, location, out->count == 1, stack, &current, &next, &out->once);
		switch (step) {
		case STEP_OK:
			break;
		case STEP_OUTERMOST:
			out->end = END_COMPLETE;
			return;
		case STEP_NO_CFI:
			out->end = END_NO_CFI;
			return;
		case STEP_BAD:
			out->end = END_BAD_CFI;
			return;
		case STEP_TRUNCATED:
			out->end = END_STACK_TRUNCATED;
			return;
		}
		after_signal = location->signal_frame;
		current = next;
	}
}
