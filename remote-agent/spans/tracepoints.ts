import { SKUA } from '../../common/model/abi';
import type { CtfEvent, CtfValue } from '../../common/ctf/types';
import { ATTR, type AttributeValue, type SpanEvent } from '../../common/model/span';
import { signalName } from '../syscalls/flags';

const HEX = new Set(['address', 'ip', 'error_code', 'skbaddr', 'function', 'buf', 'flags']);

/**
 * A kernel tracepoint as a span event: its fields under their own names, and the CPU it fired on. `skua.interrupt`: in an interrupt
 * on top of the thread. `skua.runnable`: the thread is switched away, but does not sleep.
 */
export function tracepointEvent(event: CtfEvent, flags: number): SpanEvent {
  const attributes: Record<string, AttributeValue> = { [ATTR.cpu]: event.cpu };
  if ((flags & SKUA.FLAG_INTERRUPT) !== 0) attributes['skua.interrupt'] = true;
  if ((flags & SKUA.FLAG_RUNNABLE) !== 0) attributes['skua.runnable'] = true;
  for (const name in event.fields) {
    const value = event.fields[name];
    if (value === undefined || name.endsWith('_length')) continue;
    attributes[name] = fieldValue(event.name, name, value);
  }
  return { timeNs: event.timestampNs, name: event.name, attributes };
}

function fieldValue(event: string, name: string, value: CtfValue): AttributeValue {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (name === 'sig' && event.startsWith('signal_')) return signalName(Number(value));
    if (name === 'dev') return device(Number(value));
    if (HEX.has(name)) return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : BigInt.asIntN(64, BigInt(value));
  }
  if (value instanceof Uint8Array) return Buffer.from(value.subarray(0, 64)).toString('hex');
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  ).slice(0, 500);
}

/** The kernel's own dev_t: 12 bits of major number above 20 bits of minor number. */
function device(dev: number): string {
  return `${dev >>> 20}:${dev & 0xfffff}`;
}
