import * as vscode from 'vscode';
import { SkuaError, toSkuaError } from '../../common/base/errors';
import type { LiveRun } from '../runs/liveRun';
import type { TraceModel } from '../runs/model';
import { encodeOtlp, encodeTrace } from './codec';
import { automaticName, fileName, surplus, titleOf } from './names';

export interface RecordedTrace {
  readonly uri: vscode.Uri;
  readonly title: string;
  /** Milliseconds since the Unix epoch. */
  readonly modified: number;
  /** Bytes. */
  readonly size: number;
}

/** The list of recorded traces: one folder, of this workspace where there is one. */
export class RecordedTraces implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;

  constructor(private readonly context: vscode.ExtensionContext) {}

  get folder(): vscode.Uri {
    const chosen = vscode.workspace.getConfiguration('skua').get<string>('traces.folder', '');
    if (chosen !== '') return vscode.Uri.file(chosen);
    return vscode.Uri.joinPath(this.context.storageUri ?? this.context.globalStorageUri, 'traces');
  }

  /** Newest first. An absent folder is an empty list. */
  async list(): Promise<readonly RecordedTrace[]> {
    const { folder } = this;
    const entries = await readFolder(folder);
    const traces = await Promise.all(
      entries.map(async (name) => {
        const uri = vscode.Uri.joinPath(folder, name);
        const { mtime, size } = await vscode.workspace.fs.stat(uri);
        return { uri, title: titleOf(name), modified: mtime, size };
      }),
    );
    return traces.sort((a, b) => b.modified - a.modified);
  }

  /** Where a run will be saved: known before it ends, so that a restored panel can find it. */
  plannedFile(run: LiveRun): vscode.Uri {
    if (run.resolved.saveTo !== undefined) return vscode.Uri.file(run.resolved.saveTo);
    return vscode.Uri.joinPath(this.folder, automaticName(run.title, run.startedAt));
  }

  /** Saves a run that is over and removes what the limit no longer allows. */
  async saveRun(run: LiveRun): Promise<vscode.Uri> {
    const file = this.plannedFile(run);
    await writeTraceFile(run, file);
    run.savedTo(file);
    if (run.resolved.saveTo === undefined) await this.prune();
    this.changes.fire();
    return file;
  }

  async rename(trace: RecordedTrace, title: string): Promise<void> {
    const name = fileName(title);
    if (name === '') {
      throw new SkuaError({
        code: 'config-invalid',
        message: 'A trace needs a name.',
        remedy: 'Type at least one letter or digit.',
      });
    }
    await vscode.workspace.fs.rename(trace.uri, vscode.Uri.joinPath(trace.uri, '..', `${name}.skua`), {
      overwrite: false,
    });
    this.changes.fire();
  }

  async delete(trace: RecordedTrace): Promise<void> {
    await vscode.workspace.fs.delete(trace.uri, { useTrash: false });
    this.changes.fire();
  }

  refresh(): void {
    this.changes.fire();
  }

  dispose(): void {
    this.changes.dispose();
  }

  private async prune(): Promise<void> {
    const { folder } = this;
    const limit = vscode.workspace.getConfiguration('skua').get<number>('traces.limit', 50);
    for (const name of surplus(await readFolder(folder), limit)) {
      await vscode.workspace.fs.delete(vscode.Uri.joinPath(folder, name));
    }
  }
}

async function readFolder(folder: vscode.Uri): Promise<string[]> {
  try {
    const entries = await vscode.workspace.fs.readDirectory(folder);
    return entries
      .filter(([name, type]) => type === vscode.FileType.File && name.endsWith('.skua'))
      .map(([name]) => name);
  } catch (error) {
    if (error instanceof vscode.FileSystemError && error.code === 'FileNotFound') return [];
    throw error;
  }
}

/** Throws SkuaError `disk-full` or `export-failed`. */
export async function writeTraceFile(model: TraceModel, file: vscode.Uri): Promise<void> {
  await write(file, encodeTrace(model.meta, model.store.spans()));
}

/** The trace as OTLP JSON. Throws as `writeTraceFile`. */
export async function writeOtlpFile(model: TraceModel, file: vscode.Uri): Promise<void> {
  await write(file, encodeOtlp(model.store.spans()));
}

async function write(file: vscode.Uri, bytes: Uint8Array): Promise<void> {
  try {
    await vscode.workspace.fs.createDirectory(vscode.Uri.joinPath(file, '..'));
    await vscode.workspace.fs.writeFile(file, bytes);
  } catch (cause) {
    const { message } = toSkuaError(cause);
    const full = /ENOSPC|EDQUOT/.test(message);
    throw new SkuaError(
      {
        code: full ? 'disk-full' : 'export-failed',
        message: `The trace could not be written to ${file.fsPath}: ${message}`,
        remedy: full
          ? 'Free some space and save again from the timeline.'
          : 'Save it to another place from the timeline.',
      },
      { cause },
    );
  }
}
