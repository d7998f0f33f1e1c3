/* SPDX-License-Identifier: MIT */
/* From a code address to functions, inlining and lines, by DWARF. */
#include <dwarf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "symbols.h"

char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

size_t location_count;

char *demangle(const char *name)
{
	int status;
	char *readable;

	if (strncmp(name, "_Z", 2) == 0 && strlen(name) < MAX_NAME_BYTES) {
		readable = __cxa_demangle(name, NULL, NULL, &status);
		if (readable && status == 0) {
			/* Templates can make names of megabytes; nobody reads those. */
			if (strlen(readable) > MAX_NAME_BYTES)
				readable[MAX_NAME_BYTES] = '\0';
			return readable;
		}
		free(readable);
	}
	return strndup(name, MAX_NAME_BYTES);
}

static int by_low(const void *a, const void *b)
{
	const struct cu_range *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

static void add_range(struct module *module, size_t *capacity, Dwarf_Addr low, Dwarf_Addr high, Dwarf_Off cu)
{
	/* Ranges of code that the linker threw away are left at address 0 or 1. */
	if (low >= high || !module_is_code(module, low + module->dwarf_bias))
		return;
	if (module->cu_count == *capacity) {
		*capacity = *capacity ? *capacity * 2 : 64;
		module->cus = xrealloc(module->cus, *capacity * sizeof(*module->cus));
	}
	module->cus[module->cu_count++] = (struct cu_range){.low = low, .high = high, .cu = cu};
}

void module_load_dwarf(struct module *module)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	uint8_t type;
	Dwarf_Die die, sub;
	size_t capacity = 0;

	if (module->dwarf_tried)
		return;
	module->dwarf_tried = true;
	module->dwarf = dwfl_module_getdwarf(module->mod, &module->dwarf_bias);
	if (!module->dwarf)
		return;
	/* .debug_aranges is not used: clang leaves it out and older compilers leave it incomplete. */
	while (dwarf_get_units(module->dwarf, cu, &cu, &version, &type, &die, &sub) == 0) {
		Dwarf_Addr base, low, high;
		ptrdiff_t at = 0;

		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		while ((at = dwarf_ranges(&die, at, &base, &low, &high)) > 0)
			add_range(module, &capacity, low, high, dwarf_dieoffset(&die));
	}
	sort(module->cus, module->cu_count, sizeof(*module->cus), by_low);
	for (size_t i = 0; i < module->cu_count; i++) {
		Dwarf_Addr before = i ? module->cus[i - 1].max_high : 0;

		module->cus[i].max_high = module->cus[i].high > before ? module->cus[i].high : before;
	}
}

static void split_die(Dwarf_Die *lines, Dwarf_Die *scopes)
{
	Dwarf_Half version;
	uint8_t type;
	Dwarf_Die die;

	*scopes = *lines;
	memset(&die, 0, sizeof(die));
	/* For a skeleton unit the DIEs are in a .dwo file, when it can be found. */
	if (dwarf_cu_info(lines->cu, &version, &type, NULL, &die, NULL, NULL, NULL) == 0 &&
	    type == DW_UT_skeleton && die.cu)
		*scopes = die;
}

bool location_cu(struct module *module, uint64_t vaddr, Dwarf_Die *lines, Dwarf_Die *scopes)
{
	Dwarf_Addr address;
	size_t low = 0, high;

	module_load_dwarf(module);
	address = vaddr - module->dwarf_bias;
	high = module->cu_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (module->cus[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i > 0 && module->cus[i - 1].max_high > address; i--) {
		const struct cu_range *range = &module->cus[i - 1];

		if (address < range->high && dwarf_offdie(module->dwarf, range->cu, lines)) {
			split_die(lines, scopes);
			return true;
		}
	}
	return false;
}

/* Takes "." and ".." out, by text: compilers name their headers
 * /usr/lib/gcc/x86_64-linux-gnu/12/../../../../include/… */
static void normalize(char *path)
{
	char *to = path, *at = path;

	while (*at) {
		size_t length = strcspn(at + 1, "/") + 1; /* a component with the slash before it */

		if (length == 3 && strncmp(at, "/..", 3) == 0) {
			while (to > path && *--to != '/')
				;
		} else if (length > 1 && !(length == 2 && at[1] == '.')) {
			memmove(to, at, length);
			to += length;
		}
		at += length;
	}
	*to = '\0';
}

static char *absolute_path(const char *file, const char *directory)
{
	size_t length;
	char *path;

	if (file[0] != '/' && (!directory || directory[0] != '/'))
		return strndup(file, MAX_NAME_BYTES);
	length = (file[0] == '/' ? 0 : strlen(directory) + 1) + strlen(file) + 1;
	path = xmalloc(length);
	path[0] = '\0';
	if (file[0] != '/') {
		strcpy(path, directory);
		strcat(path, "/");
	}
	strcat(path, file);
	normalize(path);
	return path;
}

static const char *compilation_directory(Dwarf_Die *cu)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr(cu, DW_AT_comp_dir, &attribute));
}

struct position {
	const char *file;
	int line, column;
};

static struct position line_at(Dwarf_Die *cu, Dwarf_Addr address)
{
	struct position position = {0};
	Dwarf_Line *line = dwarf_getsrc_die(cu, address);

	if (!line)
		return position;
	position.file = dwarf_linesrc(line, NULL, NULL);
	if (dwarf_lineno(line, &position.line) != 0)
		position.line = 0;
	if (dwarf_linecol(line, &position.column) != 0)
		position.column = 0;
	return position;
}

static int number_attribute(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, name, &attribute), &value) != 0 || value > INT32_MAX)
		return 0;
	return (int)value;
}

/* Where the call stood that was replaced by the inlined function's body. */
static struct position call_site(Dwarf_Die *cu, Dwarf_Die *inlined)
{
	struct position position = {0};
	Dwarf_Files *files;
	size_t count;
	Dwarf_Attribute attribute;
	Dwarf_Word index;

	if (dwarf_getsrcfiles(cu, &files, &count) != 0 ||
	    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &index) != 0)
		return position;
	position.file = dwarf_filesrc(files, index, NULL, NULL);
	position.line = number_attribute(inlined, DW_AT_call_line);
	position.column = number_attribute(inlined, DW_AT_call_column);
	return position;
}

static char *function_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));

	if (!name)
		name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
	if (!name)
		name = dwarf_diename(die);
	return name ? demangle(name) : NULL;
}

static void add_frame(struct location *location, char *function, const struct position *position,
		      const char *directory, bool inlined)
{
	location->frames =
	    xrealloc(location->frames, (location->frame_count + 1) * sizeof(*location->frames));
	struct frame *frame = &location->frames[location->frame_count++];

	*frame = (struct frame){.function = function, .inlined = inlined};
	/* Line 0, or a file like "<artificial>": the compiler says that no line is right. */
	if (position && position->file && position->file[0] && !strchr(position->file, '<') &&
	    position->line > 0) {
		frame->file = absolute_path(position->file, directory);
		frame->line = position->line;
		frame->column = position->column;
	}
}

/*
 * dwarf_getscopes does not find functions that stand inside others, as lambdas do: their code is not within
 * the outer function's. So each CU gets an index of its functions, wherever they stand, made when the CU is
 * first needed.
 */
static void index_functions(const struct module *module, Dwarf_Die *parent, struct function_index *index,
			    size_t *capacity, unsigned depth)
{
	Dwarf_Die child;

	if (depth > 256 || dwarf_child(parent, &child) != 0)
		return;
	do {
		switch (dwarf_tag(&child)) {
		case DW_TAG_subprogram: {
			Dwarf_Addr base, low, high;
			ptrdiff_t at = 0;

			while ((at = dwarf_ranges(&child, at, &base, &low, &high)) > 0) {
				if (low >= high || !module_is_code(module, low + module->dwarf_bias))
					continue;
				if (index->count == *capacity) {
					*capacity = *capacity ? *capacity * 2 : 64;
					index->ranges =
					    xrealloc(index->ranges, *capacity * sizeof(*index->ranges));
				}
				index->ranges[index->count++] = (struct function_range){
				    .low = low, .high = high, .die = dwarf_dieoffset(&child)};
			}
			index_functions(module, &child, index, capacity, depth + 1);
			break;
		}
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_lexical_block:
		case DW_TAG_inlined_subroutine:
			index_functions(module, &child, index, capacity, depth + 1);
			break;
		default:
			break;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

static int by_low_function(const void *a, const void *b)
{
	const struct function_range *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

const struct function_index *location_functions(struct module *module, Dwarf_Die *lines, Dwarf_Die *scope_cu)
{
	Dwarf_Off cu = dwarf_dieoffset(lines);
	struct function_index *index = map_get(&module->functions, cu + 1);
	size_t capacity = 0;

	if (index)
		return index;
	index = xcalloc(1, sizeof(*index));
	index_functions(module, scope_cu, index, &capacity, 0);
	sort(index->ranges, index->count, sizeof(*index->ranges), by_low_function);
	map_put(&module->functions, cu + 1, index);
	return index;
}

static bool function_at(struct module *module, Dwarf_Die *cu, Dwarf_Die *scope_cu, Dwarf_Addr address,
			Dwarf_Die *function)
{
	const struct function_index *index = location_functions(module, cu, scope_cu);
	size_t low = 0, high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->ranges[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && address < index->ranges[low - 1].high &&
	       dwarf_offdie(dwarf_cu_getdwarf(scope_cu->cu), index->ranges[low - 1].die, function);
}

bool location_function(struct module *module, uint64_t vaddr, Dwarf_Die *function)
{
	Dwarf_Die cu, scope_cu;

	return location_cu(module, vaddr, &cu, &scope_cu) &&
	       function_at(module, &cu, &scope_cu, vaddr - module->dwarf_bias, function);
}

/* The inlined functions at an address, outermost first; returns how many. */
static unsigned inlined_at(Dwarf_Die *function, Dwarf_Addr address, Dwarf_Die *chain, unsigned room)
{
	Dwarf_Die parent = *function, child;
	unsigned count = 0;

	for (unsigned depth = 0; depth < 512 && dwarf_child(&parent, &child) == 0; depth++) {
		bool deeper = false;

		do {
			int tag = dwarf_tag(&child);

			if ((tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) ||
			    dwarf_haspc(&child, address) != 1)
				continue;
			if (tag == DW_TAG_inlined_subroutine) {
				if (count == room)
					return count;
				chain[count++] = child;
			}
			parent = child;
			deeper = true;
			break;
		} while (dwarf_siblingof(&child, &child) == 0);
		if (!deeper)
			break;
	}
	return count;
}

static void describe(struct location *location)
{
	struct module *module = location->module;
	Dwarf_Die cu, scope_cu, function, chain[MAX_INLINE_DEPTH];

	if (location_cu(module, location->vaddr, &cu, &scope_cu)) {
		Dwarf_Addr address = location->vaddr - module->dwarf_bias;
		struct position position = line_at(&cu, address);
		const char *directory = compilation_directory(&cu);

		if (function_at(module, &cu, &scope_cu, address, &function)) {
			unsigned count = inlined_at(&function, address, chain, MAX_INLINE_DEPTH);

			location->has_debug_info = true;
			for (; count > 0; count--) {
				add_frame(location, function_name(&chain[count - 1]), &position, directory,
					  true);
				position = call_site(&cu, &chain[count - 1]);
			}
			add_frame(location, function_name(&function), &position, directory, false);
		} else if (position.file) {
			const struct function_symbol *symbol = module_symbol(module, location->vaddr, NULL);

			location->has_debug_info = true;
			/*
			 * Compilers give code of their own making (thunks, with whole functions inlined into
			 * them) the line of a declaration. Only assembler code has true lines without a
			 * function.
			 */
			if (dwarf_srclang(&cu) != DW_LANG_Mips_Assembler)
				position.line = 0;
			add_frame(location, symbol ? demangle(symbol->name) : NULL, &position, directory,
				  false);
		}
	}
	if (location->frame_count == 0) {
		const struct function_symbol *symbol = module_symbol(module, location->vaddr, NULL);

		add_frame(location, symbol ? demangle(symbol->name) : NULL, NULL, NULL, false);
	}
}

struct location *location_get(struct module *module, uint64_t vaddr)
{
	struct location *location = map_get(&module->locations, vaddr + 1);

	if (location)
		return location;
	location = xcalloc(1, sizeof(*location));
	location->module = module;
	location->vaddr = vaddr;
	describe(location);
	map_put(&module->locations, vaddr + 1, location);
	location_count++;
	return location;
}

void location_free(struct location *location)
{
	for (unsigned i = 0; i < location->frame_count; i++) {
		free(location->frames[i].function);
		free(location->frames[i].file);
	}
	free(location->frames);
	free(location->row);
	free(location);
	location_count--;
}

bool frame_is_foreign(const struct location *location, const struct frame *frame)
{
	static const char *const folders[] = {"/usr/include/", "/usr/lib/gcc/", "/usr/lib/llvm",
					      "/usr/lib64/gcc/", "/usr/local/include/c++/"};

	if (location->module->system || !location->has_debug_info)
		return true;
	for (size_t i = 0; frame->file && i < sizeof(folders) / sizeof(*folders); i++)
		if (strncmp(frame->file, folders[i], strlen(folders[i])) == 0)
			return true;
	return false;
}
