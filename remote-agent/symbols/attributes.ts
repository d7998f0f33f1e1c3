import { ATTR, type Attributes, type StackFrame } from '../../common/model/span';
import type { SymbolizedStack } from './types';

/** One frame of `code.stacktrace`: `function (file:line)`, `function (module)` or `0xADDR (module)`; inlined ones end in ` [inlined]`. */
function frameText(frame: StackFrame): string {
  const name = frame.function ?? frame.address;
  const place =
    frame.file !== undefined && frame.line !== undefined
      ? `${frame.file}:${String(frame.line)}`
      : (frame.module ?? 'unknown');
  return `${name} (${place})${frame.inlined ? ' [inlined]' : ''}`;
}

/**
 * The attributes that a syscall span gets from its user stack: `code.file.path`, `code.line.number`, `code.column.number` and
 * `code.function.name` of the source line, or `skua.source.unknown` with the reason, and the whole stack as `code.stacktrace`.
 */
export function sourceAttributes(stack: Omit<SymbolizedStack, 'reusable'>): Attributes {
  const trace = stack.frames.map(frameText);
  if (stack.end !== 'complete' && trace.length > 0) trace.push(`… (${stack.end})`);
  const stacktrace = trace.length === 0 ? {} : { [ATTR.codeStacktrace]: trace.join('\n') };
  if (!stack.source.known) return { [ATTR.sourceUnknown]: stack.source.reason, ...stacktrace };
  const frame = stack.frames[stack.source.frame];
  if (frame?.file === undefined || frame.line === undefined) {
    throw new Error('The source frame of a stack has no line.');
  }
  return {
    [ATTR.codeFile]: frame.file,
    [ATTR.codeLine]: frame.line,
    ...(frame.column === undefined ? {} : { [ATTR.codeColumn]: frame.column }),
    ...(frame.function === undefined ? {} : { [ATTR.codeFunction]: frame.function }),
    ...stacktrace,
  };
}
