/**
 * LTTng's machine interface (`lttng --mi xml`, schema lttng-mi 4.x of lttng-tools 2.13; 4.x only adds elements). Pure.
 */
import { XMLParser } from 'fast-xml-parser';

export interface MiSession {
  readonly name: string;
  readonly path: string;
  readonly active: boolean;
  /** Microseconds; 0 when the session is not live. */
  readonly liveTimerUs: number;
}

export interface MiItem {
  readonly name: string;
  readonly success: boolean;
}

export interface MiReply {
  readonly command: string;
  readonly success: boolean;
  readonly sessions: readonly MiSession[];
  /** Kernel events of a `list --kernel`, or those an `enable-event` speaks of. */
  readonly events: readonly MiItem[];
  readonly channels: readonly MiItem[];
  readonly contexts: readonly MiItem[];
}

const LISTS = new Set(['session', 'event', 'channel', 'context', 'domain']);
const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  isArray: (name) => LISTS.has(name),
});

/** Reads a reply. Undefined when the text is not one (lttng printed plain text, as it does for errors of its own options). */
export function parseMi(xml: string): MiReply | undefined {
  const start = xml.indexOf('<?xml');
  if (start < 0) return undefined;
  let root: unknown;
  try {
    root = parser.parse(xml.slice(start));
  } catch {
    return undefined; // Not XML: the caller shows the raw text.
  }
  const command = get(root, 'command');
  if (command === undefined) return undefined;
  const output = get(command, 'output');
  const sessions = [...list(get(output, 'sessions'), 'session'), ...list(output, 'session')];
  const domains = [...list(get(output, 'domains'), 'domain')];
  return {
    command: text(get(command, 'name')),
    success: text(get(command, 'success')) !== 'false',
    sessions: sessions.map((session) => ({
      name: text(get(session, 'name')),
      path: text(get(session, 'path')),
      active: text(get(session, 'enabled')) === 'true',
      liveTimerUs: Number(text(get(session, 'live_timer_interval'))),
    })),
    events: [
      ...list(get(output, 'events'), 'event'),
      ...domains.flatMap((d) => list(get(d, 'events'), 'event')),
    ].map(item),
    channels: list(get(output, 'channels'), 'channel').map(item),
    contexts: list(get(output, 'contexts'), 'context').map((context) => ({
      name: text(get(context, 'symbol')),
      success: text(get(context, 'success')) !== 'false',
    })),
  };
}

function item(node: unknown): MiItem {
  return { name: text(get(node, 'name')), success: text(get(node, 'success')) !== 'false' };
}

function get(node: unknown, key: string): unknown {
  return typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[key] : undefined;
}

function list(node: unknown, key: string): readonly unknown[] {
  const value = get(node, key);
  return Array.isArray(value) ? value : [];
}

function text(node: unknown): string {
  return typeof node === 'string' ? node : '';
}
