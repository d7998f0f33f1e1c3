/* SPDX-License-Identifier: MIT */
/*
 * Tail calls remove frames. In
 *
 *	int save(int fd) { return fsync(fd); }		// compiled to: jmp fsync
 *	int main(void)   { return save(3) + 1; }	// compiled to: call save
 *
 * the stack at the syscall is fsync ← main, and main's line would pass for the line of the fsync. The call
 * instruction in main tells that `save` was called. When that is a function of the program itself, the way
 * from it to the function below is looked for among the tail calls that the compiler has noted in DWARF
 * (DW_TAG_call_site with DW_AT_call_tail_call). One way: those frames are put back. Several or an unknown
 * one: no line is claimed.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include "symbols.h"

struct place {
	struct module *module;
	uint64_t vaddr;
};

struct search {
	struct process *process;
	const struct location *below;
	unsigned depth;
	struct place path[MAX_TAIL_CHAIN]; /* jump of each function so far, outermost first */
	/* The one way found so far. */
	unsigned found_depth;
	struct place found[MAX_TAIL_CHAIN];
	bool exact; /* leads to the very function below, not just into foreign code */
	bool ambiguous;
};

static bool is_foreign_code(struct module *module, uint64_t vaddr)
{
	const struct location *location = location_get(module, vaddr);

	return frame_is_foreign(location, &location->frames[location->frame_count - 1]);
}

/* Where a branch leads in this process: into foreign code, or to a function of the program. */
enum destination { TO_FOREIGN, TO_PROGRAM, TO_UNKNOWN };

static enum destination destination_of(const struct process *process, struct module *module, struct branch to,
				       struct place *out)
{
	bool foreign = false;

	if (to.kind == BRANCH_DIRECT) {
		*out = (struct place){.module = module, .vaddr = to.target};
		return is_foreign_code(module, to.target) ? TO_FOREIGN : TO_PROGRAM;
	}
	if (to.kind != BRANCH_IMPORT)
		return TO_UNKNOWN;
	for (size_t i = 0; i < process->count; i++) {
		struct module *candidate = process->mappings[i].module;
		uint64_t vaddr;

		if (!candidate || candidate->stale || (i > 0 && candidate == process->mappings[i - 1].module))
			continue;
		vaddr = module_export(candidate, to.name);
		if (!vaddr)
			continue;
		if (!is_foreign_code(candidate, vaddr)) {
			*out = (struct place){.module = candidate, .vaddr = vaddr};
			return TO_PROGRAM;
		}
		foreign = true;
	}
	return foreign ? TO_FOREIGN : TO_UNKNOWN;
}

static bool leads_to(struct module *module, struct branch to, const struct location *below)
{
	if (to.kind == BRANCH_IMPORT)
		return module_symbol_is(below->module, below->vaddr, to.name);
	if (to.kind != BRANCH_DIRECT || module != below->module)
		return false;
	const struct function_symbol *a = module_symbol(module, to.target, NULL);
	const struct function_symbol *b = module_symbol(module, below->vaddr, NULL);

	return a && b && a->start == b->start;
}

static bool same_line(struct place a, struct place b)
{
	const struct frame *x = &location_get(a.module, a.vaddr)->frames[0];
	const struct frame *y = &location_get(b.module, b.vaddr)->frames[0];

	return x->file && y->file && x->line == y->line && strcmp(x->file, y->file) == 0;
}

static void record(struct search *search, bool exact)
{
	if (search->found_depth) {
		if (search->exact && !exact)
			return; /* the exact one explains the stack better */
		if (search->exact == exact) {
			bool same = search->found_depth == search->depth;

			for (unsigned i = 0; same && i < search->depth; i++)
				same = same_line(search->path[i], search->found[i]);
			if (!same)
				search->ambiguous = true;
			return;
		}
		search->ambiguous = false;
	}
	search->found_depth = search->depth;
	search->exact = exact;
	memcpy(search->found, search->path, sizeof(search->path));
}

static void follow(struct search *search, struct place function)
{
	struct tail_site sites[MAX_TAIL_SITES];
	unsigned count;

	if (search->depth == MAX_TAIL_CHAIN ||
	    !tail_sites_at(function.module, function.vaddr, sites, &count)) {
		search->ambiguous = true;
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		struct place next;
		bool loop = false;

		search->path[search->depth++] =
		    (struct place){.module = function.module, .vaddr = sites[i].jump};
		if (leads_to(function.module, sites[i].to, search->below)) {
			record(search, true);
		} else {
			switch (destination_of(search->process, function.module, sites[i].to, &next)) {
			case TO_FOREIGN:
				record(search, false);
				break;
			case TO_PROGRAM:
				for (unsigned j = 0; j < search->depth && !loop; j++)
					loop = search->path[j].module == next.module &&
					       search->path[j].vaddr == next.vaddr;
				if (!loop)
					follow(search, next);
				break;
			case TO_UNKNOWN:
				search->ambiguous = true;
				break;
			}
		}
		search->depth--;
	}
}

/*
 * A call through a pointer led to foreign code. Can a function of the program have been called, and have left
 * by a tail call? Not if no function of the program ends in a tail call that may lead there.
 */
static bool pointer_may_hide(const struct process *process, const struct location *below)
{
	bool named = module_symbol(below->module, below->vaddr, NULL) != NULL;

	for (size_t i = 0; i < process->count; i++) {
		struct module *module = process->mappings[i].module;
		const struct tail_index *index;

		if (!module || (i > 0 && module == process->mappings[i - 1].module) || module->system)
			continue;
		if (module->stale)
			return true;
		index = tail_index_of(module);
		if (!index->complete)
			return true;
		for (size_t j = 0; j < index->count; j++) {
			struct place place;

			if (leads_to(module, index->sites[j].to, below))
				return true;
			switch (destination_of(process, module, index->sites[j].to, &place)) {
			case TO_PROGRAM:
				break; /* its own tail calls are in an index as well */
			case TO_FOREIGN:
				if (!named)
					return true;
				break;
			case TO_UNKNOWN:
				/* Functions of system headers are foreign themselves. */
				if (!is_foreign_code(module, index->sites[j].function))
					return true;
				break;
			}
		}
	}
	return false;
}

/* What the call before the caller's address calls, by instruction or, if that goes through a register, by
 * DWARF. */
static struct branch callee_of(struct module *module, uint64_t end)
{
	struct branch branch = decode_call(module, end);
	Dwarf_Die function, queue[64];
	unsigned count = 0;

	if (branch.kind != BRANCH_INDIRECT || !location_function(module, end - 1, &function))
		return branch;
	queue[count++] = function;
	while (count) {
		Dwarf_Die parent = queue[--count], child;

		if (dwarf_child(&parent, &child) != 0)
			continue;
		do {
			int tag = dwarf_tag(&child);
			bool gnu = tag == DW_TAG_GNU_call_site;
			Dwarf_Addr pc, entry;

			if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) && count < 64)
				queue[count++] = child;
			if (tag != DW_TAG_call_site && !gnu)
				continue;
			if (!die_address(&child, gnu ? DW_AT_low_pc : DW_AT_call_return_pc, &pc) ||
			    pc + module->dwarf_bias != end)
				continue;
			const char *name =
			    die_origin_name(&child, gnu ? DW_AT_abstract_origin : DW_AT_call_origin, &entry);

			if (entry)
				return (struct branch){.kind = BRANCH_DIRECT,
						       .target = entry + module->dwarf_bias};
			if (name)
				return (struct branch){.kind = BRANCH_IMPORT, .name = name};
			return branch;
		} while (dwarf_siblingof(&child, &child) == 0);
	}
	return branch;
}

static void judge(struct process *process, const struct unwound_frame *caller, const struct location *below,
		  struct edge *edge)
{
	struct module *module = caller->location->module;
	uint64_t end = caller->location->vaddr + 1;
	struct branch callee = callee_of(module, end);
	struct search search = {.process = process, .below = below};
	struct place function;

	edge->verdict = EDGE_DIRECT;
	if (callee.kind == BRANCH_NONE) {
		edge->verdict = EDGE_NOT_A_CALL;
		return;
	}
	if (leads_to(module, callee, below))
		return;
	switch (destination_of(process, module, callee, &function)) {
	case TO_FOREIGN:
		return;
	case TO_UNKNOWN:
		if (pointer_may_hide(process, below))
			edge->verdict = EDGE_INDIRECT;
		return;
	case TO_PROGRAM:
		break;
	}
	/* The callee's own frame is there: it may be a function of the program in foreign clothes (a template
	 * of a system header). */
	const struct location *entry = location_get(function.module, function.vaddr);
	const struct function_symbol *a = module_symbol(function.module, function.vaddr, NULL);
	const struct function_symbol *b = module_symbol(below->module, below->vaddr, NULL);

	if (entry->module == below->module && a && b && a->start == b->start)
		return;
	follow(&search, function);
	if (search.ambiguous || search.found_depth == 0) {
		edge->verdict = EDGE_AMBIGUOUS_TAIL;
		return;
	}
	edge->verdict = EDGE_TAIL;
	edge->count = search.found_depth;
	for (unsigned i = 0; i < edge->count; i++) {
		struct place place = search.found[edge->count - 1 - i];

		edge->chain[i] = location_get(place.module, place.vaddr);
		for (size_t j = 0; j < process->count; j++) {
			const struct mapping *mapping = &process->mappings[j];
			uint64_t first;

			/* The inverse of module_vaddr, by trying: a module has one or two executable
			 * mappings. */
			if (mapping->module == place.module &&
			    module_vaddr(place.module, mapping->pgoff, &first) && place.vaddr >= first &&
			    place.vaddr - first < mapping->end - mapping->start)
				edge->chain_address[i] = mapping->start + (place.vaddr - first);
		}
	}
}

const struct edge *edge_check(struct process *process, const struct unwound_frame *caller,
			      const struct unwound_frame *below)
{
	uint64_t key = (uint64_t)(uintptr_t)caller->location * 31 + (uint64_t)(uintptr_t)below->location;
	struct edge *edge;
	struct cached {
		struct edge edge; /* first: what the map holds is freed as one block */
		const struct location *caller, *below;
	} *cached = map_get(&process->edges, key);

	if (cached && cached->caller == caller->location && cached->below == below->location)
		return &cached->edge;
	if (!cached) {
		cached = xcalloc(1, sizeof(*cached));
		map_put(&process->edges, key, cached);
	}
	memset(cached, 0, sizeof(*cached));
	cached->caller = caller->location;
	cached->below = below->location;
	edge = &cached->edge;
	judge(process, caller, below->location, edge);
	return edge;
}
