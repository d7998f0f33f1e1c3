/* SPDX-License-Identifier: MIT */
/*
 * libdwfl asks debuginfod servers for missing debug information, through a library that it loads at run time.
 * Skua never sends what it traces anywhere, and a static program must not load libraries: these definitions
 * take the place of libdwfl's own.
 */
#include "symbols.h"

int __libdwfl_debuginfod_find_executable(Dwfl *dwfl, const unsigned char *build_id, size_t length);
int __libdwfl_debuginfod_find_debuginfo(Dwfl *dwfl, const unsigned char *build_id, size_t length);
void __libdwfl_debuginfod_end(debuginfod_client *client);

int __libdwfl_debuginfod_find_executable(Dwfl *dwfl, const unsigned char *build_id, size_t length)
{
	(void)dwfl, (void)build_id, (void)length;
	return -1;
}

int __libdwfl_debuginfod_find_debuginfo(Dwfl *dwfl, const unsigned char *build_id, size_t length)
{
	(void)dwfl, (void)build_id, (void)length;
	return -1;
}

void __libdwfl_debuginfod_end(debuginfod_client *client)
{
	(void)client;
}

debuginfod_client *dwfl_get_debuginfod_client(Dwfl *dwfl)
{
	(void)dwfl;
	return NULL;
}
