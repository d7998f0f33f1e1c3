import type { SkuaErrorCode } from '../../common/base/errors';

/** What `skua` exits with. The table in docs/cli.md and in --help says the same. */
export const EXIT = {
  ok: 0,
  /** The traced program itself failed (non-zero code, or a signal); Skua did its part. */
  programFailed: 1,
  usage: 2,
  /** The target could not be reached, built, prepared or written to. */
  target: 3,
  /** Tracing, the build command or the launch failed, or a file could not be read or written. */
  session: 4,
  /** A bug in Skua. */
  internal: 70,
  cancelled: 130,
} as const;

const USAGE: readonly SkuaErrorCode[] = ['config-invalid'];
const TARGET: readonly SkuaErrorCode[] = [
  'auth-failed',
  'host-key-changed',
  'host-key-unknown',
  'host-unreachable',
  'no-sudo',
  'no-headers',
  'no-compiler',
  'module-refused',
  'module-build-failed',
  'module-in-use',
  'secure-boot',
  'lttng-missing',
  'context-device-missing',
  'context-permission',
  'agent-start-failed',
  'agent-protocol',
  'agent-version',
  'upload-failed',
  'disk-full',
  'sandbox-tools-missing',
  'sandbox-build-failed',
  'sandbox-boot-failed',
];

export function exitCodeFor(code: SkuaErrorCode): number {
  if (code === 'internal') return EXIT.internal;
  if (code === 'cancelled') return EXIT.cancelled;
  if (USAGE.includes(code)) return EXIT.usage;
  return TARGET.includes(code) ? EXIT.target : EXIT.session;
}

export const EXIT_CODES_HELP = `Exit codes:
  0    success; for "run": the program ended with code 0
  1    the traced program failed (its code or signal is printed and in --json)
  2    wrong usage or configuration
  3    the target could not be reached, prepared or written to
  4    tracing, the build command or the launch failed, or a file could not be used
  70   a bug in Skua
  130  cancelled (Ctrl-C)`;
