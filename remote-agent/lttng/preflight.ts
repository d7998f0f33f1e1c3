import { SkuaError } from '../../common/base/errors';
import { run, type Run } from '../base/run';

/** Trace id of the one record that the agent itself writes to see that recording works. Its events are not anybody's. */
export interface PreflightId {
  readonly hi: bigint;
  readonly lo: bigint;
}

export function preflightId(random: bigint): PreflightId {
  // "skuapre" in ASCII, so that a person who meets it in a kept CTF copy knows what it is.
  return { hi: 0x736b_7561_7072_6500n, lo: BigInt.asUintN(64, random) | 1n };
}

/**
 * Arms a short-lived shell and lets it make a system call. Its events must then arrive on the live stream: an unknown context
 * field or a module that records nothing would otherwise fail silently. Throws `context-permission` or
 * `context-device-missing` when the record cannot be written.
 */
export async function armHelper(id: PreflightId, exec: Run = run): Promise<void> {
  const bytes = [...bytesOf(id.hi), ...bytesOf(id.lo), ...bytesOf(1n), 1, 1, 0, 0];
  const record = bytes.map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  // The shell's own printf writes from the shell's thread, so the shell is armed; `cd` is then a chdir of an armed thread.
  const result = await exec('/bin/sh', ['-c', `printf '${record}' >/proc/skua/context && cd / && cd /`], {
    timeoutMs: 20_000,
  });
  if (result.code === 0) return;
  if (/ermission denied/.test(result.stderr)) {
    throw new SkuaError({
      code: 'context-permission',
      message: '/proc/skua/context cannot be written by this user.',
      remedy: 'Prepare the host, then connect again, so that the membership of the group "tracing" counts.',
      detail: result.stderr,
    });
  }
  throw new SkuaError({
    code: 'context-device-missing',
    message:
      "/proc/skua/context does not take context records: Skua's modules are not loaded, or another version is.",
    remedy: 'Prepare the host ("Skua: Run Doctor", or `skua doctor --fix`).',
    detail: result.stderr,
  });
}

export function preflightSilent(seconds: number): SkuaError {
  return new SkuaError({
    code: 'lttng-failed',
    message: `A test event was recorded, but it did not arrive within ${seconds} s.`,
    remedy:
      'Another tracer may hold the kernel tracer, or the disk of the target is full. Restart lttng-sessiond on the host, prepare it again and try again.',
  });
}

function bytesOf(value: bigint): number[] {
  const bytes: number[] = [];
  for (let shift = 56n; shift >= 0n; shift -= 8n) bytes.push(Number((value >> shift) & 0xffn));
  return bytes;
}
