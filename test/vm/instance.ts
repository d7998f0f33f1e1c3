/**
 * Names of the guests that these tests boot. SKUA_TEST_INSTANCE lets several checkouts test at the same time; within one, each of
 * Vitest's workers has guests of its own.
 */
const PREFIX = process.env['SKUA_TEST_INSTANCE'] ?? 'test';
const WORKER = process.env['VITEST_POOL_ID'] ?? '1';

/** As many files at a time as the machine has use for: an emulated guest keeps one processor busy (docs/decisions/0021). */
export const WORKERS = 2;

/** For the tests that reach the guest through the product's own code. */
export const SESSION_GUEST = sessionGuest(WORKER);
/** For the tests of kernel modules and clients, which load and unload as they please. */
export const KERNEL_GUEST = kernelGuest(WORKER);
/** For the tests in a real editor, which begin each file with a fresh disk. */
export const EDITOR_GUEST = `${PREFIX}-editor`;
/** For the tests of the sandbox itself, which start, stop and reset them. */
export const SANDBOX_GUESTS = [`${PREFIX}-a`, `${PREFIX}-b`] as const;
/** For the tests of preparing a host, which break it on purpose. */
export const HOST_GUEST = `${PREFIX}-host`;

/** Whatever a worker may have left running. */
export const VM_GUESTS: readonly string[] = [
  ...Array.from({ length: WORKERS }, (_, i) => String(i + 1)).flatMap((w) => [
    sessionGuest(w),
    kernelGuest(w),
  ]),
  HOST_GUEST,
  ...SANDBOX_GUESTS,
];

function sessionGuest(worker: string): string {
  return `${PREFIX}-session-${worker}`;
}

function kernelGuest(worker: string): string {
  return `${PREFIX}-kernel-${worker}`;
}
