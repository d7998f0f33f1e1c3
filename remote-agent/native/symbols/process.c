/* SPDX-License-Identifier: MIT */
/* Which file is mapped where in each process, as the kernel reported it. /proc/PID/maps is never read: the
 * process may be gone. */
#include <stdlib.h>
#include <string.h>
#include "symbols.h"

static struct process *processes[MAX_PROCESSES];
static size_t process_count;
static uint64_t use_clock;

struct process *process_find(uint32_t pid)
{
	static size_t last; /* samples of one process come in rows */

	if (last < process_count && processes[last]->pid == pid)
		return processes[last];
	for (size_t i = 0; i < process_count; i++) {
		if (processes[i]->pid == pid) {
			last = i;
			processes[i]->used = ++use_clock;
			return processes[i];
		}
	}
	return NULL;
}

static void forget_edges(struct process *process)
{
	for (size_t i = 0; i < process->edges.capacity; i++)
		free(process->edges.values[i]);
	map_free(&process->edges);
}

static void destroy(size_t index)
{
	struct process *process = processes[index];

	for (size_t i = 0; i < process->count; i++)
		module_put(process->mappings[i].module);
	forget_edges(process);
	free(process->mappings);
	free(process);
	processes[index] = processes[--process_count];
}

void process_forget(uint32_t pid)
{
	for (size_t i = 0; i < process_count; i++) {
		if (processes[i]->pid == pid) {
			destroy(i);
			return;
		}
	}
}

static struct process *process_make(uint32_t pid)
{
	struct process *process = process_find(pid);

	if (process)
		return process;
	if (process_count == MAX_PROCESSES) {
		size_t oldest = 0;

		for (size_t i = 1; i < process_count; i++)
			if (processes[i]->used < processes[oldest]->used)
				oldest = i;
		destroy(oldest);
	}
	process = xcalloc(1, sizeof(*process));
	process->pid = pid;
	process->used = ++use_clock;
	processes[process_count++] = process;
	return process;
}

static void insert(struct process *process, size_t at, struct mapping mapping)
{
	if (process->count == process->capacity) {
		process->capacity = process->capacity ? process->capacity * 2 : 32;
		process->mappings = xrealloc(process->mappings, process->capacity * sizeof(mapping));
	}
	memmove(&process->mappings[at + 1], &process->mappings[at], (process->count - at) * sizeof(mapping));
	process->mappings[at] = mapping;
	process->count++;
}

/* Cuts [start, end) out of what is known: the newer mapping replaces it. */
static void cut(struct process *process, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < process->count; i++) {
		struct mapping *old = &process->mappings[i];

		if (old->end <= start || old->start >= end)
			continue;
		struct mapping left = *old, right = *old;

		left.end = start;
		right.pgoff += end - right.start;
		right.start = end;
		bool keep_left = left.start < left.end && old->start < start;
		bool keep_right = right.start < right.end && old->end > end;

		if (keep_left && keep_right) {
			if (old->module)
				old->module->references++;
			*old = left;
			insert(process, i + 1, right);
			return;
		}
		if (keep_left) {
			*old = left;
		} else if (keep_right) {
			*old = right;
		} else {
			module_put(old->module);
			memmove(old, old + 1, (process->count - i - 1) * sizeof(*old));
			process->count--;
			i--;
		}
	}
}

void process_map(uint32_t pid, uint64_t start, uint64_t end, uint64_t pgoff, uint64_t ino, const char *path)
{
	struct process *process = process_make(pid);
	const struct mapping *same;
	struct mapping mapping = {.start = start, .end = end, .pgoff = pgoff};
	size_t at = 0;

	if (start >= end)
		return;
	mapping.error = module_get(path, ino, &mapping.module);
	/* The kernel repeats the whole set when one mapping is new: keep what was learned about the others.
	 */
	same = process_mapping(process, start);
	if (same && same->start == start && same->end == end && same->pgoff == pgoff &&
	    same->module == mapping.module && same->error == mapping.error) {
		module_put(mapping.module);
		return;
	}
	/* The same file has other contents than when it was mapped: it was rewritten in place, its lines
	 * cannot be trusted. */
	if (same && same->start == start && same->module && mapping.module &&
	    same->module != mapping.module && same->module->ino == mapping.module->ino &&
	    same->module->dev == mapping.module->dev) {
		module_put(mapping.module);
		mapping.module = NULL;
		mapping.error = MODULE_CHANGED;
	}
	forget_edges(process);
	cut(process, start, end);
	if (process->count >= MAX_MAPPINGS) {
		module_put(mapping.module);
		return;
	}
	while (at < process->count && process->mappings[at].start < start)
		at++;
	insert(process, at, mapping);
}

const struct mapping *process_mapping(const struct process *process, uint64_t address)
{
	size_t low = 0, high = process->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (process->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < process->count && process->mappings[low].start <= address ? &process->mappings[low]
									       : NULL;
}
