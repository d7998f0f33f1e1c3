import type { CtfItem } from '../../common/ctf/types';

/** Events as the live reader hands them over, merged in time order. */
export interface LiveBatch {
  readonly items: readonly CtfItem[];
  /** Offset of the trace's clock from the Unix epoch, ns, as the metadata says. */
  readonly clockOffsetNs?: bigint;
}

export interface LiveOptions {
  /** The relay daemon's live port on loopback. */
  readonly port: number;
  readonly sessionName: string;
  readonly signal: AbortSignal;
  readonly pollMs: number;
  /** How long to wait for the session to appear at the relay daemon. */
  readonly sessionWaitMs: number;
  /** Folder for a CTF copy of everything received. */
  readonly copyTo?: string;
}

/** Ends by itself when the session was destroyed and everything was read. Throws SkuaError when the stream breaks. */
export type OpenLive = (options: LiveOptions) => AsyncIterable<LiveBatch>;
