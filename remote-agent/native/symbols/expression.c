/* SPDX-License-Identifier: MIT */
/*
 * DWARF expressions as they occur in call frame information (DWARF 5, section 2.5), on recorded registers and
 * stack. With each value goes what it is to a call site (enum trace). Where a result would depend on more
 * than the site covers, that is noted, and the result is not used for other samples.
 */
#include <dwarf.h>
#include <string.h>
#include "../../../kernel/include/skua_abi.h"
#include "symbols.h"

#define STACK_DEPTH 64
#define MAX_STEPS 1000

/* The kernel's rule (skua-site.c), with the mappings of files alone: other executable memory is data to an
 * unwinder. */
enum trace trace_of_word(const struct eval_context *context, uint64_t word)
{
	const struct stack_copy *stack = context->stack;

	if (word == 0 || process_mapping(context->process, word))
		return TRACE_EXACT;
	if (word - (stack->start - SKUA_SITE_MARGIN) < stack->size + 2 * SKUA_SITE_MARGIN)
		return TRACE_RELATIVE;
	return TRACE_OTHER;
}

static bool in_stack(const struct stack_copy *stack, uint64_t address)
{
	return address >= stack->start && address - stack->start < stack->size;
}

enum eval_result read_memory(const struct eval_context *context, struct traced from, struct traced *out,
			     unsigned size)
{
	const struct stack_copy *stack = context->stack;
	uint64_t address = from.value, *value = &out->value;

	*out = (struct traced){.value = 0, .trace = TRACE_NONE};
	if (size > 8)
		return EVAL_BAD;
	if (from.trace == TRACE_NONE || (from.trace != TRACE_RELATIVE && in_stack(stack, address)))
		*context->once = true;
	if (in_stack(stack, address)) {
		if (stack->size - (address - stack->start) < size)
			return EVAL_TRUNCATED;
		memcpy(value, stack->bytes + (address - stack->start), size);
		if (size == 8 && (address - stack->start) % 8 == 0)
			out->trace = trace_of_word(context, *value);
		return EVAL_OK;
	}
	if (from.trace == TRACE_EXACT)
		out->trace = TRACE_EXACT;
	else if (process_mapping(context->process, address))
		*context->once = true;
	/* Constants of the ELF files: memory that the program cannot have changed. Writable data is not
	 * there. */
	const struct mapping *mapping = process_mapping(context->process, address);
	uint64_t vaddr;

	if (mapping && mapping->module && !mapping->module->stale &&
	    module_vaddr(mapping->module, address - mapping->start + mapping->pgoff, &vaddr) &&
	    module_read(mapping->module, vaddr, value, size))
		return EVAL_OK;
	/* Farther up the stack than was copied, or on another one; below sp it is plainly wrong. */
	return from.trace == TRACE_RELATIVE && address < stack->start ? EVAL_BAD : EVAL_TRUNCATED;
}

static bool binary(unsigned atom, uint64_t a, uint64_t b, uint64_t *out)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (atom) {
	case DW_OP_and:
		*out = a & b;
		return true;
	case DW_OP_or:
		*out = a | b;
		return true;
	case DW_OP_xor:
		*out = a ^ b;
		return true;
	case DW_OP_plus:
		*out = a + b;
		return true;
	case DW_OP_minus:
		*out = a - b;
		return true;
	case DW_OP_mul:
		*out = a * b;
		return true;
	case DW_OP_div:
		if (b == 0 || (sa == INT64_MIN && sb == -1))
			return false;
		*out = (uint64_t)(sa / sb);
		return true;
	case DW_OP_mod:
		if (b == 0)
			return false;
		*out = a % b;
		return true;
	case DW_OP_shl:
		*out = b < 64 ? a << b : 0;
		return true;
	case DW_OP_shr:
		*out = b < 64 ? a >> b : 0;
		return true;
	case DW_OP_shra:
		*out = (uint64_t)(sa >> (b < 64 ? b : 63));
		return true;
	case DW_OP_eq:
		*out = a == b;
		return true;
	case DW_OP_ne:
		*out = a != b;
		return true;
	case DW_OP_lt:
		*out = sa < sb;
		return true;
	case DW_OP_le:
		*out = sa <= sb;
		return true;
	case DW_OP_gt:
		*out = sa > sb;
		return true;
	case DW_OP_ge:
		*out = sa >= sb;
		return true;
	default:
		return false;
	}
}

static bool get_register(const struct eval_context *context, uint64_t number, struct traced *value)
{
	if (number >= REG_COUNT || !(context->registers->known & (1u << number)))
		return false;
	*value = (struct traced){.value = context->registers->value[number],
				 .trace = context->registers->trace[number]};
	return true;
}

static struct traced constant(uint64_t value)
{
	return (struct traced){.value = value, .trace = TRACE_EXACT};
}

/* What does not point near the stack does not point into it either after a move by less than that. */
static struct traced moved(struct traced base, uint64_t distance)
{
	base.value += distance;
	base.moved += (int64_t)distance < 0 ? -distance : distance;
	if (base.trace == TRACE_OTHER && base.moved > SKUA_SITE_MARGIN)
		base.trace = TRACE_NONE;
	return base;
}

static void only_exact(struct traced *value)
{
	if (value->trace != TRACE_EXACT)
		value->trace = TRACE_NONE;
}

static enum trace trace_of_binary(unsigned atom, struct traced a, struct traced b)
{
	if (a.trace == TRACE_EXACT && b.trace == TRACE_EXACT)
		return TRACE_EXACT;
	if (atom == DW_OP_plus && a.trace == TRACE_EXACT && b.trace == TRACE_RELATIVE)
		return TRACE_RELATIVE;
	if ((atom == DW_OP_plus || atom == DW_OP_minus) && a.trace == TRACE_RELATIVE &&
	    b.trace == TRACE_EXACT)
		return TRACE_RELATIVE;
	if (atom == DW_OP_minus && a.trace == TRACE_RELATIVE && b.trace == TRACE_RELATIVE)
		return TRACE_EXACT;
	return TRACE_NONE;
}

/* The index of the operation at byte `offset` of the expression, or -1. */
static long operation_at(const Dwarf_Op *ops, size_t count, Dwarf_Word offset)
{
	for (size_t i = 0; i < count; i++)
		if (ops[i].offset == offset)
			return (long)i;
	return -1;
}

enum eval_result evaluate(const struct eval_context *context, const Dwarf_Op *ops, size_t count,
			  struct traced *value, bool *is_address)
{
	struct traced stack[STACK_DEPTH];
	unsigned depth = 0, steps = 0;

	*is_address = true;
#define NEED(n)                                                                                              \
	do {                                                                                                 \
		if (depth < (n))                                                                             \
			return EVAL_BAD;                                                                     \
	} while (0)
	for (size_t i = 0; i < count; i++) {
		const Dwarf_Op *op = &ops[i];
		struct traced top;

		if (++steps > MAX_STEPS || depth + 2 >= STACK_DEPTH)
			return EVAL_BAD;
		if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
			stack[depth++] = constant(op->atom - DW_OP_lit0);
			continue;
		}
		if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
			if (!get_register(context, op->atom - DW_OP_breg0, &top))
				return EVAL_BAD;
			stack[depth++] = moved(top, op->number);
			continue;
		}
		if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
			/* A register location: stands alone. */
			if (count != 1 || !get_register(context, op->atom - DW_OP_reg0, value))
				return EVAL_BAD;
			*is_address = false;
			return EVAL_OK;
		}
		switch (op->atom) {
		case DW_OP_nop:
			break;
		case DW_OP_addr:
		case DW_OP_const1u:
		case DW_OP_const1s:
		case DW_OP_const2u:
		case DW_OP_const2s:
		case DW_OP_const4u:
		case DW_OP_const4s:
		case DW_OP_const8u:
		case DW_OP_const8s:
		case DW_OP_constu:
		case DW_OP_consts:
			stack[depth++] = constant(op->number);
			break;
		case DW_OP_regx:
			if (count != 1 || !get_register(context, op->number, value))
				return EVAL_BAD;
			*is_address = false;
			return EVAL_OK;
		case DW_OP_bregx:
			if (!get_register(context, op->number, &top))
				return EVAL_BAD;
			stack[depth++] = moved(top, op->number2);
			break;
		case DW_OP_call_frame_cfa:
			if (!context->has_cfa)
				return EVAL_BAD;
			stack[depth++] = context->cfa;
			break;
		case DW_OP_deref:
		case DW_OP_deref_size: {
			enum eval_result result;

			NEED(1);
			result = read_memory(context, stack[depth - 1], &top,
					     op->atom == DW_OP_deref ? 8 : (unsigned)op->number);
			if (result != EVAL_OK)
				return result;
			stack[depth - 1] = top;
			break;
		}
		case DW_OP_dup:
			NEED(1);
			stack[depth] = stack[depth - 1];
			depth++;
			break;
		case DW_OP_over:
			NEED(2);
			stack[depth] = stack[depth - 2];
			depth++;
			break;
		case DW_OP_pick:
			if (op->number >= depth)
				return EVAL_BAD;
			stack[depth] = stack[depth - 1 - op->number];
			depth++;
			break;
		case DW_OP_drop:
			NEED(1);
			depth--;
			break;
		case DW_OP_swap:
			NEED(2);
			top = stack[depth - 1];
			stack[depth - 1] = stack[depth - 2];
			stack[depth - 2] = top;
			break;
		case DW_OP_rot:
			NEED(3);
			top = stack[depth - 1];
			stack[depth - 1] = stack[depth - 2];
			stack[depth - 2] = stack[depth - 3];
			stack[depth - 3] = top;
			break;
		case DW_OP_abs:
			NEED(1);
			if ((int64_t)stack[depth - 1].value < 0)
				stack[depth - 1].value = -stack[depth - 1].value;
			only_exact(&stack[depth - 1]);
			break;
		case DW_OP_neg:
			NEED(1);
			stack[depth - 1].value = -stack[depth - 1].value;
			only_exact(&stack[depth - 1]);
			break;
		case DW_OP_not:
			NEED(1);
			stack[depth - 1].value = ~stack[depth - 1].value;
			only_exact(&stack[depth - 1]);
			break;
		case DW_OP_plus_uconst:
			NEED(1);
			stack[depth - 1] = moved(stack[depth - 1], op->number);
			break;
		case DW_OP_bra:
		case DW_OP_skip: {
			/* libdw gives the distance from this operation's end (3 bytes) as a signed 16-bit
			 * number. */
			long target;

			if (op->atom == DW_OP_bra) {
				NEED(1);
				if (stack[--depth].trace != TRACE_EXACT)
					*context->once = true;
				if (stack[depth].value == 0)
					break;
			}
			target = operation_at(ops, count, op->offset + 3 + (Dwarf_Word)(int16_t)op->number);
			if (target < 0)
				return EVAL_BAD;
			i = (size_t)target - 1;
			break;
		}
		case DW_OP_stack_value:
			NEED(1);
			*is_address = false;
			*value = stack[depth - 1];
			return i + 1 == count ? EVAL_OK : EVAL_BAD;
		default:
			NEED(2);
			if (!binary(op->atom, stack[depth - 2].value, stack[depth - 1].value, &top.value))
				return EVAL_BAD;
			top.trace = trace_of_binary(op->atom, stack[depth - 2], stack[depth - 1]);
			depth--;
			stack[depth - 1] = top;
		}
	}
#undef NEED
	if (depth == 0)
		return EVAL_BAD;
	*value = stack[depth - 1];
	return EVAL_OK;
}
