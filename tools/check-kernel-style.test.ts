import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('check-kernel-style.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'skua-style-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** "line: problem" of each. */
function problems(name: string, text: string): readonly string[] {
  const file = join(folder, name);
  writeFileSync(file, text);
  const { stderr, status } = spawnSync('node', [SCRIPT, file], { encoding: 'utf8' });
  const found = stderr.split('\n').filter((line) => line !== '');
  expect(status).toBe(found.length > 0 ? 1 : 0);
  return found.map((line) => line.slice(file.length + 1));
}

const SPDX = '// SPDX-License-Identifier: GPL-2.0-only\n';

describe('kernel style', () => {
  it('accepts the style', () => {
    const good = `${SPDX}/* A comment with http://example.org */\nint f(char *a, u32 **b)\n{\n\tif (a) {\n\t\tg("a // b");\n\t} else {\n\t\treturn *a * 2;\n\t}\n}\n`;
    expect(problems('good.c', good)).toEqual([]);
  });

  it.each([
    ['\tx = 1; \n', 'white space at the end of the line'],
    ['        x = 1;\n', 'indentation by spaces'],
    ['x \t= 1;\n', 'a space before a tab'],
    [`\t${'x'.repeat(125)}\n`, 'more than 130 columns'],
    ['\tx = 1; // one\n', 'a C++ comment'],
    ['\tif(x)\n', 'no space after a keyword'],
    ['\tif (x)\n\t{\n', '"{" on a line of its own inside a function'],
    ['\t}\n\telse\n', '"}" and "else" on two lines'],
    ['int f(char* a);\n', '"*" on the side of the type'],
    ['int f(struct task_struct * a);\n', '"*" on the side of the type'],
  ])('reports %j', (text, problem) => {
    expect(problems('bad.c', SPDX + text).map((line) => line.replace(/^\d+: /, ''))).toEqual([problem]);
  });

  it('reports a file without a licence', () => {
    expect(problems('none.c', 'int x;\n')).toEqual(['1: no SPDX line at the top']);
  });

  it('reads only what a patch adds', () => {
    const patch = `SPDX-License-Identifier: GPL-2.0-only\nText.\n\n--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n         old spaces \n+        new spaces\n`;
    expect(problems('x.patch', patch)).toEqual(['8: indentation by spaces']);
  });
});
