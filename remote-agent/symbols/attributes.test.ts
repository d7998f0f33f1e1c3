import { describe, expect, it } from 'vitest';
import { sourceAttributes } from './attributes';
import type { SymbolizedStack } from './types';

const frames: SymbolizedStack['frames'] = [
  { address: '0x7f0000000010', module: '/lib/libc.so.6', function: 'write', inlined: false },
  {
    address: '0x401136',
    module: '/home/me/app',
    function: 'save(int)',
    file: '/home/me/app.cpp',
    line: 12,
    column: 7,
    inlined: false,
  },
  { address: '0x55', inlined: true },
];

describe('sourceAttributes', () => {
  it('gives position, function and the whole stack of a known source line', () => {
    expect(sourceAttributes({ frames, end: 'complete', source: { known: true, frame: 1 } })).toEqual({
      'code.file.path': '/home/me/app.cpp',
      'code.line.number': 12,
      'code.column.number': 7,
      'code.function.name': 'save(int)',
      'code.stacktrace': 'write (/lib/libc.so.6)\nsave(int) (/home/me/app.cpp:12)\n0x55 (unknown) [inlined]',
    });
  });

  it('gives the reason instead of a position when none is known, and says where the stack ends', () => {
    expect(
      sourceAttributes({
        frames: frames.slice(0, 1),
        end: 'no-cfi',
        source: { known: false, reason: 'unwind-failed' },
      }),
    ).toEqual({
      'skua.source.unknown': 'unwind-failed',
      'code.stacktrace': 'write (/lib/libc.so.6)\n… (no-cfi)',
    });
  });

  it('gives no stack where there is none', () => {
    expect(
      sourceAttributes({ frames: [], end: 'no-stack', source: { known: false, reason: 'no-stack' } }),
    ).toEqual({
      'skua.source.unknown': 'no-stack',
    });
  });

  it('refuses a source frame without a line: that would be a bug of the helper', () => {
    expect(() => sourceAttributes({ frames, end: 'complete', source: { known: true, frame: 0 } })).toThrow();
  });
});
