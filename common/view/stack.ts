/** Reads `code.stacktrace` (see ATTR.codeStacktrace): one frame a line, innermost first. */

export interface ParsedFrame {
  readonly label: string;
  readonly inlined: boolean;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly module?: string;
}

/** `handle (/src/a.cpp:12:3)`, `handle (/src/a.cpp:12) [inlined]`, `0x7f12 (/lib/libc.so.6)`, `main`. Blank lines are skipped. */
export function parseStack(textual: string): readonly ParsedFrame[] {
  const frames: ParsedFrame[] = [];
  for (const raw of textual.split('\n')) {
    const inlined = /\[inlined\]|\(inlined\)/.test(raw);
    const line = raw.replace(/\s*(\[inlined\]|\(inlined\))\s*/g, ' ').trim();
    if (line === '') continue;
    // `… (stack-truncated)`: why the stack ends here.
    if (line.startsWith('…')) {
      frames.push({ label: line, inlined: false });
      continue;
    }
    // The last parenthesis: C++ names contain parentheses themselves.
    const open = line.endsWith(')') ? line.lastIndexOf(' (') : -1;
    if (open < 0) {
      frames.push({ label: line, inlined });
      continue;
    }
    const label = line.slice(0, open);
    const where = line.slice(open + 2, -1);
    const at = /^(.*?):(\d+)(?::(\d+))?$/.exec(where);
    if (at) {
      frames.push({
        label,
        inlined,
        file: at[1] as string,
        line: Number(at[2]),
        ...(at[3] === undefined ? {} : { column: Number(at[3]) }),
      });
    } else {
      frames.push({ label, inlined, module: where });
    }
  }
  return frames;
}
