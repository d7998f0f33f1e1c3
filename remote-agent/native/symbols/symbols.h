/* SPDX-License-Identifier: MIT */
// clang-format off
/*
 * skua-symbols: from recorded registers and a piece of stack to a user call stack with source lines.
 *
 *	mapping, exec ──► process.c ──┐ (pid → address ranges → modules)
 *	                              ▼
 *	sample ──► unwind.c (CFI rows, expression.c) ──► addresses
 *	                              ▼
 *	           lines.c (DWARF: functions, inlining, lines) ──► locations
 *	                              ▼
 *	           source.c (which frame is the source line?) ──► call.c, tailcall.c (proof that none is missing)
 *
 * A module is one ELF file, cached by (device, inode, size, mtime) and shared by all processes: every address
 * below is a virtual address as the file was linked ("vaddr"), unless it is called "absolute".
 */
// clang-format on
#ifndef SKUA_SYMBOLS_H
#define SKUA_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#define PROTOCOL_VERSION 1
#define MAX_REQUEST_BYTES (16u << 20)
#define MAX_FRAMES 256
#define MAX_MAPPINGS 8192
#define MAX_PROCESSES 4096
#define MAX_MODULES 2048
#define MAX_INLINE_DEPTH 64
#define MAX_NAME_BYTES 4096
#define MAX_LOCATIONS 1000000

/* ---- util.c ---- */

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *));

/* A map from u64 (never 0) to pointers. */
struct map {
	uint64_t *keys;
	void **values;
	size_t capacity, used;
};
void *map_get(const struct map *map, uint64_t key);
void map_put(struct map *map, uint64_t key, void *value);
void map_free(struct map *map);

/* Growing text. */
struct text {
	char *data;
	size_t length, capacity;
};
void text_add(struct text *text, const char *bytes, size_t count);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_json_string(struct text *text, const char *string);

/* ---- module.c ---- */

struct cu_range {
	Dwarf_Addr low, high, max_high; /* max_high: over this and all ranges before it */
	Dwarf_Off cu;			/* offset of the CU's DIE */
};

/* Where the code of a function is; a function has several when the compiler moved parts of it away. */
struct function_range {
	Dwarf_Addr low, high;
	Dwarf_Off die; /* DW_TAG_subprogram, in the DIEs of the CU's scopes */
};

struct function_index {
	struct function_range *ranges; /* sorted by low */
	size_t count;
};

struct function_symbol {
	uint64_t start, size;
	const char *name; /* with a version behind "@" where the symbol table has one */
	bool global;
};

struct module {
	struct module *next;
	char *path;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	bool system; /* belongs to the system library set: never "the program's code" */
	unsigned references;
	bool stale; /* rewritten in place since it was opened: nothing about it can be trusted */
	bool stale_named;

	Dwfl *dwfl;
	Dwfl_Module *mod;
	Elf *elf;
	const unsigned char *image; /* the file's bytes */
	size_t image_size;
	GElf_Phdr *loads; /* PT_LOAD only */
	size_t load_count;

	bool dwarf_tried, cfi_tried, symbols_tried;
	Dwarf *dwarf;
	Dwarf_Addr dwarf_bias; /* vaddr = DWARF address + dwarf_bias */
	struct cu_range *cus;
	size_t cu_count;
	struct map functions; /* CU DIE offset + 1 → struct function_index */
	Dwarf_CFI *eh_cfi, *debug_cfi;
	Dwarf_Addr eh_bias, debug_bias;
	struct function_symbol *symbols; /* sorted by start */
	size_t symbol_count;

	struct tail_index *tails;
	struct map locations; /* vaddr + 1 → struct location */
};

enum module_error { MODULE_OK, MODULE_ANONYMOUS, MODULE_MISSING, MODULE_CHANGED, MODULE_INVALID };

/* Opens, or finds again, the file that was mapped. Takes a reference. `ino` 0: not checked. */
enum module_error module_get(const char *path, uint64_t ino, struct module **out);
void module_put(struct module *module);
/* Looks, at most once a second, whether files were rewritten in place since they were opened. */
void modules_check(void);
/* The path of a module that was found rewritten and has not been named yet; NULL when there is none. */
const char *modules_next_stale(void);
/* Absolute path independent: file offset → vaddr within an executable segment. */
bool module_vaddr(const struct module *module, uint64_t file_offset, uint64_t *vaddr);
bool module_is_code(const struct module *module, uint64_t vaddr);
/* Copies `count` bytes of the file's loaded contents; false when not (entirely) in it. */
bool module_read(const struct module *module, uint64_t vaddr, void *bytes, size_t count);
void module_load_dwarf(struct module *module);
void module_load_cfi(struct module *module);
void module_load_symbols(struct module *module);
/* The function symbol that covers vaddr, or NULL. Index into module->symbols in *index when not NULL. */
const struct function_symbol *module_symbol(struct module *module, uint64_t vaddr, size_t *index);
bool module_symbol_is(struct module *module, uint64_t vaddr, const char *name);
/* Address of the exported function `name`; 0 when it has none. */
uint64_t module_export(struct module *module, const char *name);

/* ---- process.c ---- */

struct mapping {
	uint64_t start, end, pgoff;
	struct module *module; /* NULL: see error */
	enum module_error error;
};

struct process {
	uint32_t pid;
	uint64_t used;		  /* for eviction of the least recently used */
	struct mapping *mappings; /* sorted, disjoint */
	size_t count, capacity;
	struct map edges; /* see source.c */
};

struct process *process_find(uint32_t pid);
void process_map(uint32_t pid, uint64_t start, uint64_t end, uint64_t pgoff, uint64_t ino, const char *path);
void process_forget(uint32_t pid);
const struct mapping *process_mapping(const struct process *process, uint64_t address);

/* ---- lines.c ---- */

struct frame {
	char *function; /* demangled, or NULL */
	char *file;	/* absolute, or NULL */
	int line, column;
	bool inlined;
};

/* Everything known about one code address. */
struct location {
	struct module *module;
	uint64_t vaddr;
	unsigned id; /* 0 until it has been sent */
	bool has_debug_info;
	bool signal_frame, row_tried;
	bool merged, merged_tried;
	Dwarf_Frame *row;
	Dwarf_Addr row_bias;
	struct frame *frames; /* innermost first; always at least one */
	unsigned frame_count;
};

extern size_t location_count;
struct location *location_get(struct module *module, uint64_t vaddr);
void location_free(struct location *location);
/* The CU that covers vaddr: its DIE for lines and its DIE for scopes (they differ for split DWARF). */
bool location_cu(struct module *module, uint64_t vaddr, Dwarf_Die *lines, Dwarf_Die *scopes);
/* The functions of a CU, by address. */
const struct function_index *location_functions(struct module *module, Dwarf_Die *lines, Dwarf_Die *scopes);
/* The DW_TAG_subprogram DIE whose code covers vaddr. */
bool location_function(struct module *module, uint64_t vaddr, Dwarf_Die *function);
/* True for code that is never "the program's": system libraries, no debug information, functions of system
 * headers. */
bool frame_is_foreign(const struct location *location, const struct frame *frame);
char *demangle(const char *name);

/* ---- unwind.c, expression.c ---- */

#define REG_COUNT 17 /* DWARF numbers for x86-64; 16 is the return address column */
enum { REG_RBX = 3, REG_RBP = 6, REG_RSP = 7, REG_R12 = 12, REG_RIP = 16 };

/*
 * What a value is to a call site (docs/decisions/0018-call-sites.md): would it be the same in every sample
 * that the kernel gives the same site?
 */
enum trace {
	TRACE_EXACT,	/* the same value: a code address, zero, or calculated from such */
	TRACE_RELATIVE, /* the same distance from the sample's sp */
	TRACE_OTHER,	/* data; in the other samples as well, but another value */
	TRACE_NONE,	/* nothing is known of it */
};

struct registers {
	uint64_t value[REG_COUNT];
	enum trace trace[REG_COUNT];
	uint32_t known; /* bit per register */
};

struct traced {
	uint64_t value;
	enum trace trace;
	uint64_t moved; /* TRACE_OTHER: how far at most from the word that was recorded */
};

struct stack_copy {
	uint64_t start;
	const unsigned char *bytes;
	size_t size;
};

enum end_reason {
	END_COMPLETE,
	END_STACK_TRUNCATED,
	END_NO_CFI,
	END_BAD_CFI,
	END_UNMAPPED,
	END_MODULE_CHANGED,
	END_MODULE_MISSING,
	END_MODULE_INVALID,
	END_FRAME_LIMIT,
	END_NO_STACK,
};
const char *end_reason_name(enum end_reason reason);

struct unwound_frame {
	uint64_t address;	   /* absolute; what the frame will continue with */
	struct location *location; /* of the call or syscall instruction; NULL when not in a usable module */
	bool after_signal;	   /* interrupted here by a signal: not a call */
};

struct unwound {
	struct unwound_frame frames[MAX_FRAMES];
	unsigned count;
	enum end_reason end;
	bool once; /* other samples of the same call site may have another stack */
};

void unwind(const struct process *process, const struct registers *registers, const struct stack_copy *stack,
	    struct unwound *out);

enum eval_result { EVAL_OK, EVAL_BAD, EVAL_TRUNCATED };
struct eval_context {
	const struct registers *registers;
	const struct stack_copy *stack;
	const struct process *process;
	struct traced cfa;
	bool has_cfa;
	bool *once; /* set when the result may be another one in other samples of the call site */
};
/* Evaluates to a value; `*is_address` says whether the value is where the value is stored. */
enum eval_result evaluate(const struct eval_context *context, const Dwarf_Op *ops, size_t count,
			  struct traced *value, bool *is_address);
enum eval_result read_memory(const struct eval_context *context, struct traced address, struct traced *value,
			     unsigned size);
/* What a whole register or an aligned word of the stack is. */
enum trace trace_of_word(const struct eval_context *context, uint64_t word);

/* ---- call.c ---- */

enum branch_kind {
	BRANCH_NONE,	 /* the bytes are not a call (jump) */
	BRANCH_DIRECT,	 /* to `target` in the same module */
	BRANCH_IMPORT,	 /* to the function `name` of whichever module defines it */
	BRANCH_INDIRECT, /* through a pointer: not known */
};
struct branch {
	enum branch_kind kind;
	uint64_t target;
	const char *name;
};
/* True when the bytes before `end` can be a call instruction. */
bool is_after_call(const struct module *module, uint64_t end);
/* Decodes the call instruction that ends at `end`. */
struct branch decode_call(struct module *module, uint64_t end);
/* Decodes the jump that ends at `end` (tail call). */
struct branch decode_jump(struct module *module, uint64_t end);
/* Decodes the jump that begins at `start`; returns BRANCH_NONE when it is not one. */
struct branch decode_jump_at(struct module *module, uint64_t start);

/* ---- instruction.c ---- */

enum flow {
	FLOW_ON,
	FLOW_CALL,
	FLOW_JUMP,   /* to `target` */
	FLOW_BRANCH, /* to `target`, or on */
	FLOW_END,    /* return, jump through a pointer, trap */
};
struct instruction {
	unsigned length;
	enum flow flow;
	uint64_t target;
	int written; /* hardware number of the general register that it writes, -1 when none or not known */
};
/* False when the bytes are no instruction of 64-bit mode. */
bool decode_instruction(const unsigned char *bytes, size_t left, uint64_t address, struct instruction *out);

/* ---- merged.c ---- */

/* May the call, jump or syscall at vaddr (any byte of it) stand for calls on several lines, which the
 * compiler has merged? */
bool call_may_be_merged(struct module *module, uint64_t vaddr);

/* ---- tailsites.c ---- */

#define MAX_TAIL_SITES 64 /* of one function; more count as unknown */
struct tail_site {
	uint64_t jump; /* vaddr of the jump or of a byte in it */
	struct branch to;
	uint64_t function; /* in an index: vaddr of the function that it ends */
};
struct tail_index {
	bool complete; /* false: there may be others */
	struct tail_site *sites;
	size_t count;
};
/* All tail calls of the function at vaddr; false when the compiler does not vouch for having noted them all.
 */
bool tail_sites_at(struct module *module, uint64_t vaddr, struct tail_site *sites, unsigned *count);
/* All tail calls of a module, found once. */
const struct tail_index *tail_index_of(struct module *module);
bool die_address(Dwarf_Die *die, unsigned attribute, Dwarf_Addr *out);
/* Name of the function that a call site calls, and its DWARF address where that is known (0 otherwise). */
const char *die_origin_name(Dwarf_Die *site, unsigned attribute, Dwarf_Addr *entry);

/* ---- tailcall.c ---- */

#define MAX_TAIL_CHAIN 8
enum edge_verdict { EDGE_DIRECT, EDGE_TAIL, EDGE_AMBIGUOUS_TAIL, EDGE_INDIRECT, EDGE_NOT_A_CALL };
struct edge {
	enum edge_verdict verdict;
	unsigned count; /* EDGE_TAIL: the frames that tail calls removed, innermost first */
	struct location *chain[MAX_TAIL_CHAIN];
	uint64_t chain_address[MAX_TAIL_CHAIN]; /* absolute */
};
/*
 * Is the code at `below` what the call before `caller`'s address called, or have functions of the program
 * replaced themselves by tail calls in between? Cached per process.
 */
const struct edge *edge_check(struct process *process, const struct unwound_frame *caller,
			      const struct unwound_frame *below);

/* ---- source.c ---- */

struct source {
	bool known;
	unsigned frame;	    /* index into unwound->frames, after the insertion of tail-call frames */
	unsigned inlined;   /* index into that location's frames */
	const char *reason; /* when not known */
};
void find_source(struct process *process, struct unwound *stack, struct source *out);

#endif
