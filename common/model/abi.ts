/** Generated from kernel/include/skua_abi.h by tools/gen-abi.mjs: change it there. What the names mean is said there too. */
export const SKUA = {
  ABI_VERSION: 1,
  PROC_DIR: 'skua',
  PROC_CONTEXT: '/proc/skua/context',
  PROC_STATS: '/proc/skua/stats',
  PROC_ABI: '/proc/skua/abi',
  RECORD_HEADER_BYTES: 28,
  RECORD_MAX_BYTES: 4096,
  TRACE_FLAG_SAMPLED: 0x01,
  FLAG_SAMPLED: 0x01,
  FLAG_IN_SYSCALL: 0x02,
  FLAG_CONTROL: 0x04,
  FLAG_STACK_SHORT: 0x08,
  FLAG_INTERRUPT: 0x10,
  FLAG_SUBJECT: 0x20,
  REGS_COUNT: 8,
  REGS_BYTES: 64,
} as const;
