/**
 * The search language of the timeline, parsed once and evaluated on whole spans by the extension host.
 *
 *   write /tmp            both texts occur in name, arguments, file, function, status or service
 *   "two words"  -futex   a text with blanks; spans without the text
 *   >1ms  <=20us          duration (an unfinished span has none and never matches)
 *   blocked:>1ms  runnable:>1ms   time asleep, time waiting for a CPU (where that is known)
 *   waker:bank            thread or id of who woke it
 *   name:open  file:a.cpp  arg:O_RDONLY  status:ENOENT  service:web  event:sched_switch
 *   tid:12  pid:34  trace:4bf9  span:00f0  class:network  is:error|unfinished|lost|syscall|user|nosource
 */
import { ATTR, type AttributeValue, type Span } from '../model/span';
import { wakerOf, wakerText } from '../model/waiting';
import { CATEGORY_NAMES, categoryOf } from './flags';
import { parseDuration } from './format';
import { numeric, text } from './store';

export type Term =
  | { readonly kind: 'text'; readonly field: TextField; readonly value: string }
  | {
      readonly kind: 'duration';
      readonly of: 'all' | 'blocked' | 'runnable';
      readonly op: '<' | '<=' | '>' | '>=';
      readonly ns: number;
    }
  | { readonly kind: 'number'; readonly field: 'tid' | 'pid'; readonly value: number }
  | { readonly kind: 'class'; readonly value: string }
  | { readonly kind: 'is'; readonly value: IsWord };

export type TextField =
  'any' | 'name' | 'file' | 'arg' | 'status' | 'service' | 'event' | 'waker' | 'trace' | 'span';
const IS_WORDS = ['error', 'unfinished', 'lost', 'syscall', 'user', 'nosource'] as const;
type IsWord = (typeof IS_WORDS)[number];
const TEXT_FIELDS: readonly string[] = [
  'name',
  'file',
  'arg',
  'status',
  'service',
  'event',
  'waker',
  'trace',
  'span',
];

export interface QueryTerm {
  readonly not: boolean;
  readonly term: Term;
}
export type Query = readonly QueryTerm[];
export type ParsedQuery =
  { readonly ok: true; readonly query: Query } | { readonly ok: false; readonly problem: string };

/** Parses a query; every term must hold. An empty query has no terms and is ok. Case is ignored in texts. */
export function parseQuery(input: string): ParsedQuery {
  const query: QueryTerm[] = [];
  for (const token of tokens(input)) {
    const not = token.raw.startsWith('-') && token.raw.length > 1;
    const term = parseTerm(not ? token.value.slice(1) : token.value, token.quoted);
    if (typeof term === 'string') return { ok: false, problem: term };
    query.push({ not, term });
  }
  return { ok: true, query };
}

interface Token {
  readonly raw: string;
  readonly value: string;
  readonly quoted: boolean;
}

/** Splits at blanks outside double quotes; quotes are removed from `value`. An open quote runs to the end. */
function tokens(input: string): Token[] {
  const found: Token[] = [];
  for (const match of input.matchAll(/(?:"[^"]*"?|[^\s"])+/g)) {
    const raw = match[0];
    found.push({ raw, value: raw.replaceAll('"', ''), quoted: /^-?"/.test(raw) });
  }
  return found.filter((token) => token.value !== '' && token.value !== '-');
}

function parseTerm(value: string, quoted: boolean): Term | string {
  const any = { kind: 'text', field: 'any', value: value.toLowerCase() } as const;
  if (quoted) return any;
  const compare = /^(?:(dur|duration|blocked|runnable):)?(<=|>=|<|>)(.*)$/i.exec(value);
  if (compare) {
    const limit = parseDuration(compare[3] ?? '');
    if (limit === undefined) return `"${value}" is not a duration: write for example >1ms or <=20us.`;
    const field = compare[1]?.toLowerCase();
    const of = field === 'blocked' || field === 'runnable' ? field : 'all';
    return { kind: 'duration', of, op: compare[2] as '<', ns: limit };
  }
  const colon = value.indexOf(':');
  if (colon <= 0) return any;
  const field = value.slice(0, colon).toLowerCase();
  const rest = value.slice(colon + 1).toLowerCase();
  if (TEXT_FIELDS.includes(field)) return { kind: 'text', field: field as TextField, value: rest };
  if (field === 'tid' || field === 'pid') {
    return /^\d+$/.test(rest)
      ? { kind: 'number', field, value: Number(rest) }
      : `"${value}": ${field} wants a number.`;
  }
  if (field === 'class') {
    return (CATEGORY_NAMES as readonly string[]).includes(rest)
      ? { kind: 'class', value: rest }
      : `"${rest}" is not a class of system calls: use ${CATEGORY_NAMES.slice(1).join(', ')}.`;
  }
  if (field === 'is') {
    return (IS_WORDS as readonly string[]).includes(rest)
      ? { kind: 'is', value: rest as IsWord }
      : `is:${rest} is not known: use ${IS_WORDS.map((w) => `is:${w}`).join(', ')}.`;
  }
  // `main.cpp:12`, `http://x`: a colon inside an ordinary text.
  return any;
}

/** Whether a span fulfils every term. */
export function matches(query: Query, span: Span): boolean {
  for (const { not, term } of query) if (holds(term, span) === not) return false;
  return true;
}

function holds(term: Term, span: Span): boolean {
  switch (term.kind) {
    case 'text':
      return textHolds(term.field, term.value, span);
    case 'duration':
      return durationHolds(term, span);
    case 'number':
      return numeric(span.attributes[term.field === 'tid' ? ATTR.osTid : ATTR.pid]) === term.value;
    case 'class':
      return (
        (span.origin === 'user'
          ? 'user'
          : CATEGORY_NAMES[categoryOf(span.name, text(span.attributes[ATTR.fdPath]))]) === term.value
      );
    case 'is':
      return isHolds(term.value, span);
  }
}

function isHolds(word: IsWord, span: Span): boolean {
  switch (word) {
    case 'error':
      return span.status.code === 'error';
    case 'unfinished':
      return span.endNs === undefined;
    case 'lost':
      return (
        (numeric(span.attributes[ATTR.lostEvents]) ?? 0) > 0 || span.attributes[ATTR.unfinished] === 'lost'
      );
    case 'syscall':
      return span.origin === 'kernel';
    case 'user':
      return span.origin === 'user';
    case 'nosource':
      return span.attributes[ATTR.codeFile] === undefined;
  }
}

function durationHolds(term: Extract<Term, { kind: 'duration' }>, span: Span): boolean {
  const ns = lengthOf(term.of, span);
  if (ns === undefined) return false;
  switch (term.op) {
    case '<':
      return ns < term.ns;
    case '<=':
      return ns <= term.ns;
    case '>':
      return ns > term.ns;
    case '>=':
      return ns >= term.ns;
  }
}

/** ns; undefined while unfinished, and where the part is not known. */
function lengthOf(part: 'all' | 'blocked' | 'runnable', span: Span): number | undefined {
  if (part !== 'all') return numeric(span.attributes[part === 'blocked' ? ATTR.blockedNs : ATTR.runnableNs]);
  return span.endNs === undefined ? undefined : Number(span.endNs - span.startNs);
}

const has = (haystack: string | undefined, needle: string): boolean =>
  haystack?.toLowerCase().includes(needle) ?? false;

function textHolds(field: TextField, needle: string, span: Span): boolean {
  switch (field) {
    case 'name':
      return has(span.name, needle);
    case 'service':
      return has(span.service, needle);
    case 'file':
      return fileHolds(needle, span);
    case 'status':
      return statusHolds(needle, span);
    case 'arg':
      return argHolds(needle, span);
    case 'event':
      return span.events.some((event) => has(event.name, needle));
    case 'waker': {
      const waker = wakerOf(span.attributes);
      return waker !== undefined && has(wakerText(waker), needle);
    }
    case 'trace':
      return span.traceId.startsWith(needle);
    case 'span':
      return span.spanId.startsWith(needle);
    case 'any':
      return (
        has(span.name, needle) ||
        argHolds(needle, span) ||
        fileHolds(needle, span) ||
        statusHolds(needle, span) ||
        has(span.service, needle)
      );
  }
}

function fileHolds(needle: string, span: Span): boolean {
  const file = text(span.attributes[ATTR.codeFile]);
  if (file === undefined) return false;
  if (has(text(span.attributes[ATTR.codeFunction]), needle)) return true;
  const line = numeric(span.attributes[ATTR.codeLine]);
  return has(line === undefined ? file : `${file}:${line}`, needle);
}

function statusHolds(needle: string, span: Span): boolean {
  return (
    (span.status.code !== 'unset' && span.status.code === needle) ||
    has(span.status.message, needle) ||
    has(valueText(span.attributes[ATTR.syscallErrno]), needle)
  );
}

/** Arguments and resolved path of a system call, all attributes of a user span. */
function argHolds(needle: string, span: Span): boolean {
  for (const [name, value] of Object.entries(span.attributes)) {
    if (span.origin === 'kernel' && !name.startsWith(ATTR.syscallArgPrefix) && name !== ATTR.fdPath) continue;
    if (has(valueText(value), needle)) return true;
  }
  return false;
}

/** An attribute value as text: lists joined by ", ". */
export function valueText(value: AttributeValue | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'object' ? value.map(String).join(', ') : String(value);
}
