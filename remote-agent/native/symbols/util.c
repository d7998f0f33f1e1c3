/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "symbols.h"

/* Out of memory ends the helper; the agent starts another one. */
static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
	return checked(realloc(old, size ? size : 1));
}

char *xstrdup(const char *text)
{
	return checked(strdup(text));
}

/* qsort must not be given NULL, not even for nothing. */
void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(items, count, size, compare);
}

static size_t slot_of(const struct map *map, uint64_t key)
{
	size_t slot = (size_t)((key * 0x9e3779b97f4a7c15ull) >> 20) & (map->capacity - 1);

	while (map->keys[slot] && map->keys[slot] != key)
		slot = (slot + 1) & (map->capacity - 1);
	return slot;
}

void *map_get(const struct map *map, uint64_t key)
{
	return map->capacity ? map->values[slot_of(map, key)] : NULL;
}

void map_put(struct map *map, uint64_t key, void *value)
{
	if (map->used * 2 >= map->capacity) {
		struct map bigger = {.capacity = map->capacity ? map->capacity * 2 : 64, .used = map->used};

		bigger.keys = xcalloc(bigger.capacity, sizeof(*bigger.keys));
		bigger.values = xcalloc(bigger.capacity, sizeof(*bigger.values));
		for (size_t i = 0; i < map->capacity; i++) {
			if (!map->keys[i])
				continue;
			size_t slot = slot_of(&bigger, map->keys[i]);

			bigger.keys[slot] = map->keys[i];
			bigger.values[slot] = map->values[i];
		}
		map_free(map);
		*map = bigger;
	}
	size_t slot = slot_of(map, key);

	if (!map->keys[slot])
		map->used++;
	map->keys[slot] = key;
	map->values[slot] = value;
}

void map_free(struct map *map)
{
	free(map->keys);
	free(map->values);
	memset(map, 0, sizeof(*map));
}

void text_add(struct text *text, const char *bytes, size_t count)
{
	if (text->length + count + 1 > text->capacity) {
		text->capacity = (text->length + count + 1) * 2;
		text->data = xrealloc(text->data, text->capacity);
	}
	memcpy(text->data + text->length, bytes, count);
	text->length += count;
	text->data[text->length] = '\0';
}

void text_printf(struct text *text, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line), format, arguments);

	va_end(arguments);
	if (length > 0)
		text_add(text, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

void text_json_string(struct text *text, const char *string)
{
	text_add(text, "\"", 1);
	for (const char *at = string; *at; at++) {
		unsigned char byte = (unsigned char)*at;

		if (byte == '"' || byte == '\\')
			text_add(text, "\\", 1);
		if (byte < 0x20 || byte == 0x7f)
			text_printf(text, "\\u%04x", byte);
		else
			text_add(text, at, 1);
	}
	text_add(text, "\"", 1);
}
