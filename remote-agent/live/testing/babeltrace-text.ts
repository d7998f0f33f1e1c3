/** Prints events as babeltrace2's text output does, so that recorded dumps can be compared line by line. */
import {
  enumLabels,
  type CtfEvent,
  type CtfFields,
  type CtfType,
  type CtfValue,
  type StructType,
} from '../../../common/ctf/types';

/** A line of `babeltrace2 --clock-seconds --no-delta`. */
export function babeltraceLine(
  event: CtfEvent,
  hostname: string,
  streamContext: StructType | undefined,
): string {
  const seconds = event.timestampNs / 1_000_000_000n;
  const nanos = String(event.timestampNs % 1_000_000_000n).padStart(9, '0');
  const parts = [
    event.cpu < 0 ? undefined : `{ cpu_id = ${event.cpu} }`,
    streamContext === undefined ? undefined : struct(streamContext, event.context),
    event.eventClass.fields === undefined ? undefined : struct(event.eventClass.fields, event.fields),
  ];
  return `[${seconds}.${nanos}] ${hostname} ${event.name}: ${parts.filter((part) => part !== undefined).join(', ')}`;
}

function struct(type: StructType, value: CtfFields): string {
  const members = type.fields.map(
    ({ name, type: field }) => `${name} = ${print(field, value[name] as CtfValue)}`,
  );
  return members.length === 0 ? '{ }' : `{ ${members.join(', ')} }`;
}

function print(type: CtfType, value: CtfValue): string {
  switch (type.kind) {
    case 'integer':
      return integer(BigInt(value as number | bigint), type.size, type.base);
    case 'enum': {
      const labels = enumLabels(type, value as number | bigint).map((label) => JSON.stringify(label));
      const unique = [...new Set(labels)];
      const shown =
        unique.length === 0 ? '<unknown>' : unique.length === 1 ? unique[0] : `{ ${unique.join(', ')} }`;
      return `( ${shown} : container = ${print(type.container, value)} )`;
    }
    case 'float':
      throw new Error('LTTng kernel traces have no floating-point numbers to compare with.');
    case 'string':
      return quoted(value as string);
    case 'struct':
      return struct(type, value as CtfFields);
    case 'variant': {
      // The value does not say which option it is: LTTng's options are structures with different fields.
      const option = type.options.find(
        ({ type: t }) => t.kind === 'struct' && matches(t, value as CtfFields),
      );
      if (option === undefined) throw new Error('A variant whose option cannot be told from its fields.');
      return `{ ${print(option.type, value)} }`;
    }
    case 'array':
    case 'sequence': {
      if (typeof value === 'string') return quoted(value);
      const items = Array.from(
        value as ArrayLike<CtfValue>,
        (item, i) => `[${i}] = ${print(type.element, item)}`,
      );
      return items.length === 0 ? '[ ]' : `[ ${items.join(', ')} ]`;
    }
  }
}

function matches(type: StructType, value: CtfFields): boolean {
  return type.fields.map(({ name }) => name).join() === Object.keys(value).join();
}

function integer(value: bigint, size: number, base: number): string {
  // babeltrace2 prints a negative number in another base than ten as it stands in memory.
  const bits = value < 0n ? BigInt.asUintN(size, value) : value;
  if (base === 16) return `0x${bits.toString(16).toUpperCase()}`;
  if (base === 8) return `0${bits.toString(8)}`;
  if (base === 2) return `0b${bits.toString(2)}`;
  return value.toString();
}

/** babeltrace2 escapes what C escapes, and prints other bytes as they are. */
function quoted(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '\x07': '\\a',
    '\b': '\\b',
    '\x1b': '\\e',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
    '\\': '\\\\',
    '"': '\\"',
  };
  // eslint-disable-next-line no-control-regex
  return `"${text.replace(/[\x07\b\x1b\f\n\r\t\v\\"]/g, (char) => escapes[char] as string)}"`;
}
