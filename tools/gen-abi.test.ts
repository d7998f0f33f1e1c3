import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SKUA } from '../common/model/abi';
import { generate, target } from './gen-abi.mjs';

describe('common/model/abi.ts', () => {
  it('is what the kernel header says (if not: node tools/gen-abi.mjs)', () => {
    expect(readFileSync(target, 'utf8')).toBe(generate());
  });

  it('has the values that the record and its reader depend on', () => {
    expect(SKUA).toMatchObject({ ABI_VERSION: 2, RECORD_HEADER_BYTES: 28, REGS_BYTES: 8 * SKUA.REGS_COUNT });
    expect(SKUA.PROC_CONTEXT).toBe(`/proc/${SKUA.PROC_DIR}/context`);
    const flags = Object.entries(SKUA).filter(([name]) => name.startsWith('FLAG_'));
    expect(new Set(flags.map(([, bit]) => bit)).size).toBe(flags.length);
  });
});
