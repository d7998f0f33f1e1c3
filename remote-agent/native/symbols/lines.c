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
	qsort(module->cus, module->cu_count, sizeof(*module->cus), by_low);
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

static char *absolute_path(const char *file, const char *directory)
{
	size_t length;
	char *path;

	if (file[0] == '/' || !directory || directory[0] != '/')
		return strndup(file, MAX_NAME_BYTES);
	while (strncmp(file, "./", 2) == 0)
		file += 2;
	length = strlen(directory) + strlen(file) + 2;
	path = xmalloc(length);
	strcpy(path, directory);
	strcat(path, "/");
	strcat(path, file);
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
	/* Line 0: the compiler says that no line is right. */
	if (position && position->file && position->line > 0) {
		frame->file = absolute_path(position->file, directory);
		frame->line = position->line;
		frame->column = position->column;
	}
}

/* The chain of enclosing scopes, innermost first, physical (not those of an inlined function's own
 * definition). */
static int enclosing(Dwarf_Die *scope_cu, Dwarf_Addr address, Dwarf_Die **out)
{
	Dwarf_Die *scopes = NULL;
	int count = dwarf_getscopes(scope_cu, address, &scopes);

	*out = NULL;
	for (int i = 0; i < count; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) {
			int chain = dwarf_getscopes_die(&scopes[i], out);

			free(scopes);
			return chain;
		}
	}
	free(scopes);
	return 0;
}

bool location_function(struct module *module, uint64_t vaddr, Dwarf_Die *function)
{
	Dwarf_Die cu, scope_cu, *chain;
	bool found = false;

	if (!location_cu(module, vaddr, &cu, &scope_cu))
		return false;
	int count = enclosing(&scope_cu, vaddr - module->dwarf_bias, &chain);

	for (int i = 0; i < count && !found; i++) {
		if (dwarf_tag(&chain[i]) == DW_TAG_subprogram) {
			*function = chain[i];
			found = true;
		}
	}
	free(chain);
	return found;
}

static void describe(struct location *location)
{
	struct module *module = location->module;
	Dwarf_Die cu, scope_cu, *chain = NULL;
	int count = 0;
	bool physical = false;

	if (location_cu(module, location->vaddr, &cu, &scope_cu)) {
		Dwarf_Addr address = location->vaddr - module->dwarf_bias;
		struct position position = line_at(&cu, address);
		const char *directory = compilation_directory(&cu);

		/* Assembler files have lines but no functions; units built with -g0 for a part have neither.
		 */
		count = enclosing(&scope_cu, address, &chain);
		location->has_debug_info = count > 0 || position.file;
		for (int i = 0; i < count && i < MAX_INLINE_DEPTH; i++) {
			int tag = dwarf_tag(&chain[i]);

			if (tag == DW_TAG_inlined_subroutine) {
				add_frame(location, function_name(&chain[i]), &position, directory, true);
				position = call_site(&cu, &chain[i]);
			} else if (tag == DW_TAG_subprogram) {
				add_frame(location, function_name(&chain[i]), &position, directory, false);
				physical = true;
				break;
			}
		}
		free(chain);
		if (!physical && location->has_debug_info) {
			const struct function_symbol *symbol = module_symbol(module, location->vaddr, NULL);

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
