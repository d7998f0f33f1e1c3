/* SPDX-License-Identifier: MIT */
/* The tail calls that compilers have noted in DWARF (DWARF 5, section 3.4; before it, GNU extensions), by
 * function and by module. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include "symbols.h"

static bool flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	bool value = false;

	return dwarf_attr(die, name, &attribute) && dwarf_formflag(&attribute, &value) == 0 && value;
}

bool die_address(Dwarf_Die *die, unsigned name, Dwarf_Addr *out)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(die, name, &attribute) && dwarf_formaddr(&attribute, out) == 0;
}

const char *die_origin_name(Dwarf_Die *site, unsigned attribute_name, Dwarf_Addr *entry)
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
	const char *name = die_origin_name(die, gnu ? DW_AT_abstract_origin : DW_AT_call_origin, &entry);

	memset(site, 0, sizeof(*site));
	if (die_address(die, gnu ? DW_AT_low_pc : DW_AT_call_return_pc, &pc)) {
		pc += module->dwarf_bias;
		site->jump = pc - 1;
		site->to = decode_jump(module, pc);
	} else if (die_address(die, DW_AT_call_pc, &pc)) {
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
				if (*count < MAX_TAIL_SITES)
					read_site(module, &child, &sites[*count]);
				++*count;
			}
		} else if (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) {
			collect_sites(module, &child, sites, count, depth + 1);
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

/* The tail calls of a DW_TAG_subprogram; false when the compiler does not vouch for having noted them all. */
static bool sites_of(struct module *module, Dwarf_Die *function, struct tail_site *sites, unsigned *count)
{
	static const unsigned vouch[] = {
	    DW_AT_call_all_calls,     DW_AT_call_all_source_calls,     DW_AT_call_all_tail_calls,
	    DW_AT_GNU_all_call_sites, DW_AT_GNU_all_source_call_sites, DW_AT_GNU_all_tail_call_sites};
	bool complete = false;

	*count = 0;
	for (size_t i = 0; i < sizeof(vouch) / sizeof(*vouch); i++)
		complete = complete || flag(function, vouch[i]);
	collect_sites(module, function, sites, count, 0);
	return complete && *count <= MAX_TAIL_SITES;
}

bool tail_sites_at(struct module *module, uint64_t vaddr, struct tail_site *sites, unsigned *count)
{
	Dwarf_Die function;

	*count = 0;
	return location_function(module, vaddr, &function) && sites_of(module, &function, sites, count);
}

/*
 * Without optimisation there are no tail calls and no notes about calls either. gcc writes its options into
 * DW_AT_producer; clang does not, but notes all calls of every function that it optimises.
 */
static bool is_unoptimised(Dwarf_Die *cu)
{
	Dwarf_Attribute attribute;
	const char *producer = dwarf_formstring(dwarf_attr_integrate(cu, DW_AT_producer, &attribute));
	const char *option = NULL;

	if (!producer)
		return false;
	if (strstr(producer, "clang version"))
		return true;
	if (strncmp(producer, "GNU C", 5) != 0)
		return false;
	for (const char *at = strstr(producer, " -O"); at; at = strstr(at + 1, " -O"))
		option = at;
	return !option || option[3] == '0' || option[3] == '1' || option[3] == 'g';
}

static void index_function(struct module *module, Dwarf_Die *cu, Dwarf_Die *function,
			   struct tail_index *index)
{
	struct tail_site sites[MAX_TAIL_SITES];
	Dwarf_Addr base, low, high;
	unsigned count;

	if (dwarf_ranges(function, 0, &base, &low, &high) <= 0)
		return; /* a declaration, or only ever inlined */
	if (!sites_of(module, function, sites, &count) && !is_unoptimised(cu))
		index->complete = false;
	if (count == 0 || count > MAX_TAIL_SITES)
		return;
	index->sites = xrealloc(index->sites, (index->count + count) * sizeof(*sites));
	for (unsigned i = 0; i < count; i++) {
		sites[i].function = low + module->dwarf_bias;
		index->sites[index->count++] = sites[i];
	}
}

#define MAX_INDEXED_FUNCTIONS 200000

const struct tail_index *tail_index_of(struct module *module)
{
	struct tail_index *index = module->tails;
	size_t functions = 0;

	if (index)
		return index;
	index = module->tails = xcalloc(1, sizeof(*index));
	index->complete = true;
	module_load_dwarf(module);
	for (size_t i = 0; i < module->cu_count && index->complete; i++) {
		Dwarf_Die cu, scope_cu, function;
		bool seen = false;

		/* A CU has several ranges; its first one stands for it. */
		for (size_t j = i; j > 0 && !seen && i - j < 64; j--)
			seen = module->cus[j - 1].cu == module->cus[i].cu;
		if (seen || !location_cu(module, module->cus[i].low + module->dwarf_bias, &cu, &scope_cu))
			continue;
		const struct function_index *all = location_functions(module, &cu, &scope_cu);

		functions += all->count;
		if (functions > MAX_INDEXED_FUNCTIONS)
			index->complete = false;
		for (size_t j = 0; j < all->count && index->complete; j++)
			if (dwarf_offdie(dwarf_cu_getdwarf(scope_cu.cu), all->ranges[j].die, &function))
				index_function(module, &cu, &function, index);
	}
	return index;
}
