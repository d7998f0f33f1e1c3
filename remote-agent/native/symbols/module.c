/* SPDX-License-Identifier: MIT */
/* One ELF file: identity, loaded contents, debug information (its own or a separate file), symbols. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "symbols.h"

#define VDSO "[vdso]"

static struct module *modules;
static unsigned module_count;

/* Only local files: .gnu_debuglink beside the module, in .debug/ and in /usr/lib/debug, and build ids in
 * /usr/lib/debug. */
static char *debuginfo_path = NULL;
static int no_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, char **file,
		  Elf **elf)
{
	(void)mod, (void)userdata, (void)name, (void)base, (void)file, (void)elf;
	return -1;
}
static const Dwfl_Callbacks callbacks = {
    .find_elf = no_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = &debuginfo_path,
};

/* Base names of libraries that a developer does not call "my program": their frames are skipped. See
 * docs/source-lines.md. */
static const char *const system_libraries[] = {
    "libc",	 "libpthread", "ld-linux-x86-64", "ld",	       "libdl",	  "librt",
    "libm",	 "libresolv",  "libutil",	  "libanl",    "libnss_", "libgcc_s",
    "libstdc++", "libc++",     "libc++abi",	  "libunwind", "libasan", "libtsan",
    "libubsan",	 "libgomp",    "libatomic",	  "libnode",   "libuv",	  "ld-musl-x86_64",
};

/* Programs that run other programs' code: what they call themselves is not the developer's call. */
static const char *const runtimes[] = {"node", "nodejs"};

static bool is_system_library(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	for (size_t i = 0; i < sizeof(system_libraries) / sizeof(*system_libraries); i++) {
		size_t length = strlen(system_libraries[i]);

		if (strncmp(base, system_libraries[i], length) != 0)
			continue;
		/* libc.so.6, libc-2.31.so, ld-2.31.so, libnss_files.so.2 */
		if (system_libraries[i][length - 1] == '_')
			return true;
		if (strncmp(base + length, ".so", 3) == 0)
			return true;
		if (base[length] == '-' && base[length + 1] >= '0' && base[length + 1] <= '9')
			return true;
	}
	for (size_t i = 0; i < sizeof(runtimes) / sizeof(*runtimes); i++)
		if (strcmp(base, runtimes[i]) == 0)
			return true;
	return false;
}

static void module_destroy(struct module *module)
{
	for (size_t i = 0; i < module->locations.capacity; i++)
		if (module->locations.values[i])
			location_free(module->locations.values[i]);
	map_free(&module->locations);
	for (size_t i = 0; i < module->functions.capacity; i++) {
		struct function_index *index = module->functions.values[i];

		if (index)
			free(index->ranges);
		free(index);
	}
	map_free(&module->functions);
	if (module->tails)
		free(module->tails->sites);
	free(module->tails);
	free(module->cus);
	free(module->symbols);
	free(module->loads);
	free(module->path);
	if (module->dwfl)
		dwfl_end(module->dwfl);
	free(module);
}

static bool read_headers(struct module *module)
{
	size_t count;
	GElf_Ehdr header;

	if (!gelf_getehdr(module->elf, &header) || header.e_machine != EM_X86_64 ||
	    gelf_getclass(module->elf) != ELFCLASS64)
		return false;
	if (elf_getphdrnum(module->elf, &count) != 0 || count == 0 || count > 1024)
		return false;
	module->loads = xcalloc(count, sizeof(*module->loads));
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;

		if (gelf_getphdr(module->elf, (int)i, &phdr) && phdr.p_type == PT_LOAD)
			module->loads[module->load_count++] = phdr;
	}
	module->image = (const unsigned char *)elf_rawfile(module->elf, &module->image_size);
	return module->load_count > 0 && module->image;
}

static bool open_elf(struct module *module, int fd)
{
	GElf_Addr bias;

	module->dwfl = dwfl_begin(&callbacks);
	if (!module->dwfl)
		goto fail;
	dwfl_report_begin(module->dwfl);
	module->mod = dwfl_report_elf(module->dwfl, module->path, module->path, fd, 0, true);
	if (!module->mod)
		goto fail;
	fd = -1; /* belongs to dwfl now */
	if (dwfl_report_end(module->dwfl, NULL, NULL) != 0)
		goto fail;
	module->elf = dwfl_module_getelf(module->mod, &bias);
	/* Every address in this program relies on "as linked". */
	if (!module->elf || bias != 0)
		goto fail;
	return read_headers(module);
fail:
	if (fd >= 0)
		close(fd);
	return false;
}

static bool same_file(const struct module *module, const struct stat *st)
{
	return module->dev == st->st_dev && module->ino == st->st_ino && module->size == st->st_size &&
	       module->mtime.tv_sec == st->st_mtim.tv_sec && module->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

static void evict_unused(void)
{
	struct module **link = &modules;

	while (*link && module_count >= MAX_MODULES) {
		struct module *module = *link;

		if (module->references) {
			link = &module->next;
			continue;
		}
		*link = module->next;
		module_count--;
		module_destroy(module);
	}
}

/* The vDSO is the same for every process of this machine, this one included: a copy of ours serves as its
 * file. */
static int open_vdso(void)
{
	const unsigned char *image = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
	int fd;

	if (!image || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return -1;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

	if (fd >= 0 && write(fd, image, size) != (ssize_t)size) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The kernel writes " (deleted)" behind the path of a mapped file that has no name any more. */
static bool was_path(const char *path, const char *known)
{
	size_t length = strlen(known);

	return strncmp(path, known, length) == 0 &&
	       (path[length] == '\0' || strcmp(path + length, " (deleted)") == 0);
}

enum module_error module_get(const char *path, uint64_t ino, struct module **out)
{
	struct stat st;
	struct module *module;
	int fd;

	*out = NULL;
	if (strcmp(path, VDSO) == 0) {
		for (module = modules; module; module = module->next) {
			if (strcmp(module->path, VDSO) == 0) {
				module->references++;
				*out = module;
				return MODULE_OK;
			}
		}
		fd = open_vdso();
	} else if (path[0] == '/') {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	} else {
		return MODULE_ANONYMOUS;
	}
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		st.st_ino = 0;
		fd = -1;
	}
	if (fd < 0 || (ino && st.st_ino != ino)) {
		/* Replaced or removed since; but we may have opened the mapped file earlier and still hold
		 * it. */
		for (module = modules; module; module = module->next) {
			if (ino && !module->stale && module->ino == ino && was_path(path, module->path)) {
				if (fd >= 0)
					close(fd);
				module->references++;
				*out = module;
				return MODULE_OK;
			}
		}
		if (fd < 0)
			return MODULE_MISSING;
		close(fd);
		return MODULE_CHANGED;
	}
	for (module = modules; module; module = module->next) {
		if (!module->stale && same_file(module, &st)) {
			close(fd);
			module->references++;
			*out = module;
			return MODULE_OK;
		}
	}
	evict_unused();
	if (module_count >= MAX_MODULES) {
		close(fd);
		return MODULE_INVALID;
	}
	module = xcalloc(1, sizeof(*module));
	module->path = xstrdup(path);
	module->dev = st.st_dev;
	module->ino = st.st_ino;
	module->size = st.st_size;
	module->mtime = st.st_mtim;
	module->system = is_system_library(path) || strcmp(path, VDSO) == 0;
	if (!open_elf(module, fd)) {
		module_destroy(module);
		return MODULE_INVALID;
	}
	module->references = 1;
	module->next = modules;
	modules = module;
	module_count++;
	*out = module;
	return MODULE_OK;
}

void module_put(struct module *module)
{
	if (module)
		module->references--;
}

void modules_check(void)
{
	static time_t last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec == last)
		return;
	last = now.tv_sec;
	for (struct module *module = modules; module; module = module->next) {
		struct stat st;

		/* Another file under the same name is no harm: the mapped one is still open here. */
		if (module->references && stat(module->path, &st) == 0 && st.st_ino == module->ino &&
		    st.st_dev == module->dev && !same_file(module, &st))
			module->stale = true;
	}
}

const char *modules_next_stale(void)
{
	for (struct module *module = modules; module; module = module->next) {
		if (module->stale && !module->stale_named) {
			module->stale_named = true;
			return module->path;
		}
	}
	return NULL;
}

bool module_vaddr(const struct module *module, uint64_t file_offset, uint64_t *vaddr)
{
	for (size_t i = 0; i < module->load_count; i++) {
		const GElf_Phdr *load = &module->loads[i];

		if ((load->p_flags & PF_X) && file_offset >= load->p_offset &&
		    file_offset - load->p_offset < load->p_filesz) {
			*vaddr = file_offset - load->p_offset + load->p_vaddr;
			return true;
		}
	}
	return false;
}

static const GElf_Phdr *load_of(const struct module *module, uint64_t vaddr)
{
	for (size_t i = 0; i < module->load_count; i++)
		if (vaddr >= module->loads[i].p_vaddr &&
		    vaddr - module->loads[i].p_vaddr < module->loads[i].p_filesz)
			return &module->loads[i];
	return NULL;
}

bool module_is_code(const struct module *module, uint64_t vaddr)
{
	const GElf_Phdr *load = load_of(module, vaddr);

	return load && (load->p_flags & PF_X);
}

bool module_read(const struct module *module, uint64_t vaddr, void *bytes, size_t count)
{
	const GElf_Phdr *load = load_of(module, vaddr);

	if (!load)
		return false;
	uint64_t within = vaddr - load->p_vaddr;

	if (count > load->p_filesz - within || load->p_offset > module->image_size ||
	    within > module->image_size - load->p_offset ||
	    count > module->image_size - load->p_offset - within)
		return false;
	memcpy(bytes, module->image + load->p_offset + within, count);
	return true;
}

void module_load_cfi(struct module *module)
{
	if (module->cfi_tried)
		return;
	module->cfi_tried = true;
	module->eh_cfi = dwfl_module_eh_cfi(module->mod, &module->eh_bias);
	module->debug_cfi = dwfl_module_dwarf_cfi(module->mod, &module->debug_bias);
}

static int by_start(const void *a, const void *b)
{
	const struct function_symbol *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void module_load_symbols(struct module *module)
{
	if (module->symbols_tried)
		return;
	module->symbols_tried = true;
	int count = dwfl_module_getsymtab(module->mod);

	if (count <= 0)
		return;
	module->symbols = xcalloc((size_t)count, sizeof(*module->symbols));
	for (int i = 1; i < count; i++) {
		GElf_Sym sym;
		GElf_Addr address;
		const char *name = dwfl_module_getsym_info(module->mod, i, &sym, &address, NULL, NULL, NULL);
		int type = GELF_ST_TYPE(sym.st_info);

		if (!name || !*name || sym.st_shndx == SHN_UNDEF || !module_is_code(module, address))
			continue;
		if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
			continue;
		module->symbols[module->symbol_count++] =
		    (struct function_symbol){.start = address,
					     .size = sym.st_size,
					     .name = name,
					     .global = GELF_ST_BIND(sym.st_info) != STB_LOCAL};
	}
	sort(module->symbols, module->symbol_count, sizeof(*module->symbols), by_start);
}

const struct function_symbol *module_symbol(struct module *module, uint64_t vaddr, size_t *index)
{
	size_t low = 0, high;

	module_load_symbols(module);
	high = module->symbol_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (module->symbols[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	/* The nearest symbols before; sizes decide. Labels without a size name only themselves. */
	for (size_t i = low, tries = 0; i > 0 && tries < 32; i--, tries++) {
		const struct function_symbol *symbol = &module->symbols[i - 1];

		if (vaddr - symbol->start < symbol->size || vaddr == symbol->start) {
			if (index)
				*index = i - 1;
			return symbol;
		}
	}
	return NULL;
}

/* write is also write@@GLIBC_2.2.5. */
static bool same_name(const char *symbol, const char *name)
{
	size_t length = strlen(name);

	return strncmp(symbol, name, length) == 0 && (symbol[length] == '\0' || symbol[length] == '@');
}

bool module_symbol_is(struct module *module, uint64_t vaddr, const char *name)
{
	size_t index;
	const struct function_symbol *symbol = module_symbol(module, vaddr, &index);

	if (!symbol)
		return false;
	/* Aliases (write, __write, __libc_write) start at the same address. */
	while (index > 0 && module->symbols[index - 1].start == symbol->start)
		index--;
	for (; index < module->symbol_count && module->symbols[index].start == symbol->start; index++)
		if (same_name(module->symbols[index].name, name))
			return true;
	return false;
}

uint64_t module_export(struct module *module, const char *name)
{
	module_load_symbols(module);
	for (size_t i = 0; i < module->symbol_count; i++)
		if (module->symbols[i].global && same_name(module->symbols[i].name, name))
			return module->symbols[i].start;
	return 0;
}
