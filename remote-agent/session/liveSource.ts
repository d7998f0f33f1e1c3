import type { CtfItem } from '../../common/ctf/types';

/** Events as the live reader hands them over, merged in time order. */
export interface LiveBatch {
  readonly items: readonly CtfItem[];
  /** Offset of the trace's clock from the Unix epoch, ns, as the metadata says. */
  readonly clockOffsetNs?: bigint;
}

export interface LiveOptions {
  readonly host: string;
  readonly port: number;
  readonly sessionName: string;
  readonly signal: AbortSignal;
  readonly pollMs: number;
}

/** Ends by itself when the session was destroyed and everything was read. Throws SkuaError when the stream breaks. */
export type OpenLive = (options: LiveOptions) => AsyncIterable<LiveBatch>;
