import type { Nanoseconds } from '../../common/base/time';
import type {
  Attributes,
  AttributeValue,
  Span,
  SpanEvent,
  SpanId,
  SpanLink,
  TraceId,
} from '../../common/model/span';
import type { ListedSpan } from '../../common/protocol/spanCodec';
import { spanIdOf } from './context';

/** A cheap upper-side guess of an attribute's encoded size, in bytes. */
export function attributeBytes(name: string, value: AttributeValue): number {
  return (
    name.length +
    10 +
    (typeof value === 'string' ? value.length : Array.isArray(value) ? value.length * 12 : 0)
  );
}

/** The attributes of a span, one after the other. Of a name that is there twice the last value counts. */
export class AttributeList {
  readonly names: string[] = [];
  readonly values: AttributeValue[] = [];
  /** Sum of their `attributeBytes`. */
  size = 0;

  add(name: string, value: AttributeValue): void {
    this.names.push(name);
    this.values.push(value);
    this.size += attributeBytes(name, value);
  }

  /** As many values as names. */
  addPairs(names: readonly string[], values: readonly AttributeValue[]): void {
    for (let index = 0; index < names.length; index += 1)
      this.add(names[index] as string, values[index] as AttributeValue);
  }

  addAll(attributes: Attributes): void {
    for (const name in attributes) {
      const value = attributes[name];
      if (value !== undefined) this.add(name, value);
    }
  }
}

/** What a system call's span has from its beginning. */
export interface KernelSpanParts {
  /** Of the system call. */
  readonly id: bigint;
  readonly pid: number;
  readonly traceId: TraceId;
  readonly parentSpanId: SpanId;
  readonly name: string;
  readonly processName: string;
  readonly startNs: Nanoseconds;
  readonly endNs: Nanoseconds | undefined;
  readonly status: Span['status'];
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
}

/**
 * A system call's span on its way from the kernel's events to whom it is for. What comes to it on the way is added to it instead of to a
 * copy at each stage, and no object is made of its attributes unless somebody reads them: a traced program makes many of these.
 */
export class KernelSpan implements ListedSpan {
  readonly id: bigint;
  readonly pid: number;
  readonly traceId: TraceId;
  readonly parentSpanId: SpanId;
  readonly name: string;
  readonly kind = 'internal';
  readonly origin = 'kernel';
  /** Of the program; its process' name as long as that is not known. */
  service: string;
  readonly startNs: Nanoseconds;
  declare readonly endNs?: Nanoseconds;
  readonly status: Span['status'];
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
  private object: Attributes | undefined;

  constructor(
    parts: KernelSpanParts,
    private readonly list: AttributeList,
  ) {
    this.id = parts.id;
    this.pid = parts.pid;
    this.traceId = parts.traceId;
    this.parentSpanId = parts.parentSpanId;
    this.name = parts.name;
    this.service = parts.processName;
    this.startNs = parts.startNs;
    if (parts.endNs !== undefined) this.endNs = parts.endNs;
    this.status = parts.status;
    this.events = parts.events;
    this.links = parts.links;
  }

  get spanId(): SpanId {
    return spanIdOf(this.id);
  }

  get attributeNames(): readonly string[] {
    return this.list.names;
  }

  get attributeValues(): readonly AttributeValue[] {
    return this.list.values;
  }

  get attributes(): Attributes {
    return (this.object ??= Object.fromEntries(
      this.list.names.map((name, index) => [name, this.list.values[index] as AttributeValue]),
    ));
  }

  /** Sum of its attributes' `attributeBytes`. */
  get attributesBytes(): number {
    return this.list.size;
  }

  /** Adds where it was called from, or why that is not known. */
  add(attributes: Attributes): void {
    this.list.addAll(attributes);
    this.object = undefined;
  }
}
