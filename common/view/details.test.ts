import { describe, expect, it } from 'vitest';
import { descendantsOf, sourceLocation, spanDetails, spanEvents } from './details';
import { parseStack } from './stack';
import { SpanStore } from './store';
import { BEGINNING, makeSpan } from './testing';

const resolve = (file: string) => Promise.resolve(file.startsWith('/src/') ? `/work${file}` : undefined);

describe('spanDetails', () => {
  it('shows a failed call with its arguments in order, its error in words and its stack', async () => {
    const store = new SpanStore();
    store.upsert([
      makeSpan({
        id: 1,
        kernel: true,
        name: 'openat',
        start: 10,
        end: 30,
        tid: 7,
        error: 'ENOENT',
        attributes: {
          'skua.syscall.args': ['dfd', 'filename'],
          'skua.syscall.arg.filename': '/nope',
          'skua.syscall.arg.dfd': 'AT_FDCWD',
          'skua.syscall.arg.extra': 1n,
          'skua.syscall.ret': -2n,
          'code.file.path': '/src/a.cpp',
          'code.line.number': 5,
          'code.stacktrace':
            'inner(int) (/src/a.cpp:5) [inlined]\nouter (/other/b.cpp:9:3)\n0x7f00 (/lib/libc.so.6)\n… (no-cfi)',
          'my.own': [1, 2],
        },
      }),
    ]);
    const details = await spanDetails(store, 0, resolve);
    expect(details).toMatchObject({
      startNs: String(BEGINNING + 10n),
      durationNs: '20',
      errno: { name: 'ENOENT', text: 'No such file or directory' },
      returned: '-2',
      tid: 7,
      args: [
        { name: 'dfd', text: 'AT_FDCWD' },
        { name: 'filename', text: '/nope' },
        { name: 'extra', text: '1' },
      ],
      source: { file: '/src/a.cpp', line: 5, localPath: '/work/src/a.cpp' },
      attributes: [{ name: 'my.own', text: '1, 2' }],
      frames: [
        {
          label: 'inner(int)',
          inlined: true,
          source: { file: '/src/a.cpp', line: 5, localPath: '/work/src/a.cpp' },
        },
        { label: 'outer', inlined: false, source: { file: '/other/b.cpp', line: 9, column: 3 } },
        { label: '0x7f00', module: '/lib/libc.so.6' },
        { label: '… (no-cfi)' },
      ],
    });
    // What a webview gets must survive JSON: no bigint anywhere.
    expect(() => JSON.stringify(details)).not.toThrow();
  });

  it('says which function of the C library is behind a call of another name', async () => {
    const store = new SpanStore();
    const attributes = { 'skua.syscall.arg.dfd': 'AT_FDCWD' };
    store.upsert([makeSpan({ id: 1, kernel: true, name: 'openat', start: 1, end: 2, attributes })]);
    store.upsert([makeSpan({ id: 2, kernel: true, name: 'getpid', start: 3, end: 4 })]);
    const [openat, getpid] = [await spanDetails(store, 0, resolve), await spanDetails(store, 1, resolve)];
    expect(openat?.libraryCall).toBe(
      'What open, creat, fopen makes: glibc implements open as openat(AT_FDCWD, …) since 2.26.',
    );
    expect(getpid).not.toHaveProperty('libraryCall');
  });

  it('has nothing to say about a placeholder', async () => {
    const store = new SpanStore();
    store.upsert([makeSpan({ id: 2, parent: 1, start: 0, end: 1 })]);
    expect(await spanDetails(store, 0, resolve)).toBeUndefined();
  });

  it('finds the location of a frame', () => {
    const span = makeSpan({
      id: 1,
      start: 0,
      attributes: { 'code.stacktrace': 'f (/src/x.c:3)\ng (/lib/y.so)' },
    });
    expect(sourceLocation(span, 0)).toEqual({ file: '/src/x.c', line: 3 });
    expect(sourceLocation(span, 1)).toBeUndefined();
    expect(sourceLocation(span)).toBeUndefined();
  });
});

describe('parseStack', () => {
  it('keeps C++ names with parentheses whole', () => {
    expect(parseStack('a::b(std::function<void (int)>) const (/s/a.hpp:1)\n\nmain')).toEqual([
      { label: 'a::b(std::function<void (int)>) const', inlined: false, file: '/s/a.hpp', line: 1 },
      { label: 'main', inlined: false },
    ]);
  });
});

describe('spanEvents', () => {
  const store = new SpanStore();
  store.upsert([
    makeSpan({ id: 1, start: 0, end: 100, events: [[50, 'own']] }),
    makeSpan({ id: 2, parent: 1, start: 10, end: 20, events: [[15, 'child']] }),
    makeSpan({ id: 3, parent: 2, start: 12, end: 14, events: [[13, 'grandchild']] }),
    makeSpan({ id: 9, trace: 2, start: 0, end: 100, events: [[1, 'stranger']] }),
  ]);
  const query = { index: 0, descendants: true, from: -Infinity, to: Infinity, limit: 10 };
  const names = (change: Partial<typeof query>) =>
    spanEvents(store, { ...query, ...change }).events.map((e) => e.name);

  it('lists a span’s own events, or those of everything below it, in order of time', () => {
    expect(names({ descendants: false })).toEqual(['own']);
    expect(names({})).toEqual(['grandchild', 'child', 'own']);
  });

  it('keeps to the window and the limit, and counts all', () => {
    expect(names({ from: 14, to: 50 })).toEqual(['child', 'own']);
    const limited = spanEvents(store, { ...query, limit: 1 });
    expect([limited.events.map((e) => e.name), limited.total]).toEqual([['grandchild'], 3]);
  });

  it('finds descendants whatever the order of indices', () => {
    const late = new SpanStore();
    late.upsert([
      makeSpan({ id: 3, parent: 2, start: 0, end: 1 }),
      makeSpan({ id: 2, parent: 1, start: 0, end: 1 }),
    ]);
    // Indices: 0 is span 2 (first a placeholder), 1 is span 3, 2 is the placeholder of span 1.
    expect([...descendantsOf(late, 2)].sort()).toEqual([0, 1]);
  });
});
