import { readFile } from 'node:fs/promises';
import { SkuaError } from '../../../common/base/errors';
import { readTrace } from '../../../common/file/skua-file';
import { toJson, traceJson } from '../json';
import { renderLoss, renderOutcome, renderTraces } from '../render';
import { localPath } from '../source-path';
import type { Terminal } from '../terminal';
import { buildTrees } from '../tree';

export interface ShowFlags {
  readonly fold: boolean;
  readonly events: boolean;
  readonly traces: number;
}

/** `skua show FILE`. Throws `file-invalid` or `file-too-new`. */
export async function show(file: string, flags: ShowFlags, terminal: Terminal): Promise<void> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new SkuaError(
      {
        code: 'file-invalid',
        message: `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
        remedy: 'Check the name of the file.',
      },
      { cause },
    );
  });
  const { meta, spans } = readTrace(bytes);
  const trees = buildTrees(spans);
  if (terminal.json) {
    terminal.print(toJson({ version: 1, meta, traces: trees.map(traceJson) }));
    return;
  }
  const where = [meta.program, meta.target, meta.kernelRelease]
    .filter((part) => part !== undefined)
    .join(', ');
  terminal.print(`${terminal.out.bold(meta.title)}  ${terminal.out.dim(where)}`);
  const path = localPath(meta.sourceMap ?? [], process.cwd());
  const lines = renderTraces(trees, {
    style: terminal.out,
    path,
    fold: flags.fold,
    events: flags.events,
    maxTraces: flags.traces,
  });
  for (const line of lines) terminal.print(line);
  for (const line of renderOutcome(meta.exit ?? null, meta.summary ?? null, terminal.out))
    terminal.print(line);
  for (const line of renderLoss(meta.loss, terminal.out)) terminal.print(line);
}
