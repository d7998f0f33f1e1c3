/* SPDX-License-Identifier: MIT */
/*
 * gcc merges equal ends of blocks (-fcrossjumping, from -Os and -O2 on) and gives what is left one line:
 *
 *	42: lea "@left", %rsi			45: lea "@right", %rsi
 *	42: jmp X			     X: 45: jmp write		the call of line 42 has become that of
 *line 45
 *
 * Nothing in the debug information says so, but the way there does. A block that prepares arguments for a
 *call, under a line of its own, and then leaves it to code of another line; while another block prepares them
 *under the very line of that code, and so is what that code was cut from. Where both are seen no line is
 *claimed. (Blocks that prepare nothing, because the calls are equal in all arguments, cannot be told from a
 *`goto` to common code.)
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include "symbols.h"

#define MAX_FUNCTION_BYTES (256u << 10)

struct step {
	uint64_t address;
	struct instruction instruction;
	bool target; /* something jumps here */
};

struct function_code {
	struct module *module;
	struct step *steps;
	size_t count;
};

/* The piece of a function that contains an address. */
static bool function_range(struct module *module, uint64_t vaddr, uint64_t *low, uint64_t *high)
{
	Dwarf_Die function;
	Dwarf_Addr base, from, to;
	ptrdiff_t at = 0;

	if (!location_function(module, vaddr, &function))
		return false;
	while ((at = dwarf_ranges(&function, at, &base, &from, &to)) > 0) {
		*low = from + module->dwarf_bias;
		*high = to + module->dwarf_bias;
		if (vaddr >= *low && vaddr < *high)
			return *high - *low <= MAX_FUNCTION_BYTES;
	}
	return false;
}

static size_t step_at(const struct function_code *code, uint64_t address)
{
	size_t low = 0, high = code->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (code->steps[middle].address + code->steps[middle].instruction.length <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool read_function(struct module *module, uint64_t vaddr, struct function_code *code)
{
	uint64_t low, high;
	unsigned char *bytes;
	size_t at = 0;
	bool whole;

	if (!function_range(module, vaddr, &low, &high))
		return false;
	bytes = xmalloc(high - low);
	*code = (struct function_code){.module = module, .steps = xcalloc(high - low, sizeof(*code->steps))};
	whole = module_read(module, low, bytes, high - low);
	while (whole && at < high - low) {
		struct step *step = &code->steps[code->count++];

		step->address = low + at;
		whole = decode_instruction(bytes + at, high - low - at, low + at, &step->instruction);
		at += step->instruction.length;
	}
	free(bytes);
	for (size_t i = 0; whole && i < code->count; i++) {
		const struct instruction *instruction = &code->steps[i].instruction;

		if ((instruction->flow == FLOW_JUMP || instruction->flow == FLOW_BRANCH) &&
		    instruction->target >= low && instruction->target < high)
			code->steps[step_at(code, instruction->target)].target = true;
	}
	return whole;
}

static bool same_line(const struct function_code *code, size_t a, size_t b)
{
	const struct frame *x = &location_get(code->module, code->steps[a].address)->frames[0];
	const struct frame *y = &location_get(code->module, code->steps[b].address)->frames[0];

	return x->file && y->file && x->line == y->line && strcmp(x->file, y->file) == 0;
}

static bool is_argument(int number)
{
	/* rdi, rsi, rdx, rcx (r10 for syscalls), r8, r9: psABI, section 3.2.3 */
	return number == 7 || number == 6 || number == 2 || number == 1 || number == 8 || number == 9 ||
	       number == 10;
}

struct block {
	bool prepares;	/* writes a register for arguments */
	bool continues; /* has a line of the code that follows */
};

/* The straight code that ends with step `last` and is followed by the steps from `join` to `call`. */
static struct block look_at(const struct function_code *code, size_t last, size_t join, size_t call)
{
	struct block block = {false, false};

	for (size_t i = last;; i--) {
		const struct step *step = &code->steps[i];

		if (i != last && step->instruction.flow != FLOW_ON)
			break;
		if (step->instruction.flow == FLOW_ON && is_argument(step->instruction.written))
			block.prepares = true;
		for (size_t j = join; j <= call && !block.continues; j++)
			block.continues = same_line(code, i, j);
		if (step->target || i == 0)
			break;
	}
	return block;
}

static bool cut_from_another(const struct function_code *code, size_t join, size_t call)
{
	bool cut = false, whole = false;

	for (size_t i = 0; i < code->count; i++) {
		const struct step *step = &code->steps[i];
		bool falls = i + 1 == join && step->instruction.flow == FLOW_ON;
		bool jumps = step->instruction.flow == FLOW_JUMP &&
			     step->instruction.target == code->steps[join].address;
		struct block block;

		if (!falls && !jumps)
			continue;
		block = look_at(code, i, join, call);
		if (block.continues)
			whole = true;
		else if (jumps && block.prepares)
			cut = true;
	}
	return cut && whole;
}

bool call_may_be_merged(struct module *module, uint64_t vaddr)
{
	struct function_code code = {0};
	bool merged = false;

	if (read_function(module, vaddr, &code)) {
		size_t call = step_at(&code, vaddr);

		for (size_t join = call; call < code.count && !merged; join--) {
			if (code.steps[join].target)
				merged = cut_from_another(&code, join, call);
			if (join == 0 || (code.steps[join - 1].instruction.flow != FLOW_ON &&
					  code.steps[join - 1].instruction.flow != FLOW_CALL))
				break;
		}
	}
	free(code.steps);
	return merged;
}
