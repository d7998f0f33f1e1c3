import * as vscode from 'vscode';
import { toSkuaError } from '../../common/base/errors';
import type { TraceMeta } from '../../common/file/trace-meta';
import { NO_LOSS, withStore, type LossReport } from '../../common/model/loss';
import { plural } from '../../common/view/format';
import { missingText } from '../../common/view/loss';
import type { RunState } from '../../common/view/protocol';
import { SpanStore } from '../../common/view/store';
import type { SourceMap } from '../core/api';
import type { TraceModel } from '../runs/model';
import { decodeTrace } from './codec';
import { titleOf } from './names';

/** A trace read from a file. A file that cannot be read is a model too: empty, in the state `failed`, with the error. */
export class FileTrace implements TraceModel {
  readonly lost: TraceModel['lost'] = [];
  readonly onDidChange: TraceModel['onDidChange'] = () => new vscode.Disposable(() => undefined);

  private constructor(
    readonly file: vscode.Uri,
    readonly title: string,
    readonly store: SpanStore,
    readonly state: RunState,
    readonly loss: LossReport,
    readonly meta: TraceMeta,
  ) {}

  get sourceMap(): SourceMap {
    return this.meta.sourceMap ?? [];
  }

  get id(): string {
    return this.file.toString();
  }

  /** Never rejects: see above. */
  static async read(file: vscode.Uri, maxSpans: number): Promise<FileTrace> {
    const name = file.path.slice(file.path.lastIndexOf('/') + 1);
    const store = new SpanStore({ limit: maxSpans });
    try {
      const { meta, spans } = decodeTrace(await vscode.workspace.fs.readFile(file), name);
      store.upsert(spans);
      const loss: LossReport = withStore(meta.loss, store.received);
      const lost = missingText(loss);
      const text = [
        ...(meta.host === undefined ? [] : [meta.host]),
        plural(store.traceCount, 'trace'),
        plural(store.spanCount, 'span'),
        ...(lost === '' ? [] : [`lost: ${lost}`]),
      ].join(', ');
      return new FileTrace(file, titleOf(name), store, { kind: 'ended', text }, loss, meta);
    } catch (thrown) {
      const error = toSkuaError(thrown);
      const state: RunState = { kind: 'failed', text: error.message, error: error.toData() };
      return new FileTrace(file, titleOf(name), store, state, NO_LOSS, {
        title: titleOf(name),
        skuaVersion: '',
        loss: NO_LOSS,
      });
    }
  }
}
