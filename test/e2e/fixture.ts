/**
 * A recorded trace for the tests that need no target: what `workspace/src` would give, with the lines of its real calls. Built as spans
 * and written through the product's own file format, so that reading it is tested too.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ns } from '../../common/base/time';
import {
  ATTR,
  type Attributes,
  type Span,
  type SpanEvent,
  type SpanId,
  type TraceId,
} from '../../common/model/span';

export const WORKSPACE = path.join(__dirname, 'workspace');
/** Where the program was "built": nothing there exists here, so that every link goes through the path mapping. */
const BUILT_IN = '/build/journal';
const EPOCH = 1_790_000_000_000_000_000n;

/** Line of the only line of a workspace file that contains `text`. */
export function lineOf(file: string, text: string): number {
  const lines = readFileSync(path.join(WORKSPACE, file), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(text) ? [index + 1] : []));
  if (found.length !== 1) throw new Error(`${file} has ${found.length} lines with "${text}".`);
  return found[0] as number;
}

interface Call {
  readonly name: string;
  readonly micros: number;
  readonly args?: Readonly<Record<string, string | number>>;
  readonly ret: number;
  readonly errno?: string;
  readonly fdPath?: string;
  readonly where?: readonly [file: string, text: string, fn: string];
  readonly events?: readonly {
    readonly at: number;
    readonly name: string;
    readonly attributes: Attributes;
  }[];
}

const JOURNAL = '/tmp/journal.log';
const block = (at: number, name: string): { at: number; name: string; attributes: Attributes } => ({
  at,
  name,
  attributes: { dev: 265289728, sector: 1234, nr_sector: 8, comm: 'journal' },
});

function callsOfEntry(slow: boolean): readonly Call[] {
  return [
    {
      name: 'openat',
      micros: 38,
      args: {
        dfd: 'AT_FDCWD',
        filename: JOURNAL,
        flags: 'O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC',
        mode: '0644',
      },
      ret: 3,
      where: ['src/journal.c', 'return open(path', 'journal_open'],
    },
    {
      name: 'write',
      micros: slow ? 900 : 61,
      args: { fd: 3, buf: '0x7ffd1f2a', count: 17 },
      ret: 17,
      fdPath: JOURNAL,
      where: ['src/journal.c', 'write(fd, line', 'journal_append'],
    },
    {
      name: 'fsync',
      micros: slow ? 5200 : 1400,
      args: { fd: 3 },
      ret: 0,
      fdPath: JOURNAL,
      where: ['src/journal.c', 'fsync(fd)', 'journal_append'],
      events: [block(120, 'block_rq_issue'), block(1100, 'block_rq_complete')],
    },
    {
      name: 'close',
      micros: 12,
      args: { fd: 3 },
      ret: 0,
      fdPath: JOURNAL,
      where: ['src/journal.c', 'close(fd)', 'journal_append'],
    },
  ];
}

/** Eight `append` spans with their calls below one `request`, then a failing call and one without a source line. */
export function fixtureSpans(): readonly Span[] {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736' as TraceId;
  const spans: Span[] = [];
  let counter = 0n;
  let at = 0;
  const nextId = (): SpanId => (0x00f067aa0ba90200n + counter++).toString(16).padStart(16, '0') as SpanId;
  const time = (micros: number): ReturnType<typeof ns> => ns(EPOCH + BigInt(Math.round(micros * 1000)));
  const common = { service: 'journal', links: [], kind: 'internal' } as const;

  const call = (c: Call, parent: SpanId): void => {
    const start = at;
    at += c.micros;
    const attributes: Record<string, Attributes[string]> = {
      [ATTR.syscallNr]: counter,
      [ATTR.syscallRet]: BigInt(c.ret),
      [ATTR.syscallArgs]: Object.keys(c.args ?? {}),
      [ATTR.pid]: 4711,
      [ATTR.osTid]: 4711,
      [ATTR.cpu]: 1,
      [ATTR.processName]: 'journal',
    };
    for (const [name, value] of Object.entries(c.args ?? {}))
      attributes[ATTR.syscallArgPrefix + name] = value;
    if (c.fdPath !== undefined) attributes[ATTR.fdPath] = c.fdPath;
    if (c.errno !== undefined) attributes[ATTR.syscallErrno] = c.errno;
    if (c.where === undefined) {
      attributes[ATTR.sourceUnknown] = 'no-debug-info';
    } else {
      const [file, text, fn] = c.where;
      attributes[ATTR.codeFile] = `${BUILT_IN}/${file}`;
      attributes[ATTR.codeLine] = lineOf(file, text);
      attributes[ATTR.codeFunction] = fn;
      attributes[ATTR.codeStacktrace] = [
        `${fn} (${BUILT_IN}/${file}:${lineOf(file, text)})`,
        `main (${BUILT_IN}/src/main.c:${lineOf('src/main.c', 'journal_append(')})`,
        '0x7f3a2c1d (/lib/x86_64-linux-gnu/libc.so.6)',
      ].join('\n');
    }
    spans.push({
      ...common,
      traceId,
      spanId: nextId(),
      parentSpanId: parent,
      name: c.name,
      origin: 'kernel',
      startNs: time(start),
      endNs: time(at),
      status: c.errno === undefined ? { code: 'unset' } : { code: 'error', message: c.errno },
      attributes,
      events: (c.events ?? []).map((e): SpanEvent => ({
        timeNs: time(start + e.at),
        name: e.name,
        attributes: e.attributes,
      })),
    });
    at += 9;
  };
  const user = (
    name: string,
    spanId: SpanId,
    parent: SpanId | undefined,
    start: number,
    events: readonly SpanEvent[] = [],
  ): void => {
    spans.push({
      ...common,
      traceId,
      spanId,
      ...(parent === undefined ? {} : { parentSpanId: parent }),
      name,
      origin: 'user',
      startNs: time(start),
      endNs: time(at),
      status: { code: 'unset' },
      attributes: { [ATTR.pid]: 4711, [ATTR.processName]: 'journal', component: 'journal' },
      events,
    });
  };

  const request = nextId();
  at = 40;
  for (let i = 0; i < 8; i += 1) {
    const append = nextId();
    const start = at;
    at += 20;
    for (const c of callsOfEntry(i === 5)) call(c, append);
    user('append', append, request, start, [
      { timeNs: time(start + 5), name: 'entry formatted', attributes: { length: 17 } },
    ]);
    at += 15;
    call(
      {
        name: 'nanosleep',
        micros: 2080,
        args: { rqtp: '2 ms' },
        ret: 0,
        where: ['src/main.c', 'nanosleep(&delay', 'pause_briefly'],
      },
      request,
    );
  }
  call(
    {
      name: 'newfstatat',
      micros: 21,
      args: { dfd: 'AT_FDCWD', filename: '/etc/missing.conf' },
      ret: -2,
      errno: 'ENOENT',
      where: ['src/main.c', 'stat("/etc/missing.conf"', 'main'],
    },
    request,
  );
  call({ name: 'brk', micros: 6, args: { brk: '0x0' }, ret: 94_000_000 }, request);
  at += 30;
  user('request', request, undefined, 0);
  return spans;
}

/** One call whose source is in no folder here. */
export function elsewhereSpans(): readonly Span[] {
  return fixtureSpans()
    .filter(({ name }) => name === 'openat' || name === 'request')
    .slice(-2)
    .map((span) => ({
      ...span,
      attributes:
        span.origin === 'user'
          ? span.attributes
          : { ...span.attributes, [ATTR.codeFile]: '/build/other/library.c', [ATTR.codeLine]: 3 },
    }));
}
