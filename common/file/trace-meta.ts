import type { Nanoseconds } from '../base/time';
import type { LossReport } from '../model/loss';
import type { Span } from '../model/span';
import type { ExitStatus, SessionSummary } from '../protocol/agent';

/** What a saved trace says about its session. Everything but `title`, `loss` and `skuaVersion` may be unknown (imports). */
export interface TraceMeta {
  readonly title: string;
  readonly skuaVersion: string;
  readonly host?: string;
  readonly kernelRelease?: string;
  /** `sandbox`, or the SSH host as the user named it. */
  readonly target?: string;
  readonly program?: string;
  readonly args?: readonly string[];
  /** Names of the environment variables that the launch set; never their values. */
  readonly environment?: readonly string[];
  readonly startedNs?: Nanoseconds;
  readonly exit?: ExitStatus;
  readonly summary?: SessionSummary;
  readonly loss: LossReport;
  /** Path prefixes: as the compiler recorded them → as they are on this machine. */
  readonly sourceMap?: readonly (readonly [string, string])[];
}

export interface SavedTrace {
  readonly meta: TraceMeta;
  readonly spans: readonly Span[];
}
