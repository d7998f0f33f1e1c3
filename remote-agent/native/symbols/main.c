/* SPDX-License-Identifier: MIT */
/*
 * The protocol (docs/source-lines.md). Requests on stdin: u32 length, u8 type, body; answers on stdout: u32
 * length, JSON text. All numbers little-endian. Requests take effect in order; only `symbolize` is answered.
 * A malformed request ends the helper with status 2.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "../../../kernel/include/skua_abi.h"
#include "symbols.h"

enum request { REQUEST_MAPPING = 1, REQUEST_FORGET = 2, REQUEST_SYMBOLIZE = 3 };

struct reader {
	const unsigned char *at;
	size_t left;
};

static void malformed(const char *what)
{
	fprintf(stderr, "skua-symbols: malformed request: %s\n", what);
	exit(2);
}

static const unsigned char *take(struct reader *reader, size_t count)
{
	const unsigned char *at = reader->at;

	if (reader->left < count)
		malformed("too short");
	reader->at += count;
	reader->left -= count;
	return at;
}

static uint32_t take_u32(struct reader *reader)
{
	uint32_t value;

	memcpy(&value, take(reader, sizeof(value)), sizeof(value));
	return value;
}

static uint64_t take_u64(struct reader *reader)
{
	uint64_t value;

	memcpy(&value, take(reader, sizeof(value)), sizeof(value));
	return value;
}

static bool read_all(void *into, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t got = read(STDIN_FILENO, (char *)into + done, count - done);

		if (got <= 0) {
			if (done == 0 && got == 0)
				return false;
			malformed("input ends within a request");
		}
		done += (size_t)got;
	}
	return true;
}

static void write_answer(const struct text *text)
{
	uint32_t length = (uint32_t)text->length;
	struct text framed = {0};

	text_add(&framed, (const char *)&length, sizeof(length));
	text_add(&framed, text->data, text->length);
	for (size_t done = 0; done < framed.length;) {
		ssize_t put = write(STDOUT_FILENO, framed.data + done, framed.length - done);

		if (put <= 0)
			exit(0); /* the agent is gone */
		done += (size_t)put;
	}
	free(framed.data);
}

static void handle_mapping(struct reader *reader)
{
	uint32_t pid = take_u32(reader);
	uint64_t start = take_u64(reader), end = take_u64(reader), pgoff = take_u64(reader),
		 ino = take_u64(reader);
	size_t length = reader->left;
	char *path = xmalloc(length + 1);

	memcpy(path, take(reader, length), length);
	path[length] = '\0';
	process_map(pid, start, end, pgoff, ino, path);
	free(path);
}

static void put_location(struct text *text, const struct location *location)
{
	text_printf(text, "{\"id\":%u,\"module\":", location->id);
	text_json_string(text, location->module->path);
	text_printf(text, ",\"frames\":[");
	for (unsigned i = 0; i < location->frame_count; i++) {
		const struct frame *frame = &location->frames[i];

		text_printf(text, "%s{\"inlined\":%s", i ? "," : "", frame->inlined ? "true" : "false");
		if (frame->function) {
			text_printf(text, ",\"function\":");
			text_json_string(text, frame->function);
		}
		if (frame->file) {
			text_printf(text, ",\"file\":");
			text_json_string(text, frame->file);
			text_printf(text, ",\"line\":%d", frame->line);
			if (frame->column > 0)
				text_printf(text, ",\"column\":%d", frame->column);
		}
		text_printf(text, "}");
	}
	text_printf(text, "]}");
}

/* One stack of the answer; locations that the agent has not seen yet are added to `news`. */
static void put_stack(struct text *text, struct text *news, const struct unwound *stack,
		      const struct source *source)
{
	static unsigned last_id;
	unsigned index = 0;

	text_printf(text, "{\"end\":\"%s\",\"frames\":[", end_reason_name(stack->end));
	for (unsigned i = 0; i < stack->count; i++) {
		struct location *location = stack->frames[i].location;

		if (location && location->id == 0) {
			location->id = ++last_id;
			text_printf(news, news->length ? "," : "");
			put_location(news, location);
		}
		text_printf(text, "%s[\"0x%llx\",%u]", i ? "," : "",
			    (unsigned long long)stack->frames[i].address, location ? location->id : 0);
		if (source->known && i < source->frame)
			index += location ? location->frame_count : 1;
	}
	if (source->known)
		text_printf(text, "],\"source\":%u", index + source->inlined);
	else
		text_printf(text, "],\"unknown\":\"%s\"", source->reason);
	text_printf(text, stack->once ? ",\"once\":true}" : "}");
}

static void symbolize(uint32_t pid, const unsigned char *bytes, size_t size, struct text *text,
		      struct text *news)
{
	/* struct order of the kernel module: ip sp bp bx r12 r13 r14 r15 (kernel/include/skua_abi.h) */
	static const int order[8] = {REG_RIP, REG_RSP, REG_RBP, REG_RBX, REG_R12, 13, 14, 15};
	struct process *process = process_find(pid);
	struct registers registers = {0};
	struct stack_copy stack;
	struct unwound unwound = {.end = END_NO_STACK};
	struct source source = {.reason = "no-stack"};

	if (size >= sizeof(order) / sizeof(*order) * 8) {
		for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
			memcpy(&registers.value[order[i]], bytes + 8 * i, 8);
			registers.known |= 1u << order[i];
		}
		stack = (struct stack_copy){.start = registers.value[REG_RSP],
					    .bytes = bytes + SKUA_REGS_BYTES,
					    .size = size - SKUA_REGS_BYTES};
		if (process) {
			unwind(process, &registers, &stack, &unwound);
			find_source(process, &unwound, &source);
		} else {
			unwound.end = END_UNMAPPED;
			source.reason = end_reason_name(END_UNMAPPED);
		}
	}
	put_stack(text, news, &unwound, &source);
}

/* The files that were found rewritten since the last answer, if any. */
static void put_changed(struct text *text)
{
	const char *path, *before = ",\"changed\":[";

	while ((path = modules_next_stale())) {
		text_printf(text, "%s", before);
		text_json_string(text, path);
		before = ",";
	}
	if (before[1] == '\0')
		text_printf(text, "]");
}

static void handle_symbolize(struct reader *reader)
{
	uint32_t batch = take_u32(reader), count = take_u32(reader);
	struct text stacks = {0}, news = {0}, answer = {0};

	modules_check();
	for (uint32_t i = 0; i < count; i++) {
		uint32_t pid = take_u32(reader), size = take_u32(reader);
		const unsigned char *bytes = take(reader, size);

		if (i)
			text_add(&stacks, ",", 1);
		symbolize(pid, bytes, size, &stacks, &news);
	}
	text_printf(&answer, "{\"batch\":%u,\"locations\":[", batch);
	text_add(&answer, news.data ? news.data : "", news.length);
	text_printf(&answer, "],\"stacks\":[");
	text_add(&answer, stacks.data ? stacks.data : "", stacks.length);
	text_printf(&answer, "]");
	put_changed(&answer);
	text_printf(&answer, "}");
	write_answer(&answer);
	free(stacks.data);
	free(news.data);
	free(answer.data);
	/* Leaves before it grows without bound; the agent starts another one and tells it the mappings again.
	 */
	if (location_count > MAX_LOCATIONS)
		exit(0);
}

static void prepare(void)
{
	struct rlimit files, core = {0, 0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &core);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv)
{
	unsigned char *body = NULL;
	size_t capacity = 0;
	uint32_t length;
	struct text hello = {0};

	if (argc > 1) {
		fprintf(stderr, "%s: speaks to the Skua agent on stdin and stdout; takes no arguments\n",
			argv[0]);
		return 64;
	}
	prepare();
	text_printf(&hello, "{\"protocol\":%d,\"libdw\":\"%s\"}", PROTOCOL_VERSION, dwfl_version(NULL));
	write_answer(&hello);
	free(hello.data);
	while (read_all(&length, sizeof(length))) {
		if (length == 0 || length > MAX_REQUEST_BYTES)
			malformed("length");
		if (length > capacity) {
			capacity = length;
			body = xrealloc(body, capacity);
		}
		if (!read_all(body, length))
			malformed("input ends within a request");
		struct reader reader = {.at = body + 1, .left = length - 1};

		switch (body[0]) {
		case REQUEST_MAPPING:
			handle_mapping(&reader);
			break;
		case REQUEST_FORGET:
			process_forget(take_u32(&reader));
			break;
		case REQUEST_SYMBOLIZE:
			handle_symbolize(&reader);
			break;
		default:
			malformed("type");
		}
	}
	free(body);
	return 0;
}
