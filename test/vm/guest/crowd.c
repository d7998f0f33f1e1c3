/* SPDX-License-Identifier: MIT */
/*
 * N threads armed at the same time. Prints how many could arm and how many were refused for lack of room,
 * then lets them end.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "record.h"

static atomic_int armed, refused;
static pthread_barrier_t all_tried;

static void *member(void *arg)
{
	struct skua_record record = skua_make(0x88, (unsigned long)arg + 1, 1);
	int ret = skua_write(&record, sizeof(record));

	if (!ret)
		atomic_fetch_add(&armed, 1);
	else if (ret == -ENOSPC)
		atomic_fetch_add(&refused, 1);
	pthread_barrier_wait(&all_tried);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 8, i;
	pthread_t *threads = calloc(n, sizeof(*threads));

	skua_open();
	pthread_barrier_init(&all_tried, NULL, n);
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, member, (void *)i))
			return 17;
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("armed %d refused %d\n", armed, refused);
	return 0;
}
