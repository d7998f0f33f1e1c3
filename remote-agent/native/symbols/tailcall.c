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

struct tail_site {
	uint64_t jump; /* vaddr of the jump or of a byte in it */
	struct branch to;
	const char *name; /* of the callee by DWARF, when the instruction does not tell */
};

#define MAX_SITES 64

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

static bool flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	bool value = false;

	return dwarf_attr(die, name, &attribute) && dwarf_formflag(&attribute, &value) == 0 && value;
}

static bool address_attribute(Dwarf_Die *die, unsigned name, Dwarf_Addr *out)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(die, name, &attribute) && dwarf_formaddr(&attribute, out) == 0;
}

static const char *origin_name(Dwarf_Die *site, unsigned attribute_name, Dwarf_Addr *entry)
{
	Dwarf_Attribute attribute;
	Dwarf_Die origin;
	const char *name;

	*entry = 0;
	if (!dwarf_attr(site, attribute_name, &attribute) || !dwarf_formref_die(&attribute, &origin))
		return NULL;
	if (dwarf_entrypc(&origin, entry) != 0)
		*entry = 0;
	name = dwarf_formstring(dwarf_attr_integrate(&origin, DW_AT_linkage_name, &attribute));
	return name ? name : dwarf_diename(&origin);
}

static void read_site(struct module *module, Dwarf_Die *die, struct tail_site *site)
{
	Dwarf_Addr pc, entry;
	bool gnu = dwarf_tag(die) == DW_TAG_GNU_call_site;
	const char *name = origin_name(die, gnu ? DW_AT_abstract_origin : DW_AT_call_origin, &entry);

	memset(site, 0, sizeof(*site));
	if (address_attribute(die, gnu ? DW_AT_low_pc : DW_AT_call_return_pc, &pc)) {
		pc += module->dwarf_bias;
		site->jump = pc - 1;
		site->to = decode_jump(module, pc);
	} else if (address_attribute(die, DW_AT_call_pc, &pc)) {
		pc += module->dwarf_bias;
		site->jump = pc;
		site->to = decode_jump_at(module, pc);
	}
	if (site->to.kind == BRANCH_DIRECT || site->to.kind == BRANCH_IMPORT)
		return;
	/* Through a register, but the compiler knew what was in it. */
	if (entry)
		site->to = (struct branch){.kind = BRANCH_DIRECT, .target = entry + module->dwarf_bias};
	else if (name)
		site->to = (struct branch){.kind = BRANCH_IMPORT, .name = name};
	else
		site->to = (struct branch){.kind = BRANCH_INDIRECT};
}

static void collect_sites(struct module *module, Dwarf_Die *parent, struct tail_site *sites, unsigned *count,
			  unsigned depth)
{
	Dwarf_Die child;

	if (depth > 64 || dwarf_child(parent, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site) {
			if (flag(&child, DW_AT_call_tail_call) || flag(&child, DW_AT_GNU_tail_call)) {
				if (*count < MAX_SITES)
					read_site(module, &child, &sites[*count]);
				++*count;
			}
		} else if (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) {
			collect_sites(module, &child, sites, count, depth + 1);
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

/* All tail calls of the function at vaddr; false when the compiler does not vouch for having noted them all.
 */
static bool tail_sites(struct place function, struct tail_site *sites, unsigned *count)
{
	static const unsigned vouch[] = {
	    DW_AT_call_all_calls,     DW_AT_call_all_source_calls,     DW_AT_call_all_tail_calls,
	    DW_AT_GNU_all_call_sites, DW_AT_GNU_all_source_call_sites, DW_AT_GNU_all_tail_call_sites};
	Dwarf_Die die;
	bool complete = false;

	*count = 0;
	if (!location_function(function.module, function.vaddr, &die))
		return false;
	for (size_t i = 0; i < sizeof(vouch) / sizeof(*vouch); i++)
		complete = complete || flag(&die, vouch[i]);
	collect_sites(function.module, &die, sites, count, 0);
	return complete && *count <= MAX_SITES;
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
	struct tail_site sites[MAX_SITES];
	unsigned count;

	if (search->depth == MAX_TAIL_CHAIN || !tail_sites(function, sites, &count)) {
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
			if (!address_attribute(&child, gnu ? DW_AT_low_pc : DW_AT_call_return_pc, &pc) ||
			    pc + module->dwarf_bias != end)
				continue;
			const char *name =
			    origin_name(&child, gnu ? DW_AT_abstract_origin : DW_AT_call_origin, &entry);

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
