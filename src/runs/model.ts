import type * as vscode from 'vscode';
import type { TraceMeta } from '../../common/file/trace-meta';
import type { LossReport, LostStretch } from '../../common/model/loss';
import type { SpanStore } from '../../common/view/store';
import type { RunState } from '../../common/view/protocol';
import type { SourceMap } from '../core/api';

/** What a timeline shows: a run that goes on, or a file. Owned by the extension host; webviews come and go. */
export interface TraceModel {
  readonly id: string;
  readonly title: string;
  readonly store: SpanStore;
  readonly state: RunState;
  readonly loss: LossReport;
  /** Where in time events were lost in the kernel's buffers; empty when nobody told. */
  readonly lost: readonly LostStretch[];
  /** Recorded path prefixes → local folders: of the launch configuration, then of the run. */
  readonly sourceMap: SourceMap;
  /** What is saved beside the spans. */
  readonly meta: TraceMeta;
  /** The file this trace is in, once it is in one. */
  readonly file: vscode.Uri | undefined;
  /** Fires after new spans, a new state or a new loss report; may fire often, listeners throttle. */
  readonly onDidChange: vscode.Event<TraceChange>;
  /** Ends the run; absent when there is nothing to end. */
  readonly stop?: () => void;
}

export type TraceChange = 'spans' | 'state' | 'loss' | 'file';
