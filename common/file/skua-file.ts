/**
 * The `.skua` file: an Apache Arrow IPC file (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format) with one row
 * for each span, so that pandas, polars, DuckDB and others read it as it is. Columns and versions: docs/file-format.md.
 */
import {
  Field,
  List,
  makeData,
  RecordBatch,
  RecordBatchReader,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  type Data,
  type DataType,
  type TypeMap,
} from 'apache-arrow';
import { SkuaError } from '../base/errors';
import { ns } from '../base/time';
import type { Span, SpanEvent, SpanId, SpanLink, TraceId } from '../model/span';
import {
  child,
  listColumn,
  MAP,
  mapColumn,
  readList,
  readMap,
  readTimes,
  readUtf8,
  TextDictionary,
  TIMESTAMP,
  timeColumn,
  UTF8,
  utf8Column,
} from './arrow-columns';
import { checkArrowFile } from './arrow-check';
import { loadAttributes, storeAttributes } from './attributes';
import { decodeMeta, encodeMeta } from './meta-json';
import type { SavedTrace, TraceMeta } from './trace-meta';
import { upgrade } from './upgrades';

/** Raised with every change of the layout; each needs a step in upgrades.ts. */
export const FILE_VERSION = 1;
const VERSION_KEY = 'skua.version';
const META_KEY = 'skua.meta';

/** Rows of a record batch: keeps the offsets of long texts within 32 bits, and memory within bounds. */
const BATCH_ROWS = 65_536;

const KINDS: readonly string[] = [
  'internal',
  'server',
  'client',
  'producer',
  'consumer',
] satisfies Span['kind'][];
const CODES: readonly string[] = ['unset', 'ok', 'error'] satisfies Span['status']['code'][];

const struct = (fields: readonly Field[]): Struct => new Struct([...fields]);
const field = (name: string, type: DataType, nullable = false): Field => new Field(name, type, nullable);

const EVENT = struct([
  field('time', TIMESTAMP),
  field('name', UTF8),
  field('attributes', MAP),
  field('attribute_types', UTF8),
]);
const LINK = struct([
  field('trace_id', UTF8),
  field('span_id', UTF8),
  field('attributes', MAP),
  field('attribute_types', UTF8),
]);
const EVENTS = new List(field('item', EVENT));
const LINKS = new List(field('item', LINK));

/** Serialises a trace. The order of spans is kept. */
export function writeTrace(trace: SavedTrace): Uint8Array {
  const { meta, spans } = trace;
  // Traces, names, kinds, origins, services and status codes repeat.
  const dictionaries = {
    traceId: new TextDictionary(1),
    name: new TextDictionary(2),
    kind: new TextDictionary(3),
    origin: new TextDictionary(4),
    service: new TextDictionary(5),
    status: new TextDictionary(6),
  };
  for (const span of spans) {
    dictionaries.traceId.add(span.traceId);
    dictionaries.name.add(span.name);
    dictionaries.kind.add(span.kind);
    dictionaries.origin.add(span.origin);
    dictionaries.service.add(span.service);
    dictionaries.status.add(span.status.code);
  }
  const fields = [
    field('trace_id', dictionaries.traceId.type),
    field('span_id', UTF8),
    field('parent_span_id', UTF8, true),
    field('name', dictionaries.name.type),
    field('kind', dictionaries.kind.type),
    field('origin', dictionaries.origin.type),
    field('service', dictionaries.service.type),
    field('start', TIMESTAMP),
    field('end', TIMESTAMP, true),
    field('status', dictionaries.status.type),
    field('status_message', UTF8, true),
    field('attributes', MAP),
    field('attribute_types', UTF8),
    field('events', EVENTS),
    field('links', LINKS),
  ];
  const metadata = new Map([
    [VERSION_KEY, String(FILE_VERSION)],
    [META_KEY, encodeMeta(meta)],
  ]);
  const schema = new Schema(fields, metadata);
  const batches: RecordBatch[] = [];
  for (let start = 0; start === 0 || start < spans.length; start += BATCH_ROWS) {
    const rows = spans.slice(start, start + BATCH_ROWS);
    const attributes = rows.map((span) => storeAttributes(span.attributes));
    const children: Data[] = [
      dictionaries.traceId.column(rows.map((span) => span.traceId)),
      utf8Column(rows.map((span) => span.spanId)),
      utf8Column(rows.map((span) => span.parentSpanId)),
      dictionaries.name.column(rows.map((span) => span.name)),
      dictionaries.kind.column(rows.map((span) => span.kind)),
      dictionaries.origin.column(rows.map((span) => span.origin)),
      dictionaries.service.column(rows.map((span) => span.service)),
      timeColumn(rows.map((span) => span.startNs)),
      timeColumn(rows.map((span) => span.endNs)),
      dictionaries.status.column(rows.map((span) => span.status.code)),
      utf8Column(rows.map((span) => span.status.message)),
      mapColumn(attributes.map(({ pairs }) => pairs)),
      utf8Column(attributes.map(({ types }) => types)),
      eventColumn(rows),
      linkColumn(rows),
    ];
    const data = makeData({ type: struct(fields), length: rows.length, nullCount: 0, children });
    batches.push(new RecordBatch(schema, data as Data<Struct<TypeMap>>));
  }
  return tableToIPC(new Table(schema, batches), 'file');
}

function offsetsOf(rows: readonly (readonly unknown[])[]): Int32Array {
  const offsets = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => (offsets[i + 1] = (offsets[i] as number) + row.length));
  return offsets;
}

function eventColumn(rows: readonly Span[]): Data {
  const events = rows.flatMap((span) => span.events);
  const attributes = events.map((event) => storeAttributes(event.attributes));
  const children: Data[] = [
    timeColumn(events.map((event) => event.timeNs)),
    utf8Column(events.map((event) => event.name)),
    mapColumn(attributes.map(({ pairs }) => pairs)),
    utf8Column(attributes.map(({ types }) => types)),
  ];
  const items = makeData({ type: EVENT, length: events.length, nullCount: 0, children });
  return listColumn(EVENTS, offsetsOf(rows.map((span) => span.events)), items);
}

function linkColumn(rows: readonly Span[]): Data {
  const links = rows.flatMap((span) => span.links);
  const attributes = links.map((link) => storeAttributes(link.attributes));
  const children: Data[] = [
    utf8Column(links.map((link) => link.traceId)),
    utf8Column(links.map((link) => link.spanId)),
    mapColumn(attributes.map(({ pairs }) => pairs)),
    utf8Column(attributes.map(({ types }) => types)),
  ];
  const items = makeData({ type: LINK, length: links.length, nullCount: 0, children });
  return listColumn(LINKS, offsetsOf(rows.map((span) => span.links)), items);
}

/** Reads a trace. Throws SkuaError `file-invalid` or `file-too-new`. */
export function readTrace(bytes: Uint8Array): SavedTrace {
  return guarded(() => {
    checkArrowFile(bytes);
    // Version first: a newer file may have columns that only look familiar.
    const version = checkedVersion(RecordBatchReader.from(bytes).open().schema);
    const table = tableFromIPC(bytes);
    for (const batch of table.batches) checkLengths(batch.data, bytes.length);
    return upgrade(
      { meta: metaOf(table.schema), spans: table.batches.flatMap(readBatch) },
      version,
      FILE_VERSION,
    );
  });
}

/** Reads only what a trace says about its session. Throws SkuaError `file-invalid` or `file-too-new`. */
export function readTraceMeta(bytes: Uint8Array): TraceMeta {
  return guarded(() => {
    checkArrowFile(bytes);
    const { schema } = RecordBatchReader.from(bytes).open();
    const version = checkedVersion(schema);
    return upgrade({ meta: metaOf(schema), spans: [] }, version, FILE_VERSION).meta;
  });
}

/** A row takes at least a byte: a damaged length must not make the reader count to a quintillion. */
function checkLengths(data: Data, most: number): void {
  if (!(data.length >= 0 && data.length <= most)) throw new Error('a column is longer than the file');
  for (const part of data.children) checkLengths(part, most);
  for (const part of (data.dictionary?.data ?? []) as readonly Data[]) checkLengths(part, most);
}

function checkedVersion(schema: Schema): number {
  const text = schema.metadata.get(VERSION_KEY);
  if (text === undefined) throw new Error('it is an Arrow file, but not one of Skua');
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`its version is "${text.slice(0, 20)}"`);
  const version = Number(text);
  if (version > FILE_VERSION) {
    throw new SkuaError({
      code: 'file-too-new',
      message: `The trace was saved in format ${version}; this Skua reads formats up to ${FILE_VERSION}.`,
      remedy: 'Update Skua to open it, or save it again with the older version.',
    });
  }
  return version;
}

function metaOf(schema: Schema): TraceMeta {
  return decodeMeta(schema.metadata.get(META_KEY) ?? '');
}

function readBatch(batch: RecordBatch): Span[] {
  const column = (name: string): Data => {
    const index = batch.schema.fields.findIndex((f) => f.name === name);
    const data = batch.data.children[index];
    if (data?.length !== batch.numRows)
      throw new Error(`its column "${name}" is missing or has another length`);
    return data;
  };
  const traceIds = readUtf8(column('trace_id'));
  const spanIds = readUtf8(column('span_id'));
  const parents = readUtf8(column('parent_span_id'));
  const names = readUtf8(column('name'));
  const kinds = readUtf8(column('kind'));
  const origins = readUtf8(column('origin'));
  const services = readUtf8(column('service'));
  const starts = readTimes(column('start'));
  const ends = readTimes(column('end'));
  const statuses = readUtf8(column('status'));
  const messages = readUtf8(column('status_message'));
  const attributes = readMap(column('attributes'));
  const types = readUtf8(column('attribute_types'));
  const events = readList(column('events'), readEvents(child(column('events'), 0)));
  const links = readList(column('links'), readLinks(child(column('links'), 0)));
  return traceIds.map((traceId, i): Span => {
    const parent = parents[i];
    const end = ends[i];
    const message = messages[i];
    return {
      traceId: id(traceId, 32) as TraceId,
      spanId: id(spanIds[i], 16) as SpanId,
      ...(parent === undefined ? {} : { parentSpanId: id(parent, 16) as SpanId }),
      name: names[i] ?? '',
      kind: oneOf(KINDS, kinds[i]) as Span['kind'],
      origin: oneOf(['user', 'kernel'], origins[i]) as Span['origin'],
      service: services[i] ?? '',
      startNs: ns(present(starts[i])),
      ...(end === undefined ? {} : { endNs: ns(end) }),
      status: {
        code: oneOf(CODES, statuses[i]) as Span['status']['code'],
        ...(message === undefined ? {} : { message }),
      },
      attributes: loadAttributes({ pairs: attributes[i] ?? [], types: types[i] ?? '' }),
      events: events[i] ?? [],
      links: links[i] ?? [],
    };
  });
}

function readEvents(data: Data): SpanEvent[] {
  const times = readTimes(child(data, 0));
  const names = readUtf8(child(data, 1));
  const attributes = readMap(child(data, 2));
  const types = readUtf8(child(data, 3));
  return times.map((time, i) => ({
    timeNs: ns(present(time)),
    name: names[i] ?? '',
    attributes: loadAttributes({ pairs: attributes[i] ?? [], types: types[i] ?? '' }),
  }));
}

function readLinks(data: Data): SpanLink[] {
  const traceIds = readUtf8(child(data, 0));
  const spanIds = readUtf8(child(data, 1));
  const attributes = readMap(child(data, 2));
  const types = readUtf8(child(data, 3));
  return traceIds.map((traceId, i) => ({
    traceId: id(traceId, 32) as TraceId,
    spanId: id(spanIds[i], 16) as SpanId,
    attributes: loadAttributes({ pairs: attributes[i] ?? [], types: types[i] ?? '' }),
  }));
}

function id(text: string | undefined, digits: number): string {
  if (text?.length !== digits || !/^[0-9a-f]*$/.test(text)) throw new Error('a span whose ids are not valid');
  return text;
}

function oneOf(allowed: readonly string[], value: string | undefined): string {
  if (value === undefined || !allowed.includes(value))
    throw new Error(`a span with the value "${value ?? ''}"`);
  return value;
}

function present(value: bigint | undefined): bigint {
  if (value === undefined) throw new Error('a span without start');
  return value;
}

/** Whatever goes wrong while an untrusted file is taken apart means that the file is damaged. */
function guarded<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof SkuaError) throw cause;
    throw new SkuaError(
      {
        code: 'file-invalid',
        message: `The file is not a readable Skua trace: ${cause instanceof Error ? cause.message : String(cause)}.`,
        remedy:
          'Choose a file that Skua saved (.skua). If it was copied or downloaded, do that again: it may be cut short.',
      },
      { cause },
    );
  }
}
