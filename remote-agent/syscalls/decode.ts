/**
 * From the fields of LTTng's syscall events to span attributes. The fields of the event itself say which arguments there are, so
 * that a system call unknown to the tables is decoded too, only less prettily.
 */
import type { CtfFields, CtfValue } from '../../common/ctf/types';
import { ATTR, type AttributeValue } from '../../common/model/span';
import { argumentKind, type ArgumentKind } from './arguments';
import { errnoName, isFailure } from './errno';
import { bitNames, EPOLL_EVENTS, POLL_EVENTS } from './flags';

/** Arguments in order. */
export interface DecodedArguments {
  readonly names: string[];
  /** `skua.syscall.arg.<name>` of each. */
  readonly attributes: string[];
  readonly values: AttributeValue[];
  /** Descriptors among them; AT_FDCWD and -1 left out. */
  readonly fds: number[];
}

interface Argument {
  readonly name: string;
  readonly attribute: string;
  readonly kind: ArgumentKind | undefined;
}

/** By system call and name of the event's field; null for a field that is no argument. */
const known = new Map<string, Map<string, Argument | null>>();
/** Numbers that no kernel has make names, too. */
const MAX_KNOWN = 1000;

function argumentsOf(syscall: string): Map<string, Argument | null> {
  let all = known.get(syscall);
  if (all === undefined) {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(syscall, (all = new Map<string, Argument | null>()));
  }
  return all;
}

function argumentOf(syscall: string, name: string): Argument | null {
  if (name === 'ret' || name === 'overflow' || name.endsWith('_length')) return null;
  return { name, attribute: ATTR.syscallArgPrefix + name, kind: argumentKind(syscall, name) };
}

/** Decodes the arguments recorded at entry. `syscall` is the kernel's name. */
export function decodeEntry(syscall: string, fields: CtfFields): DecodedArguments {
  const decoded: DecodedArguments = { names: [], attributes: [], values: [], fds: [] };
  const all = argumentsOf(syscall);
  const address = socketAddress(fields);
  for (const name in fields) {
    let argument = all.get(name);
    if (argument === undefined) all.set(name, (argument = argumentOf(syscall, name)));
    const field = fields[name];
    if (argument === null || field === undefined) continue;
    if (address !== undefined && ADDRESS_FIELDS.has(name)) {
      if (name !== 'v4addr') continue;
      push(decoded, 'address', `${ATTR.syscallArgPrefix}address`, address);
      continue;
    }
    const value = decodeValue(argument.kind, field, decoded.fds);
    if (value !== undefined) push(decoded, name, argument.attribute, value);
  }
  return decoded;
}

function push(into: DecodedArguments, name: string, attribute: string, value: AttributeValue): void {
  into.names.push(name);
  into.attributes.push(attribute);
  into.values.push(value);
}

/** Adds what only the exit tells (buffers filled, descriptors of a pipe, the peer's address). Entry's values stay. */
export function decodeExitArguments(syscall: string, fields: CtfFields, into: DecodedArguments): void {
  const { names, values } = decodeEntry(syscall, fields);
  for (const [index, name] of names.entries()) {
    // Poll sets are asked at entry and answered at exit: both are worth seeing.
    const target = into.names.includes(name) ? (isAnswer(name) ? `${name}.out` : undefined) : name;
    if (target !== undefined) push(into, target, ATTR.syscallArgPrefix + target, values[index] ?? '');
  }
}

const isAnswer = (name: string): boolean =>
  /^(read|write|except)?fds$/.test(name) || name === 'upeer_addrlen';

/** They make the argument `address`. */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(['dport', 'sport', 'v4addr', 'v6addr']);

/** Undefined when the list is empty. */
function decodeValue(
  kind: ArgumentKind | undefined,
  value: CtfValue,
  fds: number[],
): AttributeValue | undefined {
  // Bit sets of select and the like.
  if (value instanceof Uint8Array)
    return value.length > 0 ? `0x${Buffer.from(value).toString('hex')}` : undefined;
  if (Array.isArray(value)) return value.length > 0 ? decodeList(value as readonly CtfValue[]) : undefined;
  return decodeScalar(kind, value, fds);
}

function decodeScalar(kind: ArgumentKind | undefined, value: CtfValue, fds: number[]): AttributeValue {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number' && typeof value !== 'bigint') return structText(value);
  switch (kind) {
    case undefined:
      return plainNumber(value);
    case 'hex':
      return hex(value);
    case 'octal':
      return `0${value.toString(8)}`.replace(/^00$/, '0');
    case 'fd':
    case 'dirfd': {
      const fd = Number(BigInt.asIntN(32, BigInt(value)));
      if (kind === 'dirfd' && fd === AT_FDCWD) return 'AT_FDCWD';
      if (fd >= 0) fds.push(fd);
      return fd;
    }
    default:
      return kind(Number(value));
  }
}

const AT_FDCWD = -100;

const hex = (value: number | bigint): string => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;

function plainNumber(value: number | bigint): number | bigint {
  const number = Number(value);
  return typeof value === 'number' || Number.isSafeInteger(number) ? number : BigInt.asIntN(64, value);
}

/** `127.0.0.1:80`, `[::1]:80`: what LTTng decodes of a sockaddr, or undefined when it recorded none. */
export function socketAddress(fields: CtfFields): string | undefined {
  const port = fields['dport'] ?? fields['sport'];
  if (port === undefined) return undefined;
  const bytes4 = numbers(fields['v4addr']);
  if (bytes4.length === 4) return `${bytes4.join('.')}:${plainText(port)}`;
  const words = numbers(fields['v6addr']);
  // LTTng records the words as they lie in memory, in network order, and declares them so.
  if (words.length === 8) return `[${shortIpv6(words)}]:${plainText(port)}`;
  return undefined;
}

function numbers(value: CtfValue | undefined): number[] {
  if (value instanceof Uint8Array) return [...value];
  return Array.isArray(value) ? (value as readonly CtfValue[]).map(Number) : [];
}

/** RFC 5952: the longest run of zero words becomes `::`. */
export function shortIpv6(words: readonly number[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at += 1) {
    let length = 0;
    while (at + length < 8 && words[at + length] === 0) length += 1;
    if (length > best.length) best = { at, length };
  }
  const text = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  if (best.at < 0) return text(words);
  return `${text(words.slice(0, best.at))}::${text(words.slice(best.at + best.length))}`;
}

function decodeList(list: readonly CtfValue[]): AttributeValue {
  if (list.every((item): item is number | bigint => typeof item === 'number' || typeof item === 'bigint')) {
    return list.map(plainNumber);
  }
  return list.map((item) => (typeof item === 'string' ? item : structText(item)));
}

/** Elements of poll sets as `3:POLLIN`, anything else as `{a: 1}`. */
function structText(value: CtfValue): string {
  if (typeof value !== 'object' || value instanceof Uint8Array || Array.isArray(value))
    return plainText(value);
  const fields = value as CtfFields;
  const raw = fields['raw_events'];
  if (typeof raw === 'number' || typeof raw === 'bigint') {
    const data = fields['data_union'];
    if (data === undefined) return `${plainText(fields['fd'] ?? '?')}:${bitNames(Number(raw), POLL_EVENTS)}`;
    const word = (data as CtfFields)['u64'];
    return `${bitNames(Number(raw), EPOLL_EVENTS)}, data ${word === undefined ? '?' : hex(word as bigint)}`;
  }
  return `{${Object.entries(fields)
    .map(([key, item]) => `${key}: ${structText(item)}`)
    .join(', ')}}`;
}

function plainText(value: CtfValue): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value))
    return `[${(value as readonly CtfValue[]).map((item) => structText(item)).join(', ')}]`;
  return typeof value === 'object' ? structText(value) : String(value);
}

export interface Outcome {
  readonly attributes: Record<string, AttributeValue>;
  readonly status: { readonly code: 'unset' | 'error'; readonly message?: string };
  /** The result as a signed number. */
  readonly ret: number | bigint;
}

const RETURN_POINTERS: ReadonlySet<string> = new Set(['mmap', 'mremap', 'brk', 'shmat']);

/** `skua.syscall.ret`, and `skua.syscall.errno` with status ERROR for a failure. */
export function decodeOutcome(syscall: string, ret: CtfValue | undefined): Outcome {
  const value = typeof ret === 'bigint' || typeof ret === 'number' ? BigInt.asIntN(64, BigInt(ret)) : 0n;
  const plain = plainNumber(value);
  if (value < 0n && value >= -4095n) {
    const errno = Number(-value);
    return {
      attributes: { [ATTR.syscallRet]: plain, [ATTR.syscallErrno]: errnoName(errno) },
      status: isFailure(errno) ? { code: 'error', message: errnoName(errno) } : { code: 'unset' },
      ret: plain,
    };
  }
  return {
    attributes: { [ATTR.syscallRet]: RETURN_POINTERS.has(syscall) ? hex(value) : plain },
    status: { code: 'unset' },
    ret: plain,
  };
}
