/** Names of the guests that these tests boot. SKUA_TEST_INSTANCE lets several checkouts test at the same time. */
const PREFIX = process.env['SKUA_TEST_INSTANCE'] ?? 'test';

/** For the tests that reach the guest through the product's own code. */
export const SESSION_GUEST = `${PREFIX}-session`;
/** For the tests of kernel modules and clients, which load and unload as they please. */
export const KERNEL_GUEST = `${PREFIX}-kernel`;
/** For the tests in a real editor, which begin each file with a fresh disk. */
export const EDITOR_GUEST = `${PREFIX}-editor`;
/** For the tests of the sandbox itself, which start, stop and reset them. */
export const SANDBOX_GUESTS = [`${PREFIX}-a`, `${PREFIX}-b`] as const;
/** For the tests of preparing a host, which break it on purpose. */
export const HOST_GUEST = `${PREFIX}-host`;
