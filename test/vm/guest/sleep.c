/* SPDX-License-Identifier: MIT */
/*
 * Three sleeps of one thread under span 0xb1. Prints "tid N".
 */
#include <sys/syscall.h>

#include "record.h"

int main(void)
{
	int i;

	skua_open();
	printf("tid %ld\n", syscall(SYS_gettid));
	fflush(stdout);
	skua_arm(0xbb, 0xb1);
	for (i = 0; i < 3; i++)
		usleep(20000);
	skua_detach();
	return 0;
}
