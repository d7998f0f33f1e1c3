/* SPDX-License-Identifier: MIT */
/*
 * System calls made with known registers and a known stack, each under a span of its own:
 *   0x51 a normal stack; 0x52 a stack that ends 256 bytes above sp; 0x53 an sp that points nowhere; 0x54 the
 * 32-bit entry (int 0x80) of a 64-bit program. Prints "span ip sp bytes" in hex; the stack above sp is a
 * pattern: byte i is (i * 7 + span) & 0xff.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "record.h"

/* bx, bp, r12-r15 = 0x1111…, 0x2222…, 0xcccc… to 0xffff…; returns the address after the syscall instruction.
 */
static __attribute__((noinline)) uint64_t call_with(uint64_t sp, long nr, int compat)
{
	uint64_t ip, saved;

	if (compat) {
		__asm__ volatile("mov %%rsp, %[saved]\n\t"
				 "mov %[saved], %%r9\n\t"
				 "mov %[sp], %%rsp\n\t"
				 "mov %[nr], %%eax\n\t"
				 "int $0x80\n\t"
				 "1: mov %%r9, %%rsp\n\t"
				 "lea 1b(%%rip), %[ip]\n\t"
				 : [ip] "=&r"(ip), [saved] "=&r"(saved)
				 : [sp] "r"(sp), [nr] "r"((int)nr)
				 : "rax", "r8", "r9", "r10", "r11", "memory");
		return ip;
	}
	__asm__ volatile("push %%rbp\n\t"
			 "push %%rbx\n\t"
			 "mov %%rsp, %%r9\n\t"
			 "mov %[sp], %%rsp\n\t"
			 "mov %[nr], %%rax\n\t"
			 "mov $0x1111111111111111, %%rbx\n\t"
			 "mov $0x2222222222222222, %%rbp\n\t"
			 "mov $0xcccccccccccccccc, %%r12\n\t"
			 "mov $0xdddddddddddddddd, %%r13\n\t"
			 "mov $0xeeeeeeeeeeeeeeee, %%r14\n\t"
			 "mov $0xffffffffffffffff, %%r15\n\t"
			 "syscall\n\t"
			 "1: mov %%r9, %%rsp\n\t"
			 "pop %%rbx\n\t"
			 "pop %%rbp\n\t"
			 "lea 1b(%%rip), %%rax\n\t"
			 : "=&a"(ip)
			 : [sp] "r"(sp), [nr] "r"(nr)
			 : "rcx", "r9", "r11", "r12", "r13", "r14", "r15", "memory");
	return ip;
}

static void run(unsigned char span, uint64_t sp, size_t bytes, long nr, int compat)
{
	uint64_t ip;
	size_t i;

	for (i = 0; i < bytes; i++)
		((unsigned char *)sp)[i] = (unsigned char)(i * 7 + span);
	skua_arm(0x55, span);
	ip = call_with(sp, nr, compat);
	skua_detach();
	printf("%x %lx %lx %zx\n", span, ip, sp, bytes);
}

int main(void)
{
	unsigned char *stack =
	    mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(stack + 8192, 4096);
	skua_open();
	run(0x51, (uint64_t)stack + 4096, 2048, SYS_getuid, 0);
	run(0x52, (uint64_t)stack + 8192 - 256, 256, SYS_geteuid, 0);
	run(0x53, 0x123456789000, 0, SYS_getgid, 0);
	run(0x54, (uint64_t)stack + 4096, 2048, 20 /* getpid of i386 */, 1);
	return 0;
}
