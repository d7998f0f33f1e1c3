/** Reads CTF 2 metadata, at once or as it grows: a sequence of JSON texts, each behind a record separator (CTF2-SPEC-2.0 §5). */
import { eventSource, headerSource, structSource } from './codegen';
import { Fragment, isObject } from './ctf2-fragment';
import { FieldClasses, type Scope } from './ctf2-types';
import { metadataInvalid, unknownType } from './errors';
import { parseJson, type Json } from './json-integers';
import { RECORD_SEPARATOR, type MetadataText } from './metadata-text';
import type { ClockClass, EventClass, StreamClass, StructType, TraceClass } from './types';

/** Every field of CTF 2 names its byte order, so the trace's own is never asked for. */
const UNUSED_BYTE_ORDER = 'le';
/** LTTng's namespace of attributes, and its names of log levels in the order of their numbers. */
const LTTNG = 'lttng.org,2009';
const LOG_LEVELS =
  'emergency alert critical error warning notice info debug:system debug:program debug:process debug:module debug:unit debug:function debug:line debug'.split(
    ' ',
  );

export class Ctf2Metadata implements MetadataText {
  private text = '';
  private line = 1;
  private version: { readonly uuid?: string } | undefined;
  private traceClass: { readonly packetHeader?: StructType } | undefined;
  private readonly aliases = new Map<string, Fragment>();
  private readonly env = new Map<string, string | bigint>();
  private readonly clocks = new Map<string, ClockClass>();
  private readonly streams = new Map<number, StreamClass & { readonly events: Map<number, EventClass> }>();
  private current: TraceClass | undefined;

  /** The trace class may be left out; then what follows the preamble tells that it will not come. */
  get ready(): boolean {
    return this.version !== undefined && (this.traceClass !== undefined || this.streams.size > 0);
  }

  get trace(): TraceClass {
    if (this.version === undefined) throw metadataInvalid(this.line, 'it has no preamble');
    this.current ??= {
      byteOrder: UNUSED_BYTE_ORDER,
      ...this.version,
      ...this.traceClass,
      env: this.env,
      clocks: this.clocks,
      streams: this.streams,
    };
    return this.current;
  }

  take(text: string): void {
    this.text += text;
    for (;;) {
      const end = this.text.indexOf(RECORD_SEPARATOR, 1);
      if (end < 0) break;
      this.fragment(this.text.slice(0, end));
      this.text = this.text.slice(end);
    }
    // The last fragment has no separator behind it: it is complete when its braces are.
    if (isComplete(this.text)) {
      this.fragment(this.text);
      this.text = '';
    }
  }

  end(): void {
    if (this.text.trim() !== '') throw metadataInvalid(this.line, 'it ends in the middle of a fragment');
  }

  private fragment(text: string): void {
    const line = this.line;
    this.line += text.split('\n').length - 1;
    // Between a fragment that was taken as complete and the next separator there may be line ends.
    if (text.trim() === '' || text.trim() === RECORD_SEPARATOR) return;
    if (!text.startsWith(RECORD_SEPARATOR)) throw metadataInvalid(line, 'text between two fragments');
    const body = text.slice(RECORD_SEPARATOR.length);
    let value: Json;
    try {
      value = parseJson(body);
    } catch (error) {
      throw metadataInvalid(line, `not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!isObject(value)) throw metadataInvalid(line, 'a fragment is not a JSON object');
    const kind = typeof value['type'] === 'string' ? value['type'] : '';
    const fragment = new Fragment(value, line, kind === '' ? 'a fragment' : kind);
    const extensions = fragment.child('extensions');
    if (extensions !== undefined && extensions.keys().length > 0)
      throw unknownType(line, `the extension "${extensions.keys().join('", "')}"`);
    if (kind !== 'preamble' && this.version === undefined) fragment.fail('comes before the preamble');
    switch (kind) {
      case 'preamble':
        this.readPreamble(fragment);
        return;
      case 'field-class-alias':
        this.readAlias(fragment);
        return;
      case 'trace-class':
        this.readTrace(fragment);
        return;
      case 'clock-class':
        this.readClock(fragment);
        return;
      case 'data-stream-class':
        this.readStream(fragment);
        return;
      case 'event-record-class':
        this.readEvent(fragment);
        return;
      default:
        fragment.fail('not a known type of fragment');
    }
  }

  private readPreamble(fragment: Fragment): void {
    if (this.version !== undefined) fragment.fail('given twice');
    const version = fragment.integer('version');
    if (version !== 2n) fragment.fail(`it is CTF ${String(version)}, Skua reads CTF 1.8 and CTF 2`);
    const bytes = fragment.array('uuid');
    if (bytes.length === 0) {
      this.version = {};
      return;
    }
    const hex = bytes.map((byte) =>
      typeof byte === 'bigint' && byte >= 0n && byte < 256n ? byte.toString(16).padStart(2, '0') : '',
    );
    const uuid = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(hex.join(''));
    this.version = { uuid: uuid?.slice(1).join('-') ?? fragment.fail('"uuid" is not 16 bytes') };
  }

  private readAlias(fragment: Fragment): void {
    const name = fragment.needString('name');
    if (this.aliases.has(name)) fragment.fail(`"${name}" is defined twice`);
    this.aliases.set(name, fragment);
  }

  private readTrace(fragment: Fragment): void {
    if (this.traceClass !== undefined || this.streams.size > 0)
      fragment.fail('given twice, or after a data stream class');
    const env = fragment.child('environment');
    for (const key of env?.keys() ?? []) {
      const value = env?.raw(key);
      if (typeof value !== 'string' && typeof value !== 'bigint')
        fragment.fail(`environment.${key} is neither a number nor a string`);
      else this.env.set(key, value);
    }
    const packetHeader = this.struct(fragment, 'packet-header-field-class', 'packet-header', undefined);
    if (packetHeader !== undefined)
      structSource(packetHeader, UNUSED_BYTE_ORDER, fragment.line, 'trace.packet.header');
    this.traceClass = packetHeader === undefined ? {} : { packetHeader };
    this.current = undefined;
  }

  private readClock(fragment: Fragment): void {
    const id = fragment.string('id') ?? fragment.needString('name');
    if (this.clocks.has(id)) fragment.fail(`"${id}" is defined twice`);
    const frequency = fragment.integer('frequency') ?? 1_000_000_000n;
    if (frequency <= 0n || frequency > 2n ** 63n) fragment.fail(`"frequency" is ${frequency} Hz`);
    const offset = fragment.child('offset-from-origin');
    const uuid = fragment.string('uid');
    const description = fragment.string('description');
    this.clocks.set(id, {
      name: id,
      ...(uuid === undefined ? {} : { uuid }),
      ...(description === undefined ? {} : { description }),
      frequency,
      offsetSeconds: offset?.integer('seconds') ?? 0n,
      offsetCycles: offset?.integer('cycles') ?? 0n,
    });
  }

  private readStream(fragment: Fragment): void {
    const id = fragment.count('id', 0xffff_ffff) ?? 0;
    if (this.streams.has(id)) fragment.fail(`${id} is defined twice`);
    const clock = fragment.string('default-clock-class-id') ?? fragment.string('default-clock-class-name');
    if (clock !== undefined && !this.clocks.has(clock))
      fragment.fail(`its clock class "${clock}" is not defined`);
    const packetContext = this.struct(fragment, 'packet-context-field-class', 'packet-context', clock);
    const eventHeader = this.struct(
      fragment,
      'event-record-header-field-class',
      'event-record-header',
      clock,
    );
    const eventContext = this.struct(
      fragment,
      'event-record-common-context-field-class',
      'event-record',
      clock,
    );
    // Generating the decoder finds every reference that cannot be resolved, before any packet is read.
    if (packetContext !== undefined)
      structSource(packetContext, UNUSED_BYTE_ORDER, fragment.line, 'stream.packet.context');
    if (eventHeader !== undefined) headerSource(eventHeader, UNUSED_BYTE_ORDER, fragment.line);
    this.streams.set(id, {
      id,
      ...(packetContext === undefined ? {} : { packetContext }),
      ...(eventHeader === undefined ? {} : { eventHeader }),
      ...(eventContext === undefined ? {} : { eventContext }),
      events: new Map<number, EventClass>(),
    });
  }

  private readEvent(fragment: Fragment): void {
    const id = fragment.count('id', 0xffff_ffff) ?? 0;
    const streamId = fragment.count('data-stream-class-id', 0xffff_ffff) ?? 0;
    const stream = this.streams.get(streamId);
    if (stream === undefined) return fragment.fail(`its data stream class ${streamId} is not defined`);
    if (stream.events.has(id)) fragment.fail(`${id} of data stream class ${streamId} is defined twice`);
    const context = this.struct(fragment, 'specific-context-field-class', 'event-record', undefined);
    const fields = this.struct(fragment, 'payload-field-class', 'event-record', undefined);
    const level = LOG_LEVELS.indexOf(fragment.child('attributes')?.child(LTTNG)?.string('log-level') ?? '');
    const event: EventClass = {
      id,
      streamId,
      name: fragment.string('name') ?? `event ${id}`,
      ...(level < 0 ? {} : { logLevel: level }),
      ...(context === undefined ? {} : { context }),
      ...(fields === undefined ? {} : { fields }),
    };
    eventSource(stream, event, UNUSED_BYTE_ORDER, fragment.line);
    stream.events.set(id, event);
  }

  private struct(
    fragment: Fragment,
    key: string,
    scope: Scope,
    clock: string | undefined,
  ): StructType | undefined {
    if (!fragment.has(key)) return undefined;
    const type = new FieldClasses(this.aliases, scope, clock).type(fragment.raw(key), fragment);
    return type.kind === 'struct' ? type : fragment.fail(`"${key}" is not a structure`);
  }
}

/** Whether a text that begins with a separator has all the braces of its object. */
function isComplete(text: string): boolean {
  let depth = 0;
  let seen = false;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (inString) {
      if (char === '\\') at += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') {
      depth += 1;
      seen = true;
    } else if (char === '}' || char === ']') depth -= 1;
  }
  return seen && depth <= 0 && !inString;
}
