/** Reads metadata in TSDL, at once or as it grows, into its trace class. CTF 1.8.3 §7 and appendix C. */
import { eventSource, headerSource, structSource } from './codegen';
import { metadataInvalid, unknownType } from './errors';
import type { MetadataText } from './metadata-text';
import { TokenCursor } from './tsdl-cursor';
import { lex, splitStatements, type Statement } from './tsdl-lexer';
import {
  parseAttributeValue,
  parseSpecifier,
  parseTypeStatement,
  TypeScope,
  type Attribute,
} from './tsdl-types';
import type {
  ByteOrder,
  ClockClass,
  CtfType,
  EventClass,
  StreamClass,
  StructType,
  TraceClass,
} from './types';

/** What a block (`trace {…}`, `stream {…}`, …) says: attributes with `=`, types with `:=`. */
interface Block {
  readonly line: number;
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly types: ReadonlyMap<string, { readonly type: CtfType; readonly line: number }>;
}

/** The beginning of an event class as LTTng writes it. */
const EVENT_HEAD =
  /^event\s*\{\s*name\s*=\s*"([^"\\\n]*)"\s*;\s*id\s*=\s*(\d{1,9})\s*;\s*stream_id\s*=\s*(\d{1,9})\s*;/;

/**
 * An event class of which only the head has been read. The metadata of a session has more than a thousand, and most of them never
 * occur; the rest is read when it is asked for. Then it throws what reading it at once would have thrown.
 */
class UnreadEvent implements EventClass {
  private read: EventClass | undefined;

  constructor(
    readonly id: number,
    readonly streamId: number,
    readonly name: string,
    private readonly readNow: () => EventClass,
  ) {}

  get logLevel(): number | undefined {
    return this.whole().logLevel;
  }

  get context(): StructType | undefined {
    return this.whole().context;
  }

  get fields(): StructType | undefined {
    return this.whole().fields;
  }

  whole(): EventClass {
    return (this.read ??= this.readNow());
  }
}

/** The trace class of a CTF 1.8 trace, filled by the text of its metadata. */
export class TsdlMetadata implements MetadataText {
  private readonly scope = new TypeScope();
  private text = '';
  private line = 1;
  private traceBlock: { byteOrder: ByteOrder; uuid?: string; packetHeader?: StructType } | undefined;
  private readonly env = new Map<string, string | bigint>();
  private readonly clocks = new Map<string, ClockClass>();
  private readonly streams = new Map<number, StreamClass & { readonly events: Map<number, EventClass> }>();
  private current: TraceClass | undefined;

  /** Nothing may be unfinished, and every event class must be right, also of events that never occur. */
  end(): void {
    if (splitStatements(this.text, this.line).unfinished)
      throw metadataInvalid(this.line, 'it ends in the middle of a statement');
    for (const { events } of this.streams.values())
      for (const event of events.values()) if (event instanceof UnreadEvent) event.whole();
  }

  /** True once the `trace` block has been read. */
  get ready(): boolean {
    return this.traceBlock !== undefined;
  }

  /** The trace class as far as it is known; its maps grow with later `append`s. Throws before the `trace` block was read. */
  get trace(): TraceClass {
    if (this.traceBlock === undefined) throw metadataInvalid(this.line, 'it has no "trace" block');
    this.current ??= { ...this.traceBlock, env: this.env, clocks: this.clocks, streams: this.streams };
    return this.current;
  }

  take(text: string): void {
    this.text += text;
    const { statements, consumed, line } = splitStatements(this.text, this.line);
    this.text = this.text.slice(consumed);
    this.line = line;
    for (const statement of statements) {
      if (!this.postpone(statement)) this.statement(new TokenCursor(lex(statement)));
    }
  }

  /** Notes an event class by its head, where that has the usual form. */
  private postpone(statement: Statement): boolean {
    const [, name, idText, streamText] = EVENT_HEAD.exec(statement.text) ?? [];
    if (name === undefined) return false;
    const [id, streamId] = [Number(idText), Number(streamText)];
    const stream = this.streamOf(id, streamId, statement.line);
    const readNow = (): EventClass => {
      const cursor = new TokenCursor(lex(statement));
      cursor.expect('event');
      const block = this.block(cursor, statement.line);
      return this.eventOf(block, id, streamId, stream);
    };
    stream.events.set(id, new UnreadEvent(id, streamId, name, readNow));
    return true;
  }

  private statement(cursor: TokenCursor): void {
    if (cursor.accept(';') || parseTypeStatement(cursor, this.scope)) return;
    const line = cursor.line;
    if (cursor.is('{', 1)) {
      const keyword = cursor.peek()?.text;
      if (keyword === 'trace' || keyword === 'stream' || keyword === 'event' || keyword === 'clock') {
        cursor.next();
        const block = this.block(cursor, line);
        if (keyword === 'trace') this.readTrace(block);
        else if (keyword === 'stream') this.readStream(block);
        else if (keyword === 'event') this.readEvent(block);
        else this.readClock(block);
        return;
      }
      if (keyword === 'env') {
        cursor.next();
        this.readEnv(this.block(cursor, line));
        return;
      }
      if (keyword === 'callsite') {
        cursor.next();
        this.block(cursor, line); // Source locations of UST events; nothing is decoded with them.
        return;
      }
    }
    if (!cursor.is('struct') && !cursor.is('enum') && !cursor.is('variant')) {
      throw metadataInvalid(line, `unexpected "${cursor.next().text}"`);
    }
    parseSpecifier(cursor, this.scope);
    cursor.expect(';');
  }

  private block(cursor: TokenCursor, line: number): Block {
    const scope = new TypeScope(this.scope);
    const attributes = new Map<string, Attribute>();
    const types = new Map<string, { type: CtfType; line: number }>();
    cursor.expect('{');
    while (!cursor.accept('}')) {
      if (parseTypeStatement(cursor, scope)) continue;
      const at = cursor.line;
      if ((cursor.is('struct') || cursor.is('enum') || cursor.is('variant')) && !cursor.is('=', 1)) {
        parseSpecifier(cursor, scope);
        cursor.expect(';');
        continue;
      }
      const first = cursor.peek();
      // LTTng quotes some keys of events ("model.emf.uri").
      const key = first?.kind === 'string' ? cursor.next().text : cursor.path().join('.');
      if (attributes.has(key) || types.has(key)) throw metadataInvalid(at, `"${key}" is given twice`);
      if (cursor.accept(':=')) types.set(key, { type: parseSpecifier(cursor, scope), line: at });
      else {
        cursor.expect('=');
        attributes.set(key, { line: at, value: parseAttributeValue(cursor) });
      }
      cursor.expect(';');
    }
    cursor.expect(';');
    return { line, attributes, types };
  }

  private readTrace(block: Block): void {
    if (this.traceBlock !== undefined) throw metadataInvalid(block.line, 'a second "trace" block');
    const major = integer(block, 'major') ?? 1n;
    const minor = integer(block, 'minor') ?? 8n;
    if (major !== 1n || minor !== 8n)
      throw metadataInvalid(block.line, `it is CTF ${major}.${minor}, Skua reads CTF 1.8`);
    const order = block.attributes.get('byte_order');
    const name = order?.value.kind === 'path' ? order.value.value[0] : undefined;
    const byteOrder = name === 'le' ? 'le' : name === 'be' || name === 'network' ? 'be' : undefined;
    if (byteOrder === undefined)
      throw metadataInvalid(order?.line ?? block.line, 'the trace has no valid byte_order');
    const uuid = text(block, 'uuid')?.toLowerCase();
    if (uuid !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) {
      throw metadataInvalid(block.line, `"${uuid}" is not a UUID`);
    }
    const packetHeader = struct(block, 'packet.header');
    if (packetHeader !== undefined) structSource(packetHeader, byteOrder, block.line);
    this.traceBlock = {
      byteOrder,
      ...(uuid === undefined ? {} : { uuid }),
      ...(packetHeader === undefined ? {} : { packetHeader }),
    };
  }

  private readEnv(block: Block): void {
    for (const [key, { line, value }] of block.attributes) {
      if (value.kind === 'path') throw metadataInvalid(line, `env.${key} is neither a number nor a string`);
      this.env.set(key, value.value);
    }
  }

  private readClock(block: Block): void {
    const attribute = block.attributes.get('name');
    const name =
      attribute?.value.kind === 'path' ? attribute.value.value.join('.') : attribute?.value.value.toString();
    if (name === undefined) throw metadataInvalid(block.line, 'a clock without name');
    if (this.clocks.has(name)) throw metadataInvalid(block.line, `the clock "${name}" is defined twice`);
    const frequency = integer(block, 'freq') ?? 1_000_000_000n;
    if (frequency <= 0n || frequency > 2n ** 63n)
      throw metadataInvalid(block.line, `a clock of ${frequency} Hz`);
    const uuid = text(block, 'uuid');
    const description = text(block, 'description');
    this.clocks.set(name, {
      name,
      ...(uuid === undefined ? {} : { uuid }),
      ...(description === undefined ? {} : { description }),
      frequency,
      offsetSeconds: integer(block, 'offset_s') ?? 0n,
      offsetCycles: integer(block, 'offset') ?? 0n,
    });
  }

  private readStream(block: Block): void {
    const id = smallId(block, 'id') ?? 0;
    if (this.streams.has(id)) throw metadataInvalid(block.line, `stream ${id} is defined twice`);
    const stream = {
      id,
      ...optional('packetContext', struct(block, 'packet.context')),
      ...optional('eventHeader', struct(block, 'event.header')),
      ...optional('eventContext', struct(block, 'event.context')),
      events: new Map<number, EventClass>(),
    };
    // Generating the decoder finds every reference that cannot be resolved, before any packet is read.
    const { byteOrder } = this.trace;
    if (stream.packetContext !== undefined) structSource(stream.packetContext, byteOrder, block.line);
    if (stream.eventHeader !== undefined) headerSource(stream.eventHeader, byteOrder, block.line);
    this.streams.set(id, stream);
  }

  private readEvent(block: Block): void {
    const id = smallId(block, 'id') ?? 0;
    const streamId = smallId(block, 'stream_id') ?? 0;
    const stream = this.streamOf(id, streamId, block.line);
    stream.events.set(id, this.eventOf(block, id, streamId, stream));
  }

  /** The stream class of a new event class. */
  private streamOf(
    id: number,
    streamId: number,
    line: number,
  ): StreamClass & { readonly events: Map<number, EventClass> } {
    const stream = this.streams.get(streamId);
    if (stream === undefined)
      throw metadataInvalid(line, `event ${id} belongs to stream ${streamId}, which is not defined`);
    if (stream.events.has(id))
      throw metadataInvalid(line, `event ${id} of stream ${streamId} is defined twice`);
    return stream;
  }

  private eventOf(block: Block, id: number, streamId: number, stream: StreamClass): EventClass {
    const name = block.attributes.get('name');
    if (name === undefined || name.value.kind === 'integer')
      throw metadataInvalid(block.line, `event ${id} has no name`);
    const logLevel = integer(block, 'loglevel');
    const event: EventClass = {
      id,
      streamId,
      name: name.value.kind === 'path' ? name.value.value.join('.') : name.value.value,
      ...optional('logLevel', logLevel === undefined ? undefined : Number(logLevel)),
      ...optional('context', struct(block, 'context')),
      ...optional('fields', struct(block, 'fields')),
    };
    eventSource(stream, event, this.trace.byteOrder, block.line);
    return event;
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Partial<Record<K, V>>);
}

function integer(block: Block, key: string): bigint | undefined {
  const attribute = block.attributes.get(key);
  if (attribute === undefined) return undefined;
  if (attribute.value.kind !== 'integer') throw metadataInvalid(attribute.line, `${key} is not a number`);
  return attribute.value.value;
}

function smallId(block: Block, key: string): number | undefined {
  const value = integer(block, key);
  if (value === undefined) return undefined;
  if (value < 0n || value > 0xffff_ffffn) throw metadataInvalid(block.line, `${key} is ${value}`);
  return Number(value);
}

function text(block: Block, key: string): string | undefined {
  const attribute = block.attributes.get(key);
  if (attribute === undefined) return undefined;
  if (attribute.value.kind !== 'string') throw metadataInvalid(attribute.line, `${key} is not a string`);
  return attribute.value.value;
}

function struct(block: Block, key: string): StructType | undefined {
  const found = block.types.get(key);
  if (found === undefined) return undefined;
  if (found.type.kind !== 'struct') throw unknownType(found.line, `${key} is not a structure`);
  return found.type;
}
