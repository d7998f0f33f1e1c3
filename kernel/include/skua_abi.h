/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Interface between user space and Skua's LTTng modules. The one source of it: common/model/abi.ts is generated from this
 * file (tools/gen-abi) and a test compares the two.
 */
#ifndef SKUA_ABI_H
#define SKUA_ABI_H

/* Names of our own for the types: whoever includes this may have the kernel's, and <stdint.h> differs from them. */
#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/types.h>
typedef __u8 skua_u8;
typedef __u16 skua_u16;
typedef __u32 skua_u32;
typedef __s32 skua_s32;
typedef __u64 skua_u64;
typedef __s64 skua_s64;
#else
#include <stdint.h>
#include <sys/ioctl.h>
typedef uint8_t skua_u8;
typedef uint16_t skua_u16;
typedef uint32_t skua_u32;
typedef int32_t skua_s32;
typedef uint64_t skua_u64;
typedef int64_t skua_s64;
#endif

#define SKUA_ABI_VERSION 2

/* Directory and files under /proc. */
#define SKUA_PROC_DIR "skua"
#define SKUA_PROC_CONTEXT "/proc/skua/context" /* write: a record for this thread; read: the thread's record */
#define SKUA_PROC_STATS "/proc/skua/stats"     /* read: "name value" lines, counters since load */
#define SKUA_PROC_SESSIONS "/proc/skua/sessions" /* read: a table of what each session was offered */
#define SKUA_PROC_ABI "/proc/skua/abi"	       /* read: "SKUA_ABI_VERSION source-hash\n" */

/*
 * Thread context record: OpenTelemetry OTEP 4947, bit for bit. Packed; ids in W3C (big-endian, as printed) byte order.
 * attrs_size bytes of attributes follow. A write shorter than the header or than the header plus attrs_size is EINVAL.
 */
struct skua_record {
	skua_u8 trace_id[16];
	skua_u8 span_id[8];
	skua_u8 valid;	  /* 1: attached. 0: detached, ids ignored. Anything else: EINVAL. */
	skua_u8 trace_flags; /* W3C; bit 0 = sampled. Only sampled records arm the thread. */
	skua_u16 attrs_size; /* native byte order */
} __attribute__((packed));

#define SKUA_RECORD_HEADER_BYTES 28
#define SKUA_RECORD_MAX_BYTES 4096
#define SKUA_TRACE_FLAG_SAMPLED 0x01

/*
 * Instead of writing records: the kernel is told once where the thread-local pointer otel_thread_ctx_v1 is, and from then
 * on reads pointer and record itself whenever it needs them. ioctls on a descriptor of SKUA_PROC_CONTEXT open for writing.
 *
 * SKUA_IOC_REGISTER: address of the calling thread's own pointer, 8-byte aligned; 0 unregisters and detaches.
 */
#define SKUA_IOC_REGISTER _IOW('S', 1, skua_u64)

/* Where every thread of a process has its pointer. */
#define SKUA_LOCATION_NONE 0   /* takes the process's registration back */
#define SKUA_LOCATION_STATIC 1 /* at fs_base + offset: static TLS */
#define SKUA_LOCATION_DTV 2    /* at dtv[module] + offset, the dtv being glibc's: dynamic TLS */

/*
 * Added to the kind: it is the place in the program that the process executes next, and counts from then on. For launchers,
 * which so have it in force from the program's first instruction. Forgotten when that program runs with other privileges.
 */
#define SKUA_LOCATION_AFTER_EXEC 0x100

struct skua_process_registration {
	skua_s32 pid;
	skua_u32 kind;   /* SKUA_LOCATION_…, and SKUA_LOCATION_AFTER_EXEC */
	skua_u64 module; /* SKUA_LOCATION_DTV only */
	skua_s64 offset;
};

/* On behalf of all threads of a process, until it executes another program or ends. */
#define SKUA_IOC_REGISTER_PROCESS _IOW('S', 2, struct skua_process_registration)

/* Bits of the context field skua_flags. */
#define SKUA_FLAG_SAMPLED 0x01
#define SKUA_FLAG_IN_SYSCALL 0x02 /* skua_syscall is not 0 */
#define SKUA_FLAG_CONTROL 0x04	  /* this syscall wrote to /proc/skua/context, or registered: Skua's own, not the program's */
#define SKUA_FLAG_STACK_SHORT 0x08 /* the user stack could be read only in part, or not at all */
#define SKUA_FLAG_INTERRUPT 0x10  /* fired in an interrupt on top of the current thread, perhaps on another's behalf */
/*
 * The current thread has no context; the ids are those of the armed thread that it wakes (sched_waking, sched_wakeup) or
 * switches to (sched_switch), whose tid is in the event. When both have one, the ids are the current thread's, as always.
 */
#define SKUA_FLAG_SUBJECT 0x20
#define SKUA_FLAG_RUNNABLE 0x40 /* sched_switch: the thread switched away stays runnable, whatever prev_state says */

/*
 * Context fields of every event in a session whose name begins with "skua", in this order:
 *   skua_trace_hi, skua_trace_lo  u64, the trace id as two big-endian halves (hex)
 *   skua_span                     u64, the user span id (hex)
 *   skua_syscall                  u64, id of the syscall span in progress, 0 outside (hex). Unique per boot.
 *   skua_flags                    u32
 *   skua_stack                    sequence of u8: empty but at syscall entry. There it is a reference to a call site, a
 *                                 native u64, or a definition: the site, SKUA_REGS_BYTES of registers, then up to
 *                                 skua_stack_bytes (module parameter, default 1024) bytes from the user stack pointer up.
 *                                 The call stack of a reference is that of the definition with the same site before it in
 *                                 the session. Site 0 is never referred to.
 * Registers in skua_stack, native u64 each: ip sp bp bx r12 r13 r14 r15.
 */
#define SKUA_SITE_BYTES 8
#define SKUA_REGS_COUNT 8
#define SKUA_REGS_BYTES 64
#define SKUA_REG_IP 0
#define SKUA_REG_SP 1
/* How far from the recorded piece an address may be to count as part of the stack in a site, in bytes; see docs/kernel-abi.md. */
#define SKUA_SITE_MARGIN 1024

/*
 * Events of Skua's own provider, recorded in the armed thread's context:
 *   skua_mapping: an executable file mapping of the process. Emitted for each when a thread of the process is armed and the
 *		   set of mappings has changed since it was last emitted in this session.
 *		   u64 start, u64 end, u64 pgoff (bytes), u64 ino, u32 dev_major, u32 dev_minor, string path
 *   skua_fd:	   what a file descriptor refers to, just before the syscall entry that uses it, when this thread has not yet
 *		   reported that file under that number.
 *		   s32 fd, u64 ino, string path   ("/tmp/x", "socket:[123]", "pipe:[7]", "anon_inode:[eventpoll]")
 */
#endif
