import type { TraceClass } from './types';

/** What reads the text of one of the formats. */
export interface MetadataText {
  /** Takes the next piece of text, cut anywhere. */
  take(text: string): void;
  /** Says that the text is complete: throws when something is unfinished. */
  end(): void;
  /** True once the trace itself has been described. */
  readonly ready: boolean;
  /** The trace class as far as it is known; its maps grow with later text. Throws when not `ready`. */
  readonly trace: TraceClass;
}

/** A text that begins with a record separator is a JSON text sequence (RFC 7464), as CTF2-SPEC-2.0 §5 has it. */
export const RECORD_SEPARATOR = '\u001e';
