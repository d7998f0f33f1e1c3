/* SPDX-License-Identifier: MIT */
/*
 * What does a call or jump instruction lead to? Encodings: Intel SDM volume 2, CALL, JMP; PLT layouts: x86-64
 * psABI, section 5.2. Only the forms that compilers emit for calls are told apart; everything else through
 * memory or a register is "indirect".
 */
#include <string.h>
#include "symbols.h"

static int32_t displacement(const unsigned char *bytes)
{
	int32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* ModRM of FF /2 (call) or FF /4 (jmp) at `bytes`, and the length of the instruction that it makes; 0 when it
 * is neither. */
static size_t indirect_length(const unsigned char *bytes, unsigned digit)
{
	unsigned mod = bytes[1] >> 6, reg = (bytes[1] >> 3) & 7, rm = bytes[1] & 7;
	size_t length = 2;

	if (bytes[0] != 0xff || reg != digit)
		return 0;
	if (mod == 3)
		return length;
	if (rm == 4) {
		length++;
		if (mod == 0 && (bytes[2] & 7) == 5)
			return length + 4;
	}
	if (mod == 1)
		return length + 1;
	if (mod == 2 || (mod == 0 && rm == 5))
		return length + 4;
	return length;
}

static bool ends_with_indirect(const struct module *module, uint64_t end, unsigned digit)
{
	for (unsigned length = 2; length <= 7; length++) {
		unsigned char bytes[8] = {0};

		if (end >= length && module_read(module, end - length, bytes, length) &&
		    indirect_length(bytes, digit) == length)
			return true;
	}
	return false;
}

bool is_after_call(const struct module *module, uint64_t end)
{
	unsigned char bytes[5];

	if (end >= 5 && module_read(module, end - 5, bytes, 5) && bytes[0] == 0xe8 &&
	    module_is_code(module, end + (uint64_t)(int64_t)displacement(bytes + 1)))
		return true;
	return ends_with_indirect(module, end, 2);
}

/* What the dynamic linker (or the static start-up code) stores at `slot`. */
static struct branch relocation_of(struct module *module, uint64_t slot)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(module->elf, section))) {
		GElf_Shdr shdr, symbol_header;
		Elf_Data *data, *symbols;
		Elf_Scn *symbol_section;

		if (!gelf_getshdr(section, &shdr) || shdr.sh_type != SHT_RELA ||
		    !(shdr.sh_flags & SHF_ALLOC) || shdr.sh_entsize == 0)
			continue;
		data = elf_getdata(section, NULL);
		if (!data)
			continue;
		for (size_t i = 0; i < shdr.sh_size / shdr.sh_entsize; i++) {
			GElf_Rela rela;
			GElf_Sym sym;

			if (!gelf_getrela(data, (int)i, &rela))
				break;
			if (rela.r_offset != slot)
				continue;
			if (GELF_R_TYPE(rela.r_info) == R_X86_64_RELATIVE)
				return (struct branch){.kind = BRANCH_DIRECT,
						       .target = (uint64_t)rela.r_addend};
			if (GELF_R_TYPE(rela.r_info) != R_X86_64_JUMP_SLOT &&
			    GELF_R_TYPE(rela.r_info) != R_X86_64_GLOB_DAT &&
			    GELF_R_TYPE(rela.r_info) != R_X86_64_64)
				return (struct branch){.kind = BRANCH_INDIRECT};
			symbol_section = elf_getscn(module->elf, shdr.sh_link);
			if (!symbol_section || !gelf_getshdr(symbol_section, &symbol_header))
				return (struct branch){.kind = BRANCH_INDIRECT};
			symbols = elf_getdata(symbol_section, NULL);
			if (!symbols || !gelf_getsym(symbols, (int)GELF_R_SYM(rela.r_info), &sym))
				return (struct branch){.kind = BRANCH_INDIRECT};
			const char *name = elf_strptr(module->elf, symbol_header.sh_link, sym.st_name);

			if (!name || !*name)
				return (struct branch){.kind = BRANCH_INDIRECT};
			return (struct branch){.kind = BRANCH_IMPORT, .name = name};
		}
	}
	return (struct branch){.kind = BRANCH_INDIRECT};
}

/* A PLT entry is a jump through a slot; anything else is the function itself. */
static struct branch through_plt(struct module *module, uint64_t target)
{
	unsigned char bytes[16] = {0};
	size_t at = 0;

	if (!module_is_code(module, target))
		return (struct branch){.kind = BRANCH_INDIRECT};
	if (!module_read(module, target, bytes, sizeof(bytes)) && !module_read(module, target, bytes, 6))
		return (struct branch){.kind = BRANCH_DIRECT, .target = target};
	/* A retpoline, by its first instructions: call over (pause; lfence; jmp back). It goes wherever a
	 * register says. */
	if (bytes[0] == 0xe8 && memcmp(bytes + 2, "\0\0\0\xf3\x90", 5) == 0)
		return (struct branch){.kind = BRANCH_INDIRECT};
	if (memcmp(bytes, "\xf3\x0f\x1e\xfa", 4) == 0)
		at += 4; /* endbr64 */
	if (bytes[at] == 0xf2)
		at++; /* bnd */
	if (bytes[at] == 0xff && bytes[at + 1] == 0x25) {
		uint64_t slot = target + at + 6 + (uint64_t)(int64_t)displacement(bytes + at + 2);
		struct branch branch = relocation_of(module, slot);

		/* A function that begins with such a jump is a function all the same, but one that shows
		 * nothing of itself. */
		return branch;
	}
	return (struct branch){.kind = BRANCH_DIRECT, .target = target};
}

struct branch decode_call(struct module *module, uint64_t end)
{
	unsigned char bytes[6];

	if (end >= 5 && module_read(module, end - 5, bytes, 5) && bytes[0] == 0xe8) {
		uint64_t target = end + (uint64_t)(int64_t)displacement(bytes + 1);

		if (module_is_code(module, target))
			return through_plt(module, target);
	}
	/* -fno-plt: call *slot(%rip) */
	if (end >= 6 && module_read(module, end - 6, bytes, 6) && bytes[0] == 0xff && bytes[1] == 0x15)
		return relocation_of(module, end + (uint64_t)(int64_t)displacement(bytes + 2));
	if (ends_with_indirect(module, end, 2))
		return (struct branch){.kind = BRANCH_INDIRECT};
	return (struct branch){.kind = BRANCH_NONE};
}

struct branch decode_jump_at(struct module *module, uint64_t start)
{
	unsigned char bytes[8] = {0};
	size_t at = 0;

	if (!module_read(module, start, bytes, 7) && !module_read(module, start, bytes, 2))
		return (struct branch){.kind = BRANCH_NONE};
	if (bytes[at] == 0xf2 || bytes[at] == 0x3e)
		at++; /* bnd, notrack */
	if (bytes[at] == 0xe9)
		return through_plt(module, start + at + 5 + (uint64_t)(int64_t)displacement(bytes + at + 1));
	if (bytes[at] == 0xeb)
		return through_plt(module, start + at + 2 + (uint64_t)(int64_t)(int8_t)bytes[at + 1]);
	if (bytes[at] == 0x0f && (bytes[at + 1] & 0xf0) == 0x80)
		return through_plt(module, start + at + 6 + (uint64_t)(int64_t)displacement(bytes + at + 2));
	if (bytes[at] >= 0x70 && bytes[at] <= 0x7f)
		return through_plt(module, start + at + 2 + (uint64_t)(int64_t)(int8_t)bytes[at + 1]);
	if (bytes[at] == 0xff && bytes[at + 1] == 0x25)
		return relocation_of(module,
				     start + at + 6 + (uint64_t)(int64_t)displacement(bytes + at + 2));
	if ((bytes[at] & 0xf0) == 0x40)
		at++; /* REX, for a register of the upper half */
	if (bytes[at] == 0xff && ((bytes[at + 1] >> 3) & 7) == 4)
		return (struct branch){.kind = BRANCH_INDIRECT};
	return (struct branch){.kind = BRANCH_NONE};
}

struct branch decode_jump(struct module *module, uint64_t end)
{
	unsigned char bytes[6];

	/* Longest first; a displacement that leads out of the code is no displacement. */
	if (end >= 6 && module_read(module, end - 6, bytes, 6)) {
		if (bytes[0] == 0xff && bytes[1] == 0x25)
			return relocation_of(module, end + (uint64_t)(int64_t)displacement(bytes + 2));
		if (bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80 &&
		    module_is_code(module, end + (uint64_t)(int64_t)displacement(bytes + 2)))
			return through_plt(module, end + (uint64_t)(int64_t)displacement(bytes + 2));
	}
	if (end >= 5 && module_read(module, end - 5, bytes, 5) && bytes[0] == 0xe9 &&
	    module_is_code(module, end + (uint64_t)(int64_t)displacement(bytes + 1)))
		return through_plt(module, end + (uint64_t)(int64_t)displacement(bytes + 1));
	if (ends_with_indirect(module, end, 4))
		return (struct branch){.kind = BRANCH_INDIRECT};
	if (end >= 2 && module_read(module, end - 2, bytes, 2) && bytes[0] == 0xeb)
		return through_plt(module, end + (uint64_t)(int64_t)(int8_t)bytes[1]);
	return (struct branch){.kind = BRANCH_NONE};
}
