/* SPDX-License-Identifier: MIT */
/* The descriptors that callsites.c and callsites_library.c close: see there. */
#include <unistd.h>

#define LINE_BASE 1000000
#define NO_LINE_BASE 2000000
#define CALL() close(LINE_BASE + __LINE__)
#define LOADS 20
