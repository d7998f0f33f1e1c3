/* SPDX-License-Identifier: MIT */
/* Built twice, the second time with lines in front, so that two libraries have different lines at the same
 * places. */
#include "callsites.h"

static volatile int sink;

int library_call(void)
{
	int result = CALL();

	sink += result;
	return sink;
}
