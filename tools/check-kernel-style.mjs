// The mechanical part of the kernel's coding style, for kernel/ and its patches' added lines; why not clang-format: docs/decisions/0013.
//   usage: node tools/check-kernel-style.mjs FILE…
import { readFileSync } from 'node:fs';

const MAX_COLUMNS = 130;

/** [what is wrong, whether a line is]. `line` has its tabs; `code` is the line without string literals. */
const rules = [
  ['white space at the end of the line', ({ line }) => /[ \t]$/.test(line)],
  ['indentation by spaces', ({ line }) => /^(\t* {8}| {2,}(?![ *]))/.test(line) && !line.endsWith('\\')],
  ['a space before a tab', ({ line }) => / \t/.test(line)],
  [
    `more than ${MAX_COLUMNS} columns`,
    ({ line }) => columns(line) > MAX_COLUMNS && !/"[^"]{40,}"/.test(line),
  ],
  ['a C++ comment', ({ code, number }) => /(^|[^:])\/\//.test(code) && number > 1],
  ['no space after a keyword', ({ code }) => /\b(if|for|while|switch)\(/.test(code)],
  ['"{" on a line of its own inside a function', ({ line }) => /^\t+\{$/.test(line)],
  ['"}" and "else" on two lines', ({ line, before }) => /^\t*else\b/.test(line) && /^\t*\}$/.test(before)],
  [
    '"*" on the side of the type',
    ({ code }) => /\b(char|int|void|u8|u16|u32|u64|struct \w+)( \*|\*) +(?!const\b)\w/.test(code),
  ],
];

let problems = 0;
for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  if (!/SPDX-License-Identifier: /.test(text.split('\n', 3).join('\n')))
    report(file, 1, 'no SPDX line at the top');
  if (!text.endsWith('\n') || text.endsWith('\n\n'))
    report(file, text.split('\n').length, 'not exactly one line end at the end');
  let before = '';
  for (const [line, number] of lines(file, text)) {
    const code = line.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\/\*.*?(\*\/|$)/g, '');
    for (const [what, wrong] of rules) if (wrong({ line, code, number, before })) report(file, number, what);
    before = line;
  }
}
process.exitCode = problems > 0 ? 1 : 0;

function report(file, number, what) {
  problems += 1;
  console.error(`${file}:${number}: ${what}`);
}

/** [text, line number]; of a patch only what it adds. */
function lines(file, text) {
  const all = text.split('\n').map((line, index) => [line, index + 1]);
  if (!file.endsWith('.patch')) return all;
  return all.filter(([line]) => /^\+(?!\+\+ )/.test(line)).map(([line, number]) => [line.slice(1), number]);
}

function columns(line) {
  let at = 0;
  for (const character of line) at = character === '\t' ? (Math.floor(at / 8) + 1) * 8 : at + 1;
  return at;
}
