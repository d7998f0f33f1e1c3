/* SPDX-License-Identifier: MIT */
/* The descriptors that callsites.c and callsites_library.c close: see there. */
#include <unistd.h>

#ifndef LINE_BASE
#define LINE_BASE 1000000
#define NO_LINE_BASE 2000000
#endif
#define CALL() close(LINE_BASE + __LINE__)
#define LOADS 20
