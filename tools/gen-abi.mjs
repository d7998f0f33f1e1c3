// Writes common/model/abi.ts from kernel/include/skua_abi.h, the one source of the kernel interface.
//   node tools/gen-abi.mjs          writes the file
//   import { generate } …           returns its text (a unit test compares it with what is there)
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = 'kernel/include/skua_abi.h';
export const target = join(root, 'common/model/abi.ts');

/** Every `#define SKUA_NAME value` whose value is a number or a string, without the prefix, in the header's order. */
export function generate() {
  const header = readFileSync(join(root, source), 'utf8');
  const constants = [...header.matchAll(/^#define SKUA_(\w+)\s+(0x[0-9a-fA-F]+|\d+|"[^"]*")/gm)].map(
    ([, name, value]) => `  ${name}: ${value.replaceAll('"', "'")},`,
  );
  return [
    `/** Generated from ${source} by tools/gen-abi.mjs: change it there. What the names mean is said there too. */`,
    'export const SKUA = {',
    ...constants,
    '} as const;',
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, generate());
